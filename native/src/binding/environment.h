#pragma once

// The environment may end while we hold an exception for it; node-addon-api must then drop it, not abort.
#define NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS
#include <napi.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "graph/variable.h"
#include "runtime/engine.h"

namespace tiny::binding {

class CancellationHandle;

// What the engine thread does for a promise. Throws; what it captures is released on that thread.
using Task = std::function<void(ThreadPool& pool, const Cancellation* cancellation)>;

// The JavaScript side of a job: the promise, what must stay alive until it settles, and what it resolves
// with. Lives and dies on the environment's thread; the engine only leaves the outcome in it.
class Settlement {
 public:
  virtual ~Settlement() = default;
  // Runs on the environment's thread after success; the promise resolves with what it returns.
  virtual Napi::Value result(Napi::Env env) { return env.Undefined(); }

 private:
  friend class Environment;
  std::optional<Napi::Promise::Deferred> deferred_;  // from the start on
  std::exception_ptr failure_;
  Settlement* next_ = nullptr;  // among the finished ones
  std::list<std::unique_ptr<Settlement>>::iterator place_;
};

// A trace that is open between beginTrace and endTrace, with the arguments declared so far.
struct OpenTrace {
  Trace trace;
  std::vector<Type> arguments;
  std::vector<bool> declared;
};

// All state of one JavaScript environment (the main thread, a worker). Every worker that loads the
// addon gets its own; the engine behind them is one. When the environment ends, its work is cancelled
// and joined before anything here is released.
class Environment {
 public:
  // Throws a JavaScript error where the environment has ended.
  static Environment& of(napi_env env);
  static void open(Napi::Env env);

  Napi::Env env() const { return Napi::Env(env_); }

  // Queues a task; the promise settles on this thread when it has run. Pending work keeps the event
  // loop alive, an idle environment does not.
  Napi::Promise start(Task task, std::unique_ptr<Settlement> settlement, CancellationHandle* cancellation);

  // Runs `release` when everything queued so far has run: at once where nothing is.
  void after_queued_work(std::function<void()> release);

  // Engine thread: hands a finished settlement back.
  void complete(Settlement* settlement, std::exception_ptr failure) noexcept;

  uint64_t crossings = 0;  // calls from JavaScript into native code
  std::vector<std::unique_ptr<OpenTrace>> traces;
  std::map<std::string, Napi::FunctionReference, std::less<>> error_classes;
  Napi::FunctionReference tensor_class, variable_class, plan_class, cancellation_class, file_class;
  Napi::FunctionReference array_buffer;
  // Contents of the handle under construction and its class's tag: classes cannot be called from JavaScript.
  std::pair<const napi_type_tag*, void*> constructing{nullptr, nullptr};

 private:
  explicit Environment(Napi::Env env);
  static void close(void* self);
  static void wake(napi_env env, napi_value, void* self, void*);
  void settle_finished();
  void settle(std::unique_ptr<Settlement> settlement);

  napi_env env_;
  uint64_t id_;
  napi_threadsafe_function wake_ = nullptr;
  std::list<std::unique_ptr<Settlement>> pending_;
  std::mutex mutex_;
  Settlement* finished_ = nullptr;  // newest first, guarded by mutex_
};

}  // namespace tiny::binding
