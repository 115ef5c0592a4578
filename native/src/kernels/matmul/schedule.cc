#include "kernels/matmul/schedule.h"

#include <algorithm>

#include "base/aligned.h"

namespace tiny {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// k in one pass: longer ones are divided evenly.
constexpr int64_t kDepth = 4096;
// Of a's rows packed at once, for all threads: in the third-level cache beside what streams through it.
constexpr int64_t kPackedBytes = int64_t{8} << 20;
// Below this many multiply-adds (or reads of b) waking a thread costs more than it brings.
constexpr int64_t kSerialWork = 1 << 18, kSerialReads = 1 << 16;

}  // namespace

Blocking blocking_of(const Product& p, const MatmulKernels& kernels, int threads, const CacheSizes& caches) {
  Blocking b;
  const int64_t passes = std::max<int64_t>(1, ceil_div(p.k, kDepth));
  b.depth = passes == 1 ? p.k : ceil_div(ceil_div(p.k, passes), kChunk) * kChunk;
  const int64_t bytes = std::max<int64_t>(1, b.depth) * 4;  // of a row; half of it for pairs of bfloat16

  const int64_t most = std::max(kernels.rows, kPackedBytes / bytes);
  const int64_t blocks = std::max<int64_t>(1, ceil_div(p.m, most));
  b.rows = ceil_div(p.m, blocks);

  const int64_t panels = ceil_div(p.n, kernels.columns), panel = bytes * kernels.columns;
  b.group = std::clamp<int64_t>(static_cast<int64_t>(caches.l2) / 2 / panel, 1, 8);
  b.parallel = threads > 1 && (p.m * p.n * p.k > kSerialWork || p.n * p.k > kSerialReads);
  if (b.parallel) {
    // Each part packs the panels again, where they are not packed: about 1 % for 100 rows.
    const int64_t tiles = ceil_div(b.rows, kernels.rows);
    const int64_t wanted = ceil_div(int64_t{16} * threads, panels);
    b.parts = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, tiles * kernels.rows / 128));
  }

  b.a_bytes = align_up(static_cast<size_t>(b.rows * panel_bytes(PanelFormat::F32, 1, b.depth + 1)));
  b.b_bytes = align_up(
      static_cast<size_t>(b.group * kernels.columns * panel_bytes(PanelFormat::F32, 1, b.depth + 1)));
  const bool in_c = p.c_dtype == DType::Float32 && p.residual_stride == 0;
  if (passes > 1 && !in_c) b.partial_bytes = align_up(static_cast<size_t>(p.m * p.n) * sizeof(float));
  return b;
}

}  // namespace tiny
