#include "kernels/peak/peak.h"

#include <algorithm>
#include <chrono>
#include <vector>

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

}  // namespace tiny
