#include "kernels/matmul/schedule.h"

#include <algorithm>

#include "base/aligned.h"

namespace tiny {

namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// k in one pass: longer ones are divided evenly.
constexpr int64_t kDepth = 4096, kFewRows = 320;
// Of a's rows packed at once, for all threads: in the third-level cache beside what streams through it.
constexpr int64_t kPackedBytes = int64_t{8} << 20;
// Below this many multiply-adds (or reads of b) waking a thread costs more than it brings.
constexpr int64_t kSerialWork = 1 << 18, kSerialReads = 1 << 16;
// Packing an element costs 0.75 cycles and this many columns a core at least 6. To write lines that other
// cores have read costs 3 to 12, so that few threads are faster if each packs all rows.
constexpr int64_t kColumnsPerCopy = 96;

size_t flag_bytes(int64_t rows, const MatmulKernels& kernels, int threads) {
  return align_up(static_cast<size_t>(std::max(int64_t{threads}, ceil_div(rows, kernels.rows))));
}

}  // namespace

Blocking blocking_of(const Product& p, const MatmulKernels& kernels, int threads, const CacheSizes& caches) {
  Blocking b;
  const int64_t panels = ceil_div(p.n, kernels.columns), cache = static_cast<int64_t>(caches.l2);
  b.parallel = threads > 1 && (p.m * p.n * p.k > kSerialWork || p.n * p.k > kSerialReads);
  const auto passes_of = [&](int64_t depth) { return std::max<int64_t>(1, ceil_div(p.k, depth)); };
  const auto even = [&](int64_t passes) {
    return passes == 1 ? p.k : ceil_div(ceil_div(p.k, passes), kChunk) * kChunk;
  };
  b.depth = even(passes_of(kDepth));
  // Few rows stay in the second-level cache, if need be a range of k at a time.
  if (p.m <= kFewRows && p.m * b.depth * 4 > cache / 2) {
    b.depth = even(passes_of(std::max(cache / 2 / (p.m * 4) / kChunk * kChunk, kChunk)));
  }
  const int64_t bytes = std::max<int64_t>(1, b.depth) * 4;  // of a row; half of it for pairs of bfloat16

  const int64_t most = std::max(kernels.rows, kPackedBytes / bytes);
  b.rows = ceil_div(p.m, std::max<int64_t>(1, ceil_div(p.m, most)));
  if (b.parallel) {
    // Each part packs the panels again, where they are not packed: about 1 % for 128 rows. Every thread gets
    // one.
    const int64_t tiles = ceil_div(b.rows, kernels.rows);
    const int64_t most_parts = std::max(tiles * kernels.rows / 128, ceil_div(threads, panels));
    const int64_t wanted = std::clamp<int64_t>(ceil_div(int64_t{16} * threads, panels), 1, most_parts);
    b.parts = std::min<int64_t>({tiles, wanted, threads});
    // Whole parts for each thread, so that it alone packs and reads their rows, in product after product.
    int64_t even = b.parts;
    while (threads % even != 0) --even;
    if (even * panels >= 4 * threads) b.parts = even;
  }
  b.rows_cached = ceil_div(b.rows, b.parts) * bytes <= cache / 2;
  b.group = b.rows_cached ? 1 : std::clamp<int64_t>(cache * 3 / 8 / (bytes * kernels.columns), 1, 8);

  const bool few_copies = threads <= 4 || p.n >= kColumnsPerCopy * threads;
  b.own_rows = b.parallel && b.parts == 1 && b.rows_cached && few_copies;
  b.flag_bytes = flag_bytes(b.rows, kernels, threads);
  b.a_bytes = align_up(static_cast<size_t>(b.rows * panel_bytes(PanelFormat::F32, 1, b.depth + 1)));
  b.b_bytes =
      align_up(static_cast<size_t>(b.group * panel_bytes(PanelFormat::F32, kernels.columns, b.depth + 1)));
  const bool in_c = p.c_dtype == DType::Float32 && p.residual_stride == 0;
  if (b.depth < p.k && !in_c) b.partial_bytes = align_up(static_cast<size_t>(p.m * p.n) * sizeof(float));
  return b;
}

size_t most_scratch(const Product& largest, const MatmulKernels& kernels, int threads,
                    const CacheSizes& caches) {
  if (largest.a.dtype == DType::Float64) return 0;
  const int64_t k = std::min(largest.k, kDepth), cache = static_cast<int64_t>(caches.l2);
  const int64_t row = panel_bytes(PanelFormat::F32, 1, k + 1);
  // Packed rows are those of the product, or so many that they fill kPackedBytes (and an element each beyond
  // it).
  const int64_t rows = std::min(largest.m * row, std::max(kernels.rows * row, kPackedBytes + largest.m * 4));
  // A thread's panels are one, or up to eight in that share of the cache.
  const int64_t panel = kernels.columns * row;
  const int64_t panels = std::max(panel, std::min(8 * panel, cache * 3 / 8 + 8 * kernels.columns * 4));
  const bool in_c = largest.c_dtype == DType::Float32 && largest.residual_stride == 0;
  const int64_t sums = in_c || largest.k <= kChunk ? 0 : largest.m * largest.n * int64_t{sizeof(float)};
  const auto bytes = [](int64_t count) { return align_up(static_cast<size_t>(count)); };
  // Or each thread's copy of as many as stay in that cache, and an element each.
  const size_t copies =
      bytes(std::min(largest.m * row, cache / 2 + largest.m * 4)) * static_cast<size_t>(threads);
  const size_t flags = flag_bytes(largest.m, kernels, threads);
  return std::max(bytes(rows), copies) + (bytes(panels) + kThreadBytes) * static_cast<size_t>(threads) +
         bytes(sums) + flags;
}

}  // namespace tiny
