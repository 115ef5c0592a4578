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
        std::atomic<int64_t> dealt{0};
        std::atomic<int> helping{0};
        const auto body = [&](int64_t begin, int64_t end, int64_t next, int thread, const auto& none_left) {
          if (end - begin > most || begin >= end || next < end || thread >= threads) sound = false;
          for (int64_t i = begin; i < end; ++i) taken[static_cast<size_t>(i)] += 1;
          dealt += end - begin;
          if (none_left()) helping += 1 << 16;
        };
        deal(pool, threads > 1, count, most, body, [&](int) { helping += 1; });
        // Everyone is asked for help, and where anything was dealt the last to take something knew that it
        // was.
        CHECK(helping % (1 << 16) == (threads > 1 ? threads : 0));
        CHECK((helping >> 16 > 0) == (threads > 1 && count > 0));
        CHECK(dealt == count);
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

TEST_CASE("the most scratch is enough for every smaller product") {
  const MatmulKernels& kernels = matmul_kernels();
  const int64_t sizes[] = {0, 1, 3, 37, 320, 321, 512, 513, 1000, 2049, 4096, 4097, 9001, 70000};
  for (const size_t l2 : {size_t{64} << 10, size_t{1} << 20}) {
    const CacheSizes caches{32 << 10, l2, 32 << 20};
    for (const int threads : {1, 3}) {
      for (const DType c : {DType::Float32, DType::BFloat16}) {
        for (const int64_t m : sizes) {
          for (const int64_t k : sizes) {
            Product largest;
            largest.m = m;
            largest.n = 333;
            largest.k = k;
            largest.c_dtype = c;
            const size_t most = most_scratch(largest, kernels, threads, caches);
            for (const int64_t smaller_m : sizes) {
              for (const int64_t smaller_k : sizes) {
                for (const int64_t n : {1, 333}) {
                  if (smaller_m > m || smaller_k > k || smaller_m == 0) continue;
                  Product p = largest;
                  p.m = smaller_m;
                  p.k = smaller_k;
                  p.n = n;
                  const Blocking b = blocking_of(p, kernels, threads, caches);
                  REQUIRE(b.scratch(threads) <= most);
                }
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace tiny
