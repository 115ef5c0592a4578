#include "kernels/peak/peak.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <vector>

#include "runtime/memory.h"

namespace tiny {

#define TINY_MATMUL(name, isa) extern const PeakKernels peak_##name;
#include "kernels/matmul/kernels.inc"
#undef TINY_MATMUL

const PeakKernels& peak_kernels(Isa isa) {
#define TINY_MATMUL(name, row) \
  if (Isa::row <= isa) return peak_##name;
#include "kernels/matmul/kernels.inc"
#undef TINY_MATMUL
  return peak_scalar;
}

double measure_peak(ThreadPool& pool, PeakKind kind, double seconds, Isa isa) {
  const PeakKernels& kernels = peak_kernels(isa);
  const auto run = kind == PeakKind::Fma ? kernels.fma : kernels.bf16;
  if (run == nullptr) return 0;
  const auto operations =
      static_cast<double>(kind == PeakKind::Fma ? kernels.fma_operations : kernels.bf16_operations);
  std::vector<double> sinks(static_cast<size_t>(pool.size()));
  const auto time = [&](int64_t steps) {
    struct Context {
      decltype(run) function;
      int64_t steps;
      double* sinks;
    } context{run, steps, sinks.data()};
    const auto start = std::chrono::steady_clock::now();
    pool.run(
        [](void* raw, int thread) {
          const Context& shared = *static_cast<Context*>(raw);
          shared.sinks[thread] = shared.function(shared.steps);
        },
        &context);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  constexpr int64_t kTrial = 100000;
  const double trial = std::max(time(kTrial), 1e-9);
  const int64_t steps = std::max<int64_t>(1, static_cast<int64_t>(kTrial * seconds / trial));
  return operations * static_cast<double>(steps) * pool.size() / time(steps);
}

double measure_read(ThreadPool& pool, size_t bytes) {
  const auto buffer = Buffer::allocate(bytes);
  std::memset(buffer->data(), 1, bytes);
  const auto* words = static_cast<const uint64_t*>(buffer->data());
  constexpr int64_t kChunk = 1 << 17;
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int pass = 0; pass < 2; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    pool.ranges(static_cast<int64_t>(bytes / sizeof(uint64_t)), kChunk, [&](int64_t begin, int64_t end) {
      uint64_t sums[4] = {};
      for (int64_t i = begin; i + 4 <= end; i += 4) {
        for (int lane = 0; lane < 4; ++lane) sums[lane] += words[i + lane];
      }
      sink.fetch_add(sums[0] + sums[1] + sums[2] + sums[3], std::memory_order_relaxed);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(bytes) / seconds);
  }
  return best;
}

}  // namespace tiny
