#pragma once

#include <memory>
#include <vector>

#include "binding/handle.h"
#include "graph/plan.h"

namespace tiny::binding {

// A compiled function: its plan, the types of its arguments as they were declared, and where each of
// its outputs goes.
struct CompiledFunction {
  struct Output {
    Type type;
    bool native;  // stays a tensor; otherwise it becomes a typed array
  };
  std::shared_ptr<const Plan> plan;
  std::vector<Type> arguments;
  std::vector<Output> outputs;
};

class PlanHandle final : public Handle<PlanHandle> {
 public:
  static constexpr napi_type_tag kTag{0xc4b9617d20ef4388, 0x8f03d5a7641be92f};
  static Napi::FunctionReference& class_of(Environment& environment) { return environment.plan_class; }
  static void define(Environment& environment);

  explicit PlanHandle(const Napi::CallbackInfo& info);
  // Throws DisposedError after dispose().
  const CompiledFunction& function() const;

 private:
  Napi::Value argument_count(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value output_count(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value describe(Environment& environment, const Napi::CallbackInfo& info);
  Napi::Value dispose(Environment& environment, const Napi::CallbackInfo& info);

  std::shared_ptr<const CompiledFunction> function_;
};

// beginTrace(), placeholder(index, dtype, dims), endTrace(outputs, kinds), abandonTrace(). endTrace ends the
// trace whether it succeeds or throws; abandonTrace without an open trace does nothing.
Napi::Value begin_trace(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value make_placeholder(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value end_trace(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value abandon_trace(Environment& environment, const Napi::CallbackInfo& info);

// run(plan, args, sizes, cancellation)
Napi::Value run_plan(Environment& environment, const Napi::CallbackInfo& info);

}  // namespace tiny::binding
