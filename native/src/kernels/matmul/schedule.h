#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "kernels/matmul/kernels.h"
#include "runtime/cpu.h"
#include "runtime/shares.h"
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
  struct Context {
    Shares shares;
    int64_t count, most;
    const Body* body;
    const Help* help;
  } context{{count, pool.size()}, count, most, &body, &help};
  const auto section = [](void* raw, int thread) {
    Context& shared = *static_cast<Context*>(raw);
    const auto none_left = [&] { return shared.shares.none_left(); };
    shared.shares.each(thread, shared.most, [&](int64_t begin, int64_t end, int share) {
      (*shared.body)(begin, end, share == thread ? end : shared.count, thread, none_left);
    });
    (*shared.help)(thread);
  };
  pool.run(section, &context);
}

}  // namespace tiny
