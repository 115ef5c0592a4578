#include "binding/environment.h"

#include <atomic>

#include "binding/cancellation.h"
#include "binding/errors.h"

namespace tiny::binding {

namespace {

std::atomic<uint64_t> next_environment{1};

class Work final : public Job {
 public:
  Work(uint64_t id, Environment& environment, Task task, Settlement* settlement)
      : Job(id), environment_(environment), task_(std::move(task)), settlement_(settlement) {}

  void run(ThreadPool& pool) noexcept override {
    std::exception_ptr failure;
    try {
      task_(pool, cancellation().get());
    } catch (...) {
      failure = std::current_exception();
    }
    task_ = nullptr;  // graphs and buffers are gone before JavaScript hears of it
    if (settlement_ != nullptr) environment_.complete(settlement_, std::move(failure));
  }

 private:
  Environment& environment_;
  Task task_;
  Settlement* settlement_;
};

}  // namespace

Environment::Environment(Napi::Env env) : env_(env), id_(next_environment.fetch_add(1)) {
  const auto name = Napi::String::New(env, "tiny");
  napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr,
                                                       this, wake, &wake_);
  if (status == napi_ok) status = napi_unref_threadsafe_function(env, wake_);
  if (status != napi_ok)
    throw Napi::Error::New(env, "the environment gives no way back from the engine's thread");
  array_buffer = Napi::Persistent(env.Global().Get("ArrayBuffer").As<Napi::Function>());
}

void Environment::open(Napi::Env env) {
  std::unique_ptr<Environment> environment(new Environment(env));
  // Hooks run last in, first out: ours before those of the threadsafe function and of Node-API's own
  // state, so that the engine is through with both when they go.
  if (napi_set_instance_data(env, environment.get(), nullptr, nullptr) != napi_ok ||
      napi_add_env_cleanup_hook(env, close, environment.get()) != napi_ok) {
    throw Napi::Error::New(env, "the environment takes no instance data");
  }
  environment.release();
}

void Environment::close(void* self) {
  auto* environment = static_cast<Environment*>(self);
  Engine::instance().finish(environment->id_);
  napi_set_instance_data(environment->env_, nullptr, nullptr, nullptr);
  delete environment;
}

Environment& Environment::of(napi_env env) {
  void* data = nullptr;
  if (napi_get_instance_data(env, &data) != napi_ok || data == nullptr) {
    throw Napi::Error::New(env, "the JavaScript environment has ended");
  }
  return *static_cast<Environment*>(data);
}

Napi::Promise Environment::start(Task task, std::unique_ptr<Settlement> settlement,
                                 CancellationHandle* cancellation) {
  Settlement* const raw = settlement.get();
  auto work = std::make_unique<Work>(id_, *this, std::move(task), raw);
  raw->deferred_ = Napi::Promise::Deferred::New(env_);
  const Napi::Promise promise = raw->deferred_->Promise();
  if (cancellation != nullptr) cancellation->attach(work->cancellation());
  if (pending_.empty()) napi_ref_threadsafe_function(env_, wake_);
  pending_.push_back(std::move(settlement));
  raw->place_ = std::prev(pending_.end());
  Engine::instance().enqueue(std::move(work));
  return promise;
}

void Environment::after_queued_work(std::function<void()> release) {
  if (pending_.empty()) {
    release();
    return;
  }
  Task task = [release = std::move(release)](ThreadPool&, const Cancellation*) { release(); };
  Engine::instance().enqueue(std::make_unique<Work>(id_, *this, std::move(task), nullptr));
}

void Environment::complete(Settlement* settlement, std::exception_ptr failure) noexcept {
  settlement->failure_ = std::move(failure);
  bool first;
  {
    std::lock_guard lock(mutex_);
    first = finished_ == nullptr;
    settlement->next_ = std::exchange(finished_, settlement);
  }
  if (first) napi_call_threadsafe_function(wake_, nullptr, napi_tsfn_nonblocking);
}

void Environment::wake(napi_env env, napi_value, void* self, void*) {
  if (env != nullptr) static_cast<Environment*>(self)->settle_finished();
}

void Environment::settle_finished() {
  Settlement* newest;
  {
    std::lock_guard lock(mutex_);
    newest = std::exchange(finished_, nullptr);
  }
  Settlement* oldest = nullptr;
  while (newest != nullptr) {
    Settlement* const next = std::exchange(newest->next_, oldest);
    oldest = std::exchange(newest, next);
  }
  while (oldest != nullptr) {
    Settlement* const next = oldest->next_;
    std::unique_ptr<Settlement> settlement = std::move(*oldest->place_);
    pending_.erase(oldest->place_);
    if (pending_.empty()) napi_unref_threadsafe_function(env_, wake_);
    settle(std::move(settlement));
    oldest = next;
  }
}

void Environment::settle(std::unique_ptr<Settlement> settlement) {
  Napi::HandleScope scope(env_);
  try {
    try {
      if (settlement->failure_) std::rethrow_exception(settlement->failure_);
      settlement->deferred_->Resolve(settlement->result(env()));
    } catch (...) {
      settlement->deferred_->Reject(to_javascript(*this, std::current_exception()));
    }
  } catch (const std::exception&) {
    // JavaScript is being terminated: nobody is left to tell.
  }
}

}  // namespace tiny::binding
