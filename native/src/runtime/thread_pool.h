#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "runtime/shares.h"

namespace tiny {

// A fixed team of threads: the caller and `size() - 1` workers. One parallel section runs at a time
// and sections do not nest. Workers spin for some microseconds after a section and then park, so
// that a sequence of small kernels pays no wake-up and an idle process burns no processor.
class ThreadPool {
 public:
  explicit ThreadPool(int size);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls fn(context, thread) once for each thread in [0, size()), the caller being thread 0, and
  // returns when all have. `fn` must not throw.
  using Section = void (*)(void* context, int thread);
  void run(Section fn, void* context);

  // Calls body(begin, end) over disjoint ranges that cover [0, count), each a multiple of `grain` but the
  // last, dealt out as Shares are. Results must not depend on which thread takes which range. Runs inline
  // where there is one range or one thread.
  template <typename Body>
  void ranges(int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) return;
    grain = std::max<int64_t>({1, grain, count >> 31});
    if (size() == 1 || count <= grain) {
      body(int64_t{0}, count);
      return;
    }
    tasks((count + grain - 1) / grain,
          [&](int64_t unit, int) { body(unit * grain, std::min(count, (unit + 1) * grain)); });
  }

  // Calls body(task, thread) for each task in [0, count), dealt out as Shares are.
  template <typename Body>
  void tasks(int64_t count, const Body& body) {
    if (count <= 0) return;
    struct Context {
      Shares shares;
      const Body* body;
    } context{{count, size()}, &body};
    run(
        [](void* raw, int thread) {
          Context& shared = *static_cast<Context*>(raw);
          shared.shares.each(thread, 1, [&](int64_t task, int64_t, int) { (*shared.body)(task, thread); });
        },
        &context);
  }

 private:
  void work(int thread);

  std::vector<std::thread> workers_;
  std::atomic<uint64_t> generation_{0};
  std::atomic<int> remaining_{0};
  std::atomic<bool> stopping_{false};
  Section section_ = nullptr;
  void* context_ = nullptr;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> parked_{0};
};

}  // namespace tiny
