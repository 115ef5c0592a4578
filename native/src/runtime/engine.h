#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "runtime/thread_pool.h"

namespace tiny {

// Set by an AbortSignal or by the end of an environment; read between kernels.
class Cancellation {
 public:
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
};

// A unit of work for the engine thread. `environment` names the JavaScript environment it belongs
// to, so that all of it can be cancelled and joined when that ends.
class Job {
 public:
  explicit Job(uint64_t environment) : environment_(environment) {}
  virtual ~Job() = default;
  // Runs on the engine thread, must not throw. `pool` is the engine's whole team.
  virtual void run(ThreadPool& pool) noexcept = 0;
  uint64_t environment() const { return environment_; }
  const std::shared_ptr<Cancellation>& cancellation() const { return cancellation_; }

 private:
  uint64_t environment_;
  std::shared_ptr<Cancellation> cancellation_ = std::make_shared<Cancellation>();
};

// The process's one engine: a thread that runs jobs in the order they came, each on the whole pool.
// Started by the first job; never destroyed, so nothing runs during static destruction.
class Engine {
 public:
  static Engine& instance();

  void enqueue(std::unique_ptr<Job> job);

  // Cancels what an environment has queued or running and waits until none of it is left.
  void finish(uint64_t environment);

  // Threads of the pool, 1 to 256; takes effect before the next job. The default is the number of
  // processors this process may use.
  void set_threads(int threads);
  int threads() const { return threads_.load(); }

  // Jobs queued or running.
  int pending() const;

 private:
  Engine();
  void loop();

  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::condition_variable left_;
  std::deque<std::unique_ptr<Job>> queue_;
  std::atomic<uint64_t> enqueued_{0};  // jobs ever, for the engine thread to see without the lock
  Job* running_ = nullptr;
  bool started_ = false;
  std::atomic<int> threads_;
};

}  // namespace tiny
