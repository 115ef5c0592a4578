#include "runtime/engine.h"

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <future>
#include <vector>

#include "base/error.h"

namespace tiny {

namespace {

class Task final : public Job {
 public:
  Task(uint64_t environment, std::function<void(Task&, ThreadPool&)> body)
      : Job(environment), body_(std::move(body)) {}
  void run(ThreadPool& pool) noexcept override { body_(*this, pool); }

 private:
  std::function<void(Task&, ThreadPool&)> body_;
};

void enqueue(uint64_t environment, std::function<void(Task&, ThreadPool&)> body) {
  Engine::instance().enqueue(std::make_unique<Task>(environment, std::move(body)));
}

void drain() {
  std::promise<void> done;
  enqueue(0, [&](Task&, ThreadPool&) { done.set_value(); });
  done.get_future().wait();
}

}  // namespace

TEST_CASE("jobs run in the order they came") {
  std::vector<int> order;
  for (int i = 0; i < 100; ++i) enqueue(1, [&order, i](Task&, ThreadPool&) { order.push_back(i); });
  drain();
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[i] == i);
}

TEST_CASE("finishing an environment cancels its jobs and waits for them; others run") {
  std::promise<void> started;
  std::atomic<int> cancelled{0}, others{0};
  enqueue(7, [&](Task& task, ThreadPool&) {
    started.set_value();
    while (!task.cancellation()->cancelled()) std::this_thread::yield();
    ++cancelled;
  });
  enqueue(8, [&](Task& task, ThreadPool&) { others += task.cancellation()->cancelled() ? 0 : 1; });
  enqueue(7, [&](Task& task, ThreadPool&) { cancelled += task.cancellation()->cancelled() ? 1 : 0; });
  started.get_future().wait();
  Engine::instance().finish(7);
  CHECK(cancelled.load() == 2);
  CHECK(others.load() == 1);
  Engine::instance().finish(12345);
}

TEST_CASE("the team's size follows set_threads before the next job") {
  const int before = Engine::instance().threads();
  for (const int threads : {1, 4, 2}) {
    Engine::instance().set_threads(threads);
    int seen = 0;
    std::promise<void> done;
    enqueue(1, [&](Task&, ThreadPool& pool) {
      seen = pool.size();
      done.set_value();
    });
    done.get_future().wait();
    CHECK(seen == threads);
  }
  Engine::instance().set_threads(before);
  CHECK_THROWS_AS(Engine::instance().set_threads(0), Error);
  CHECK_THROWS_AS(Engine::instance().set_threads(1000), Error);
}

}  // namespace tiny
