#include "runtime/shares.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace tiny {

TEST_CASE("a thread alone takes its share in order, then the others' from behind") {
  Shares shares(10, 3);
  CHECK(shares.start(1) == 3);
  CHECK_FALSE(shares.none_left());
  std::vector<int64_t> taken;
  shares.each(1, 2, [&](int64_t begin, int64_t end, int share) {
    CHECK(begin >= shares.start(share));
    CHECK(end <= shares.start(share + 1));
    for (int64_t unit = begin; unit < end; ++unit) taken.push_back(unit);
  });
  CHECK(taken == std::vector<int64_t>{3, 4, 5, 9, 8, 7, 6, 2, 1, 0});
  CHECK(shares.none_left());
}

TEST_CASE("every unit is handed out once, also to more threads than there are units or shares") {
  for (const int threads : {1, 2, 5, Shares::kMost + 3}) {
    for (const int64_t count : {0, 1, 7, 1000}) {
      Shares shares(count, threads);
      std::vector<std::atomic<int>> taken(static_cast<size_t>(count));
      std::vector<std::thread> team;
      for (int thread = 0; thread < threads; ++thread) {
        team.emplace_back([&, thread] {
          shares.each(thread, 1 + thread % 3, [&](int64_t begin, int64_t end, int) {
            for (int64_t unit = begin; unit < end; ++unit) taken[static_cast<size_t>(unit)] += 1;
          });
        });
      }
      for (std::thread& one : team) one.join();
      CHECK(shares.none_left());
      for (const auto& times : taken) CHECK(times == 1);
    }
  }
}

}  // namespace tiny
