#include "kernels/matmul/matmul.h"

#include <algorithm>
#include <atomic>
#include <new>
#include <optional>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/kernels.h"
#include "kernels/matmul/packed.h"
#include "kernels/matmul/reference.h"
#include "kernels/matmul/schedule.h"
#include "runtime/spin.h"

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
    const auto threads = static_cast<size_t>(pool.size());
    b_ = at += blocking_.a_bytes * blocking_.copies(pool.size());
    at += blocking_.b_bytes * threads;
    const bool in_scratch = blocking_.partial_bytes > 0;
    partial_ = in_scratch ? reinterpret_cast<float*>(at) : static_cast<float*>(p_.c);
    shared_ = reinterpret_cast<Shared*>(at += blocking_.partial_bytes);
    flags_ = reinterpret_cast<std::atomic<uint8_t>*>(at += kThreadBytes * threads);
    partial_stride_ = in_scratch ? p_.n : p_.c_stride;
  }

  void run() {
    for (int64_t row = 0; row < p_.m; row += blocking_.rows) {
      const int64_t count = std::min(blocking_.rows, p_.m - row);
      const Rows rows{count, (count + kernels_.rows - 1) / kernels_.rows};
      int64_t k0 = 0;
      do {
        const int64_t k = std::min(blocking_.depth, p_.k - k0);
        for (size_t i = 0; i < blocking_.flag_bytes; ++i) new (flags_ + i) std::atomic<uint8_t>(kWanted);
        for (int i = 0; i < pool_.size(); ++i) new (shared_ + i) Shared();
        multiply_rows(rows, row, k0, k);
        k0 += blocking_.depth;
      } while (k0 < p_.k);
    }
  }

 private:
  enum Flag : uint8_t { kWanted, kBegun, kPacked };

  char* a_panel(const Rows& rows, int64_t tile, int64_t k, int thread) const {
    return a_ + (blocking_.own_rows ? blocking_.a_bytes * static_cast<size_t>(thread) : 0) +
           panel_bytes(a_format_, rows.start(tile), k);
  }

  // Tiles [first, last) of a pass's rows over a range of k.
  struct Part {
    const Rows& rows;
    int64_t row, first, last, k0, k;
  };

  // op(a)'s rows are the columns of its transpose.
  void pack_tile(const Part& part, int64_t tile, int thread) {
    Matrix transpose = p_.a;
    transpose.transposed = !transpose.transposed;
    const int64_t start = part.rows.start(tile), height = part.rows.start(tile + 1) - start;
    PanelSource source = columns_of(transpose, part.row + start, part.k0, height, height, part.k);
    source.round = p_.bf16;
    kernels_.pack(source, a_format_, a_panel(part.rows, tile, part.k, thread));
  }

  // Rows that all threads share are packed by whoever needs them first.
  void need_tile(const Part& part, int64_t tile, int thread) {
    std::atomic<uint8_t>& flag = flags_[tile];
    uint8_t seen = flag.load(std::memory_order_acquire);
    if (seen == kPacked) return;
    if (seen == kWanted && flag.compare_exchange_strong(seen, kBegun, std::memory_order_acquire)) {
      pack_tile(part, tile, thread);
      flag.store(kPacked, std::memory_order_release);
      return;
    }
    while (!spin_until(1024, [&] { return flag.load(std::memory_order_acquire) == kPacked; })) {
    }
  }

  void multiply_rows(const Rows& rows, int64_t row, int64_t k0, int64_t k) {
    const int64_t panels = (p_.n + kernels_.columns - 1) / kernels_.columns;
    const Rows split{rows.tiles, std::min(blocking_.parts, rows.tiles)};
    const auto body = [&](int64_t begin, int64_t end, int64_t next, int thread, const auto& none_left) {
      while (begin < end) {
        const int64_t part = begin / panels, first = begin % panels;
        const int64_t count = std::min(end - begin, panels - first);
        begin += count;
        const int64_t after = begin < end ? begin : next;
        const Group group{{rows, row, split.start(part), split.start(part + 1), k0, k},
                          first,
                          count,
                          after < panels * split.tiles ? after % panels : -1,
                          thread};
        multiply_group(group, [&] { return begin == end && none_left(); });
      }
    };
    const auto help = [&](int thread) {
      if (!direct_) help_others(thread);
    };
    deal(pool_, blocking_.parallel, panels * split.tiles, direct_ ? kDirectPanels : blocking_.group, body,
         help);
  }

  // A part by panels [first, first + count), which `thread` has packed; `following` is the panel that will
  // probably come next, or -1.
  struct Group {
    Part part;
    int64_t first, count, following;
    int thread;
  };

  // The last group of a thread, whose tiles anyone may take.
  struct alignas(64) Shared {
    enum State : int { Busy, Open, Done };
    std::atomic<int> state{Busy};
    std::atomic<int64_t> next{0};
    std::optional<Group> group;
  };
  static_assert(sizeof(Shared) <= kThreadBytes);

  // last() says whether no thread will find another group.
  template <typename Last>
  void multiply_group(const Group& group, const Last& last) {
    const Part& part = group.part;
    const int thread = group.thread;
    // A thread's own rows are packed beside its first group.
    std::atomic<uint8_t>& flag = flags_[thread];
    const bool own = blocking_.own_rows, wanted = own && flag.load(std::memory_order_relaxed) == kWanted;
    if (direct_) {
      for (int64_t tile = part.first; tile < part.last; ++tile) {
        if (wanted) pack_tile(part, tile, thread);
        if (!own) need_tile(part, tile, thread);
      }
      if (wanted) flag.store(kPacked, std::memory_order_relaxed);
      Tile t = tile_of(part);
      t.row = part.row;
      t.height = part.rows.count;
      t.a = a_panel(part.rows, 0, part.k, thread);
      t.column = group.first * kernels_.columns;
      t.width = std::min(group.count * kernels_.columns, p_.n - t.column);
      return kernels_.direct(t, source_of(group.first, part));
    }
    pack_panels(group);
    Shared& shared = shared_[thread];
    const int64_t tiles = part.last - part.first;
    int64_t j = 0;
    for (; j < tiles; ++j) {
      if (tiles > 1 && last()) break;
      multiply_tile(group, j, thread, wanted);
    }
    if (j == tiles) {
      if (wanted) flag.store(kPacked, std::memory_order_relaxed);
      return;
    }
    shared.group.emplace(group);
    shared.next.store(j, std::memory_order_relaxed);
    shared.state.store(Shared::Open, std::memory_order_release);
    multiply_shared(shared, thread);
  }

  void multiply_shared(Shared& shared, int thread) {
    const Group& group = *shared.group;
    const int64_t tiles = group.part.last - group.part.first;
    const bool wanted = blocking_.own_rows && flags_[thread].load(std::memory_order_relaxed) == kWanted;
    for (;;) {
      const int64_t j = shared.next.fetch_add(1, std::memory_order_relaxed);
      if (j >= tiles) return;
      multiply_tile(group, j, thread, wanted);
    }
  }

  // Without this all would wait for the last group, 230 microseconds of 512 rows by 768 by 32.
  void help_others(int thread) {
    if (shared_[thread].state.load(std::memory_order_relaxed) == Shared::Busy) {
      shared_[thread].state.store(Shared::Done, std::memory_order_release);
    }
    const auto all_through = [&] {
      bool through = true;
      for (int i = 1; i < pool_.size(); ++i) {
        Shared& other = shared_[(thread + i) % pool_.size()];
        const int state = other.state.load(std::memory_order_acquire);
        if (state == Shared::Open) multiply_shared(other, thread);
        through = through && state != Shared::Busy;
      }
      return through;
    };
    while (!spin_until(1024, all_through)) {
    }
  }

  void pack_panels(const Group& group) {
    if (p_.packed != nullptr) return;
    const Part& part = group.part;
    for (int64_t i = 0; i < group.count; ++i) {
      PanelSource source = source_of(group.first + i, part);
      char* panel = own_panel(group, i);
      if (p_.packed_transpose != nullptr) {
        p_.packed_transpose->pack_transpose((group.first + i) * kernels_.columns, source.valid, part.k0,
                                            part.k, p_.bf16, b_format_, panel, kernels_);
        continue;
      }
      source.round = p_.bf16;
      kernels_.pack(source, b_format_, panel);
    }
  }

  char* own_panel(const Group& group, int64_t i) const {
    return b_ + blocking_.b_bytes * static_cast<size_t>(group.thread) +
           i * panel_bytes(b_format_, kernels_.columns, group.part.k);
  }

  Tile tile_of(const Part& part) const {
    Tile t{};
    t.product = &p_;
    t.k = part.k;
    t.dot = dot_;
    t.b_format = b_format_;
    t.partial = partial_;
    t.partial_stride = partial_stride_;
    t.first = part.k0 == 0;
    t.last = part.k0 + part.k >= p_.k;
    return t;
  }

  // The group's j-th tile of rows. Threads that share rows begin apart, each with tiles that it packs.
  void multiply_tile(const Group& group, int64_t j, int thread, bool wanted) {
    const Part& part = group.part;
    const int64_t tiles = part.last - part.first, ahead = tiles * group.thread / pool_.size();
    const auto tile_at = [&](int64_t index) { return part.first + (index + ahead) % tiles; };
    const int64_t tile = tile_at(j);
    if (wanted) pack_tile(part, tile, thread);
    if (!blocking_.own_rows) need_tile(part, tile, thread);
    Tile t = tile_of(part);
    t.row = part.row + part.rows.start(tile);
    t.height = part.rows.start(tile + 1) - part.rows.start(tile);
    t.a = a_panel(part.rows, tile, part.k, thread);
    const int64_t steps = t.dot || b_format_ == PanelFormat::Bf16Pairs ? (part.k + 1) / 2 : part.k;
    for (int64_t i = 0; i < group.count; ++i) {
      t.column = (group.first + i) * kernels_.columns;
      t.width = std::min(kernels_.columns, p_.n - t.column);
      t.b = p_.packed != nullptr ? p_.packed->panel(group.first + i, part.k0) : own_panel(group, i);
      if (blocking_.rows_cached) {
        prefetch_panel(t, group.following, part, j * steps);
      } else if (i == 0) {
        prefetch(t, a_panel(part.rows, tile_at(j + 1), part.k, thread));
      } else {
        prefetch_nothing(t);
      }
      kernels_.tile(t);
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
  Shared* shared_;               // of each thread
  std::atomic<uint8_t>* flags_;  // a Flag for each tile of rows, or for each thread with rows of its own
  float* partial_;
  int64_t partial_stride_;
};

}  // namespace

size_t multiply_scratch(const Product& product, int threads, const MatmulKernels& kernels) {
  if (product.a.dtype == DType::Float64) return 0;
  const Blocking b = blocking_of(product, kernels, threads);
  return b.scratch(threads);
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
