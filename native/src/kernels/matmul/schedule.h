#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/matmul/kernels.h"
#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace tiny {

// How a product is cut. Rows of a are packed for all threads, `rows` by `depth` at a time; then threads take
// units, a panel of columns by a part of those rows, pack the panel for themselves where it is not packed
// yet, and multiply. Nothing here changes an element's sum.
struct Blocking {
  int64_t depth = 0;  // of k, in one pass: a multiple of kChunk, or all
  int64_t rows = 0;   // in one pass
  int64_t parts = 1;  // of the rows of a pass
  int64_t group = 1;  // most panels that a thread takes at once: they stay in its second-level cache
  bool parallel = false;
  size_t a_bytes = 0, b_bytes = 0, partial_bytes = 0;  // of scratch, b_bytes for each thread
};

Blocking blocking_of(const Product& product, const MatmulKernels& kernels, int threads,
                     const CacheSizes& caches = cache_sizes());

// Calls body(begin, end, thread) over ranges that cover [0, count), dealt out to threads as they become free:
// at most `most` at once and fewer towards the end, so that threads finish together.
template <typename Body>
void deal(ThreadPool& pool, bool parallel, int64_t count, int64_t most, const Body& body) {
  struct Context {
    std::atomic<int64_t> next{0};
    int64_t count, most, threads;
    const Body* body;
  } context{{}, count, most, parallel ? pool.size() : 1, &body};
  const auto section = [](void* raw, int thread) {
    Context& shared = *static_cast<Context*>(raw);
    int64_t begin = shared.next.load(std::memory_order_relaxed), end;
    for (;;) {
      do {
        if (begin >= shared.count) return;
        const int64_t share = (shared.count - begin) / (2 * shared.threads);
        end = begin + (share < 1 ? 1 : share < shared.most ? share : shared.most);
      } while (!shared.next.compare_exchange_weak(begin, end, std::memory_order_relaxed));
      (*shared.body)(begin, end, thread);
      begin = shared.next.load(std::memory_order_relaxed);
    }
  };
  if (parallel) {
    pool.run(section, &context);
  } else {
    section(&context, 0);
  }
}

}  // namespace tiny
