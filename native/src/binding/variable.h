#pragma once

#include <memory>

#include "binding/handle.h"
#include "graph/variable.h"

namespace tiny::binding {

// A variable of the core. Collecting the handle drops it with the last graph that reads it; dispose()
// frees its contents after the work already queued.
class VariableHandle final : public Handle<VariableHandle> {
 public:
  static constexpr napi_type_tag kTag{0x81d05b3e7fc24a19, 0xa7e6439b0d5c12f8};
  static Napi::FunctionReference& class_of(Environment& environment) { return environment.variable_class; }
  static void define(Environment& environment);

  explicit VariableHandle(const Napi::CallbackInfo& info);
  void Finalize(Napi::BasicEnv env) { report(env, 0); }

  // Throws DisposedError after dispose().
  const std::shared_ptr<Variable>& variable() const;

 private:
  Napi::Value name(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dtype(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dims(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value read(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value freeze(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value frozen(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dispose(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value disposed(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value bytes(Environment& environment, const Napi::CallbackInfo& info);
  void report(napi_env env, int64_t bytes);

  std::shared_ptr<Variable> variable_;
  bool open_ = true;
  int64_t reported_ = 0;  // bytes that V8 was told of
};

VariableHandle& variable_from(const Napi::Value& value, const std::string& what);

// createVariable(name, dtype, dims, data | null), variableFrom(name, tensor)
Napi::Value create_variable(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value variable_from_tensor(Environment& environment, const Napi::CallbackInfo& info);

}  // namespace tiny::binding
