#include "runtime/thread_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace tiny {

TEST_CASE("ranges cover everything once, for any count, grain and team") {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (const int64_t count : {0, 1, 7, 64, 1000}) {
      for (const int64_t grain : {0, 1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> hits(count);
        pool.ranges(count, grain, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) hits[i].fetch_add(1);
        });
        for (const auto& hit : hits) CHECK(hit.load() == 1);
      }
    }
  }
}

TEST_CASE("a section runs on every thread, also after the workers have parked") {
  ThreadPool pool(3);
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> mask{0};
    pool.run(
        [](void* context, int thread) { static_cast<std::atomic<int>*>(context)->fetch_or(1 << thread); },
        &mask);
    CHECK(mask.load() == 7);
    if (round % 5 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace tiny
