#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/matmul/kernels.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace tiny {

// How a product is cut. Rows of a are packed `rows` by `depth` at a time. Threads take units, a panel of
// columns by a part of those rows, pack the panel for themselves where it is not packed yet, and multiply;
// whoever meets a tile of rows first packs it. Nothing here changes an element's sum.
inline constexpr size_t kThreadBytes = 256;  // of scratch for what a thread shows to the others
struct Blocking {
  int64_t depth = 0;         // of k, in one pass: a multiple of kChunk, or all
  int64_t rows = 0;          // in one pass
  int64_t parts = 1;         // of the rows of a pass
  int64_t group = 1;         // most panels that a thread takes at once: they stay in its second-level cache
  bool rows_cached = false;  // whether the rows of a part do, so that panels can pass by one by one
  bool own_rows = false;     // whether each thread packs the rows for itself
  bool parallel = false;
  // Of scratch: a copy of a's rows, a thread's panels of b, sums, a byte for each tile of rows or thread.
  size_t a_bytes = 0, b_bytes = 0, partial_bytes = 0, flag_bytes = 0;

  size_t copies(int threads) const { return own_rows ? static_cast<size_t>(threads) : 1; }
  size_t scratch(int threads) const {
    return a_bytes * copies(threads) + (b_bytes + kThreadBytes) * static_cast<size_t>(threads) +
           partial_bytes + flag_bytes;
  }
};

Blocking blocking_of(const Product& product, const MatmulKernels& kernels, int threads,
                     const CacheSizes& caches = cache_sizes());

// At least the bytes of scratch that any product of at most these sizes needs: where sizes follow from data
// (the rows of an expert), memory is reserved before they are known.
size_t most_scratch(const Product& largest, const MatmulKernels& kernels, int threads,
                    const CacheSizes& caches = cache_sizes());

// Calls body(begin, end, next, thread, none_left) over ranges of at most `most` that cover [0, count). Each
// thread has a share of its own and takes it from the front, so that it knows what it will probably read next
// (`next`, or count); one that has none left takes from the back of others' shares. none_left() says whether
// all are taken, and stays true from then on. A thread that finds nothing more calls help(thread).
template <typename Body, typename Help>
void deal(ThreadPool& pool, bool parallel, int64_t count, int64_t most, const Body& body, const Help& help) {
  if (!parallel) {
    for (int64_t begin = 0; begin < count; begin += most) {
      const int64_t end = std::min(count, begin + most);
      body(begin, end, end, 0, [] { return false; });
    }
    return;
  }
  constexpr int kShares = 64;
  struct alignas(64) Share {
    std::atomic<uint64_t> bounds{0};  // begin in the upper half, end in the lower
  };
  struct Context {
    Share shares[kShares];
    int64_t count, most;
    int used;
    const Body* body;
    const Help* help;

    bool none_left() const {
      for (int i = 0; i < used; ++i) {
        const uint64_t bounds = shares[i].bounds.load(std::memory_order_relaxed);
        if (bounds >> 32 < (bounds & 0xffffffffu)) return false;
      }
      return true;
    }
    // Takes up to `wanted` units from the front, or one from the back; false when the share is empty.
    bool take(Share& share, bool front, int64_t& begin, int64_t& end) {
      uint64_t old = share.bounds.load(std::memory_order_relaxed);
      for (;;) {
        const int64_t from = static_cast<int64_t>(old >> 32), to = static_cast<int64_t>(old & 0xffffffffu);
        if (from >= to) return false;
        // Never more than half of what is left, so that some can be taken over.
        const int64_t taken = front ? std::max<int64_t>(1, std::min(most, (to - from) / 2)) : 1;
        begin = front ? from : to - 1;
        end = begin + taken;
        const uint64_t left = front ? pack(end, to) : pack(from, begin);
        if (share.bounds.compare_exchange_weak(old, left, std::memory_order_relaxed)) return true;
      }
    }
    static uint64_t pack(int64_t begin, int64_t end) {
      return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
    }
  } context;
  context.count = count;
  context.most = most;
  context.body = &body;
  context.help = &help;
  context.used = std::min(pool.size(), kShares);
  for (int64_t i = 0; i < context.used; ++i) {
    context.shares[i].bounds.store(Context::pack(count * i / context.used, count * (i + 1) / context.used),
                                   std::memory_order_relaxed);
  }
  const auto section = [](void* raw, int thread) {
    Context& shared = *static_cast<Context*>(raw);
    const int own = thread % shared.used;
    int64_t begin, end;
    for (int i = 0; i < shared.used;) {
      const int from = (own + i) % shared.used;
      if (!shared.take(shared.shares[from], i == 0, begin, end)) {
        ++i;
        continue;
      }
      (*shared.body)(begin, end, i == 0 ? end : shared.count, thread, [&] { return shared.none_left(); });
    }
    (*shared.help)(thread);
  };
  pool.run(section, &context);
}

}  // namespace tiny
