#include "runtime/thread_pool.h"

#include "runtime/spin.h"

namespace tiny {

namespace {

// Long enough to bridge the gap between two kernels of one evaluation, short enough not to show as
// load: parking and waking costs 20 to 60 microseconds on Linux.
constexpr int kSpins = 20000;

}  // namespace

ThreadPool::ThreadPool(int size) {
  for (int thread = 1; thread < size; ++thread) workers_.emplace_back([this, thread] { work(thread); });
}

ThreadPool::~ThreadPool() {
  {
    std::lock_guard lock(mutex_);
    stopping_.store(true);
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(Section fn, void* context) {
  if (workers_.empty()) {
    fn(context, 0);
    return;
  }
  section_ = fn;
  context_ = context;
  remaining_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
  // Sequentially consistent against parked_: either this thread sees the worker parked and wakes it,
  // or the worker sees the new generation before it parks.
  generation_.fetch_add(1);
  if (parked_.load() > 0) {
    std::lock_guard lock(mutex_);
    wake_.notify_all();
  }
  fn(context, 0);
  for (int spins = 0; remaining_.load(std::memory_order_acquire) != 0; ++spins) {
    pause();
    // With more threads than cores the missing worker may need this core.
    if ((spins & 1023) == 1023) std::this_thread::yield();
  }
}

void ThreadPool::work(int thread) {
  uint64_t seen = 0;
  for (;;) {
    if (!spin_until(kSpins, [&] { return generation_.load(std::memory_order_acquire) != seen; })) {
      std::unique_lock lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      parked_.fetch_sub(1);
    }
    seen = generation_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    section_(context_, thread);
    remaining_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace tiny
