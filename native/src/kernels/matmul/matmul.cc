#include "kernels/matmul/matmul.h"

#include <algorithm>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/kernels.h"
#include "kernels/matmul/packed.h"
#include "kernels/matmul/reference.h"
#include "kernels/matmul/schedule.h"

namespace tiny {

namespace {

void multiply_float64(const Product& p, ThreadPool& pool) {
  const int64_t grain = 1 + (1 << 16) / (1 + p.n * p.k);
  pool.ranges(p.m, grain, [&](int64_t begin, int64_t end) { multiply_reference<double>(p, begin, end); });
}

// Rows divided evenly into tiles, whose heights so differ by one at most.
struct Rows {
  int64_t count, tiles;
  int64_t start(int64_t tile) const {
    const int64_t height = count / tiles, higher = count % tiles;
    return tile * height + std::min(tile, higher);
  }
};

class Multiplication {
 public:
  Multiplication(const Product& product, void* scratch, ThreadPool& pool, const MatmulKernels& kernels)
      : p_(product), kernels_(kernels), pool_(pool), blocking_(blocking_of(product, kernels, pool.size())) {
    dot_ = p_.bf16 && kernels.dot;
    a_format_ = dot_ ? PanelFormat::Bf16Pairs : PanelFormat::F32;
    // A panel that is packed for this product only is float32 where it is multiplied as that.
    b_format_ = p_.packed != nullptr ? p_.packed->format() : a_format_;
    direct_ = p_.m <= kDirectRows && p_.packed == nullptr && p_.packed_transpose == nullptr &&
              p_.b.dtype == DType::Float32 && !p_.bf16;
    char* at = static_cast<char*>(scratch);
    a_ = at;
    b_ = at += blocking_.a_bytes;
    at += blocking_.b_bytes * static_cast<size_t>(pool.size());
    const bool in_scratch = blocking_.partial_bytes > 0;
    partial_ = in_scratch ? reinterpret_cast<float*>(at) : static_cast<float*>(p_.c);
    partial_stride_ = in_scratch ? p_.n : p_.c_stride;
  }

  void run() {
    for (int64_t row = 0; row < p_.m; row += blocking_.rows) {
      const int64_t count = std::min(blocking_.rows, p_.m - row);
      const Rows rows{count, (count + kernels_.rows - 1) / kernels_.rows};
      int64_t k0 = 0;
      do {
        const int64_t k = std::min(blocking_.depth, p_.k - k0);
        pack_rows(rows, row, k0, k);
        multiply_rows(rows, row, k0, k);
        k0 += blocking_.depth;
      } while (k0 < p_.k);
    }
  }

 private:
  char* a_panel(const Rows& rows, int64_t tile, int64_t k) const {
    return a_ + panel_bytes(a_format_, rows.start(tile), k);
  }

  // op(a)'s rows are the columns of its transpose.
  void pack_rows(const Rows& rows, int64_t row, int64_t k0, int64_t k) {
    Matrix transpose = p_.a;
    transpose.transposed = !transpose.transposed;
    const int64_t grain = 1 + 16384 / (1 + k * kernels_.rows);
    pool_.ranges(rows.tiles, grain, [&](int64_t begin, int64_t end) {
      for (int64_t tile = begin; tile < end; ++tile) {
        const int64_t start = rows.start(tile), height = rows.start(tile + 1) - start;
        PanelSource source = columns_of(transpose, row + start, k0, height, height, k);
        source.round = p_.bf16;
        kernels_.pack(source, a_format_, a_panel(rows, tile, k));
      }
    });
  }

  void multiply_rows(const Rows& rows, int64_t row, int64_t k0, int64_t k) {
    const int64_t panels = (p_.n + kernels_.columns - 1) / kernels_.columns;
    const Rows split{rows.tiles, std::min(blocking_.parts, rows.tiles)};
    const auto body = [&](int64_t begin, int64_t end, int64_t next, int thread) {
      while (begin < end) {
        const int64_t part = begin / panels, first = begin % panels;
        const int64_t count = std::min(end - begin, panels - first);
        begin += count;
        const int64_t after = begin < end ? begin : next;
        multiply_group({rows, row, split.start(part), split.start(part + 1), k0, k}, first, count,
                       after < panels * split.tiles ? after % panels : -1, thread);
      }
    };
    deal(pool_, blocking_.parallel, panels * split.tiles, direct_ ? kDirectPanels : blocking_.group, body);
  }

  // Tiles [first, last) of a pass's rows over a range of k.
  struct Part {
    const Rows& rows;
    int64_t row, first, last, k0, k;
  };

  // The part by panels [first, first + count); `following` is the panel that will probably come next, or -1.
  void multiply_group(const Part& part, int64_t first, int64_t count, int64_t following, int thread) {
    Tile t{};
    t.product = &p_;
    t.k = part.k;
    t.dot = dot_;
    t.b_format = b_format_;
    t.partial = partial_;
    t.partial_stride = partial_stride_;
    t.first = part.k0 == 0;
    t.last = part.k0 + part.k >= p_.k;
    if (direct_) {
      t.row = part.row;
      t.height = part.rows.count;
      t.a = a_;
      t.column = first * kernels_.columns;
      t.width = std::min(count * kernels_.columns, p_.n - t.column);
      return kernels_.direct(t, source_of(first, part));
    }
    char* own = b_ + blocking_.b_bytes * static_cast<size_t>(thread);
    const int64_t panel = panel_bytes(b_format_, kernels_.columns, part.k);
    for (int64_t i = 0; i < count && p_.packed == nullptr; ++i) {
      PanelSource source = source_of(first + i, part);
      if (p_.packed_transpose != nullptr) {
        p_.packed_transpose->pack_transpose((first + i) * kernels_.columns, source.valid, part.k0, part.k,
                                            p_.bf16, b_format_, own + i * panel, kernels_);
        continue;
      }
      source.round = p_.bf16;
      kernels_.pack(source, b_format_, own + i * panel);
    }
    const int64_t steps = t.dot || b_format_ == PanelFormat::Bf16Pairs ? (part.k + 1) / 2 : part.k;
    for (int64_t tile = part.first; tile < part.last; ++tile) {
      t.row = part.row + part.rows.start(tile);
      t.height = part.rows.start(tile + 1) - part.rows.start(tile);
      t.a = a_panel(part.rows, tile, part.k);
      for (int64_t i = 0; i < count; ++i) {
        t.column = (first + i) * kernels_.columns;
        t.width = std::min(kernels_.columns, p_.n - t.column);
        t.b = p_.packed != nullptr ? p_.packed->panel(first + i, part.k0) : own + i * panel;
        if (blocking_.rows_cached) {
          prefetch_panel(t, following, part, (tile - part.first) * steps);
        } else if (i == 0) {
          prefetch(t, a_panel(part.rows, tile + 1, part.k));
        } else {
          prefetch_nothing(t);
        }
        kernels_.tile(t);
      }
    }
  }

  PanelSource source_of(int64_t index, const Part& part) const {
    const int64_t column = index * kernels_.columns, valid = std::min(kernels_.columns, p_.n - column);
    return columns_of(p_.b, column, part.k0, valid, kernels_.columns, part.k);
  }

  static void prefetch(Tile& t, const char* from, int64_t lines = INT64_MAX, int64_t gap = 0) {
    t.next = from;
    t.next_lines = lines;
    t.next_gap = gap;
  }
  static void prefetch_nothing(Tile& t) { prefetch(t, static_cast<const char*>(t.a), 1, -64); }

  // Of what panel `index` will be read from, the lines from `done` on.
  void prefetch_panel(Tile& t, int64_t index, const Part& part, int64_t done) const {
    if (index < 0 || p_.packed_transpose != nullptr) return prefetch_nothing(t);
    if (p_.packed != nullptr) {
      if (done * 64 >= panel_bytes(b_format_, kernels_.columns, part.k)) return prefetch_nothing(t);
      return prefetch(t, p_.packed->panel(index, part.k0) + done * 64);
    }
    const PanelSource source = source_of(index, part);
    const int64_t size = static_cast<int64_t>(size_of(source.dtype));
    const int64_t rows = source.across ? source.valid : source.k,
                  columns = source.across ? source.k : source.valid;
    const int64_t lines = std::max<int64_t>(1, (columns * size + 63) / 64), row = done / lines;
    if (row >= rows) return prefetch_nothing(t);
    prefetch(t, static_cast<const char*>(source.data) + row * source.stride * size, lines,
             source.stride * size - lines * 64);
  }

  const Product& p_;
  const MatmulKernels& kernels_;
  ThreadPool& pool_;
  const Blocking blocking_;
  bool dot_, direct_;  // direct_: b is read as it is stored
  PanelFormat a_format_, b_format_;
  char *a_, *b_;
  float* partial_;
  int64_t partial_stride_;
};

}  // namespace

size_t multiply_scratch(const Product& product, int threads, const MatmulKernels& kernels) {
  if (product.a.dtype == DType::Float64) return 0;
  const Blocking b = blocking_of(product, kernels, threads);
  return b.a_bytes + b.b_bytes * static_cast<size_t>(threads) + b.partial_bytes;
}

size_t multiply_scratch_most(const Product& largest, int threads, const MatmulKernels& kernels) {
  return most_scratch(largest, kernels, threads);
}

void multiply(const Product& product, void* scratch, ThreadPool& pool,
              const MatmulKernels& kernels) noexcept {
  if (product.m == 0 || product.n == 0) return;
  if (product.a.dtype == DType::Float64) return multiply_float64(product, pool);
  if (blas::takes(product) && blas::multiply(product, pool, kernels)) return;
  Multiplication(product, scratch, pool, kernels).run();
}

}  // namespace tiny
