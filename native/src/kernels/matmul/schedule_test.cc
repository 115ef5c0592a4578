#include "kernels/matmul/schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <vector>

namespace tiny {

TEST_CASE("dealing hands out every unit once, in ranges of bounded size, on any number of threads") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t count : {0, 1, 2, 7, 64, 1001}) {
      for (const int64_t most : {1, 3, 8}) {
        std::vector<std::atomic<int>> taken(static_cast<size_t>(count));
        std::atomic<bool> sound{true};
        deal(pool, threads > 1, count, most, [&](int64_t begin, int64_t end, int64_t next, int thread) {
          if (end - begin > most || begin >= end || next < end || thread >= threads) sound = false;
          for (int64_t i = begin; i < end; ++i) taken[static_cast<size_t>(i)] += 1;
        });
        for (const auto& times : taken) sound = sound && times == 1;
        CHECK(sound);
      }
    }
  }
}

TEST_CASE("blocking keeps chunks whole, fits the caches and divides work among the threads") {
  const MatmulKernels& kernels = matmul_kernels();
  const CacheSizes caches{32 << 10, 1 << 20, 32 << 20};
  for (const int64_t m : {1, 5, 128, 1024, 5000}) {
    for (const int64_t n : {1, 100, 768, 50257}) {
      for (const int64_t k : {0, 1, 768, 3072, 4097, 50257}) {
        Product p;
        p.m = m;
        p.n = n;
        p.k = k;
        for (const int threads : {1, 2, 64}) {
          const Blocking b = blocking_of(p, kernels, threads, caches);
          CHECK((b.depth == k || b.depth % kChunk == 0));
          CHECK(b.rows >= 1);
          CHECK(b.rows <= m);
          // a's panels and each thread's of b.
          CHECK(b.a_bytes <= size_t{9} << 20);
          // One panel, or several that stay in the second-level cache beside a's.
          CHECK(b.b_bytes <= std::max(static_cast<size_t>(kernels.columns) * 4200 * 4, caches.l2 / 2));
          CHECK(b.partial_bytes == 0);
          if (m * n * k > int64_t{1} << 24) {
            const int64_t units = (n + kernels.columns - 1) / kernels.columns * b.parts;
            const int64_t tiles = (b.rows + kernels.rows - 1) / kernels.rows;
            CHECK(b.parallel == (threads > 1));
            CHECK((units >= threads || b.parts == tiles || threads == 1));
          }
        }
        p.residual_stride = n;
        const Blocking b = blocking_of(p, kernels, 2, caches);
        CHECK((b.partial_bytes > 0) == (b.depth < k));
      }
    }
  }
}

}  // namespace tiny
