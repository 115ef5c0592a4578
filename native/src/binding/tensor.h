#pragma once

#include <memory>

#include "binding/handle.h"
#include "graph/node.h"

namespace tiny::binding {

// What a TensorHandle holds, shared with jobs in flight, which report its memory when they are done.
// Touched by the environment's thread only.
struct TensorState {
  Value value;
  bool open = true;      // neither disposed of nor collected
  int64_t reported = 0;  // bytes of a result that V8 was told of

  // Tells V8 what the value's result takes now; a window of a file takes nothing.
  void report(napi_env env);
  void close(napi_env env);
};

// A value of the graph. Collecting the handle drops its hold on the graph; dispose() frees the result
// itself, after the work already queued.
class TensorHandle final : public Handle<TensorHandle> {
 public:
  static constexpr napi_type_tag kTag{0x2f7c90d4ab1e4d66, 0xb35a61f09e27c8d1};
  static Napi::FunctionReference& class_of(Environment& environment) { return environment.tensor_class; }
  static void define(Environment& environment);
  static Napi::Object of(Environment& environment, tiny::Value value);

  explicit TensorHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) { state_->close(env); }

  // Throws DisposedError after dispose().
  const tiny::Value& value() const;
  const std::shared_ptr<TensorState>& state() const { return state_; }
  void dispose_in(Environment& environment);

 private:
  Napi::Value dtype(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dims(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value text(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value computed(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dispose(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value disposed(Environment& environment, const Napi::CallbackInfo& info);

  std::shared_ptr<TensorState> state_;
};

// A tensor, or what a variable holds now; throws OptionError for anything else. `what` names it.
Value value_from(const Napi::Value& value, const std::string& what);
TensorHandle& tensor_from(const Napi::Value& value, const std::string& what);

// apply(op, inputs, attributes), newestNode(), fromData(dtype, dims, data), gradients(of, wrt)
Napi::Value apply_op(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value newest_node(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value from_data(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value gradients_of(Environment& environment, const Napi::CallbackInfo& info);

}  // namespace tiny::binding
