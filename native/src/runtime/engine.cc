#include "runtime/engine.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/error.h"
#include "runtime/arena.h"
#include "runtime/spare_blocks.h"
#include "runtime/spin.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace tiny {

namespace {

constexpr auto kIdle = std::chrono::seconds(5);

// Bridges the gap between a result and the call that it leads to, as in decoding; waking costs as much.
constexpr int kSpins = 2000;

// Processors this process may run on: a container's share, not the host's.
int processors() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

Engine& Engine::instance() {
  static Engine* engine = new Engine();
  return *engine;
}

Engine::Engine() : threads_(std::min(processors(), 256)) {}

void Engine::enqueue(std::unique_ptr<Job> job) {
  std::lock_guard lock(mutex_);
  if (!started_) {
    std::thread([this] { loop(); }).detach();
    started_ = true;
  }
  queue_.push_back(std::move(job));
  enqueued_.fetch_add(1, std::memory_order_release);
  arrived_.notify_one();
}

void Engine::finish(uint64_t environment) {
  std::unique_lock lock(mutex_);
  for (const auto& job : queue_) {
    if (job->environment() == environment) job->cancellation()->cancel();
  }
  if (running_ != nullptr && running_->environment() == environment) running_->cancellation()->cancel();
  left_.wait(lock, [&] {
    const bool queued = std::any_of(queue_.begin(), queue_.end(),
                                    [&](const auto& job) { return job->environment() == environment; });
    return !queued && (running_ == nullptr || running_->environment() != environment);
  });
}

void Engine::set_threads(int threads) {
  if (threads < 1 || threads > 256) {
    throw Error(ErrorCode::Option, "", "threads must be from 1 to 256, not " + std::to_string(threads));
  }
  threads_.store(threads);
}

int Engine::pending() const {
  std::lock_guard lock(mutex_);
  return static_cast<int>(queue_.size()) + (running_ != nullptr ? 1 : 0);
}

void Engine::loop() {
  std::unique_ptr<ThreadPool> pool;
  uint64_t taken = 0;
  // A lone processor is better left to the thread that makes the next job.
  const int spins = processors() > 1 ? kSpins : 0;
  for (;;) {
    std::unique_ptr<Job> job;
    spin_until(spins, [&] { return enqueued_.load(std::memory_order_acquire) != taken; });
    {
      std::unique_lock lock(mutex_);
      const auto ready = [this] { return !queue_.empty(); };
      if (!arrived_.wait_for(lock, kIdle, ready)) {
        lock.unlock();
        trim_arena();
        trim_spare_blocks();
        lock.lock();
        arrived_.wait(lock, ready);
      }
      job = std::move(queue_.front());
      queue_.pop_front();
      ++taken;
      running_ = job.get();
    }
    if (!pool || pool->size() != threads_.load()) {
      pool.reset();
      pool = std::make_unique<ThreadPool>(threads_.load());
    }
    job->run(*pool);
    {
      std::lock_guard lock(mutex_);
      running_ = nullptr;
      job.reset();
    }
    left_.notify_all();
  }
}

}  // namespace tiny
