#pragma once

#include <memory>
#include <vector>

#include "binding/handle.h"

namespace tiny::binding {

// What an AbortSignal is tied to: cancels every job that was started with it, and those still to come.
class CancellationHandle final : public Handle<CancellationHandle> {
 public:
  static constexpr napi_type_tag kTag{0x6d1f3a8c52e94b07, 0x9c4be21d70a8f35c};
  static Napi::FunctionReference& class_of(Environment& environment) {
    return environment.cancellation_class;
  }
  static void define(Environment& environment);

  explicit CancellationHandle(const Napi::CallbackInfo& info);
  void attach(const std::shared_ptr<Cancellation>& job);

 private:
  struct Contents {};
  Napi::Value cancel(Environment& environment, const Napi::CallbackInfo& info);
  friend Napi::Value cancellation(Environment& environment, const Napi::CallbackInfo& info);

  bool cancelled_ = false;
  std::vector<std::weak_ptr<Cancellation>> jobs_;
};

// cancellation()
Napi::Value cancellation(Environment& environment, const Napi::CallbackInfo& info);

// The handle behind an argument, null for null and undefined.
CancellationHandle* cancellation_from(const Napi::Value& value);

// First thing in a task: throws AbortError where it was cancelled while it waited.
void stop_if_cancelled(const Cancellation* cancellation);

}  // namespace tiny::binding
