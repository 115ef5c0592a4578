#include "binding/cancellation.h"

#include <algorithm>

namespace tiny::binding {

void CancellationHandle::define(Environment& environment) {
  environment.cancellation_class = Napi::Persistent(
      DefineClass(environment.env(), "Cancellation", {method<&CancellationHandle::cancel>("cancel")}));
}

CancellationHandle::CancellationHandle(const Napi::CallbackInfo& info) : Handle(info) {
  contents<Contents>(info);
}

void CancellationHandle::attach(const std::shared_ptr<Cancellation>& job) {
  if (cancelled_) {
    job->cancel();
    return;
  }
  // One signal may serve a whole training run: forget the jobs that are done.
  std::erase_if(jobs_, [](const auto& other) { return other.expired(); });
  jobs_.push_back(job);
}

Napi::Value CancellationHandle::cancel(Environment& environment, const Napi::CallbackInfo&) {
  cancelled_ = true;
  for (const auto& job : jobs_) {
    if (const auto running = job.lock()) running->cancel();
  }
  jobs_.clear();
  return environment.env().Undefined();
}

Napi::Value cancellation(Environment& environment, const Napi::CallbackInfo&) {
  return CancellationHandle::make(environment, CancellationHandle::Contents{});
}

CancellationHandle* cancellation_from(const Napi::Value& value) {
  if (value.IsNull() || value.IsUndefined()) return nullptr;
  CancellationHandle* handle = CancellationHandle::from(value);
  if (handle == nullptr) throw wrong_argument("the cancellation must come from cancellation(), or be null");
  return handle;
}

void stop_if_cancelled(const Cancellation* cancellation) {
  if (cancellation->cancelled()) throw Error(ErrorCode::Aborted, "evaluate", "the evaluation was cancelled");
}

}  // namespace tiny::binding
