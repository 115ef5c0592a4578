#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace tiny {

// Units [0, count) of work, divided evenly: each thread has a share of its own, in order, and one that has
// none left takes from the other end of others'. So the same thread meets the same rows in kernel after
// kernel: a line of cache that another core wrote costs 50 ns, and 200 where the two share no third-level
// cache.
class Shares {
 public:
  static constexpr int kMost = 64;  // threads beyond it have no share of their own

  // count < 2^32
  Shares(int64_t count, int threads) : count_(count), size_(std::min(threads, kMost)) {
    for (int i = 0; i < size_; ++i) {
      shares_[i].bounds.store(pack(start(i), start(i + 1)), std::memory_order_relaxed);
    }
  }

  // The first unit of a share, as it was dealt out.
  int64_t start(int share) const { return count_ * share / size_; }

  // True from the moment on when no unit will be handed out any more.
  bool none_left() const {
    for (int i = 0; i < size_; ++i) {
      const uint64_t bounds = shares_[i].bounds.load(std::memory_order_relaxed);
      if (bounds >> 32 < (bounds & 0xffffffffu)) return false;
    }
    return true;
  }

  // Calls body(begin, end, share) for all that `thread` gets: from its own share up to `most` units at a
  // time, from its front, then single ones from the back of others'.
  template <typename Body>
  void each(int thread, int64_t most, const Body& body) {
    const int own = thread % size_;
    for (int i = 0; i < size_;) {
      const int share = (own + i) % size_;
      int64_t begin, end;
      if (take(shares_[share].bounds, i == 0 ? most : 0, begin, end)) {
        body(begin, end, share);
      } else {
        ++i;
      }
    }
  }

 private:
  struct alignas(64) Share {
    std::atomic<uint64_t> bounds{0};  // begin in the upper half, end in the lower
  };

  static uint64_t pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }

  // Up to `most` from the front, or with 0 one from the back; false where there is none.
  static bool take(std::atomic<uint64_t>& bounds, int64_t most, int64_t& begin, int64_t& end) {
    uint64_t old = bounds.load(std::memory_order_relaxed);
    for (;;) {
      const int64_t from = static_cast<int64_t>(old >> 32), to = static_cast<int64_t>(old & 0xffffffffu);
      if (from >= to) return false;
      // Never more than half of what is left, so that some can be taken over.
      const int64_t taken = std::max<int64_t>(1, std::min(most, (to - from) / 2));
      begin = most > 0 ? from : to - 1;
      end = begin + taken;
      const uint64_t left = most > 0 ? pack(end, to) : pack(from, begin);
      if (bounds.compare_exchange_weak(old, left, std::memory_order_relaxed)) return true;
    }
  }

  Share shares_[kMost];
  int64_t count_;
  int size_;
};

}  // namespace tiny
