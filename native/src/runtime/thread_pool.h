#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

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

  // Calls body(begin, end) over disjoint ranges that cover [0, count), each a multiple of `grain`
  // but the last, dealt out to threads as they become free. Results must not depend on which thread
  // takes which range. Runs inline where there is one range or one thread.
  template <typename Body>
  void ranges(int64_t count, int64_t grain, const Body& body) {
    if (count <= 0) return;
    if (grain < 1) grain = 1;
    if (size() == 1 || count <= grain) {
      body(int64_t{0}, count);
      return;
    }
    struct Context {
      std::atomic<int64_t> next{0};
      int64_t count, grain;
      const Body* body;
    } context{{}, count, grain, &body};
    run(
        [](void* raw, int) {
          Context& shared = *static_cast<Context*>(raw);
          for (;;) {
            const int64_t begin = shared.next.fetch_add(shared.grain, std::memory_order_relaxed);
            if (begin >= shared.count) return;
            const int64_t end = begin + shared.grain < shared.count ? begin + shared.grain : shared.count;
            (*shared.body)(begin, end);
          }
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
