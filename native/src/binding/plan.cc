#include "binding/plan.h"

#include "binding/conversion.h"
#include "binding/tensor.h"

namespace tiny::binding {

namespace {

const char* name_of(Storage storage) {
  switch (storage) {
    case Storage::Arena:
      return "arena";
    case Storage::Result:
      return "result";
    case Storage::Constant:
      return "constant";
    case Storage::Variable:
      return "variable";
    case Storage::Argument:
      return "argument";
    case Storage::Alias:
      return "alias";
    case Storage::Unwanted:
      return "unwanted";
  }
  return "unknown";
}

OpenTrace& open_trace(Environment& environment) {
  if (environment.traces.empty()) throw wrong_argument("no trace is open: beginTrace() comes first");
  return *environment.traces.back();
}

}  // namespace

void PlanHandle::define(Environment& environment) {
  environment.plan_class = Napi::Persistent(DefineClass(
      environment.env(), "PlanHandle",
      {method<&PlanHandle::argument_count>("argumentCount"), method<&PlanHandle::output_count>("outputCount"),
       method<&PlanHandle::describe>("describe"), method<&PlanHandle::dispose>("dispose")}));
}

PlanHandle::PlanHandle(const Napi::CallbackInfo& info) : Handle(info) {
  function_ = contents<std::shared_ptr<const CompiledFunction>>(info);
}

const CompiledFunction& PlanHandle::function() const {
  if (!function_) throw Error(ErrorCode::Disposed, "", "a compiled function was used after dispose()");
  return *function_;
}

Napi::Value PlanHandle::argument_count(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Number::New(environment.env(), static_cast<double>(function().arguments.size()));
}

Napi::Value PlanHandle::output_count(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Number::New(environment.env(), static_cast<double>(function().outputs.size()));
}

// One entry per kernel call: {op, stage, storage}, the last one name per output; a copy has no op of its own.
Napi::Value PlanHandle::describe(Environment& environment, const Napi::CallbackInfo&) {
  const Napi::Env env = environment.env();
  const Plan& plan = *function().plan;
  Napi::Array steps = Napi::Array::New(env, plan.steps.size());
  for (uint32_t s = 0; s < plan.steps.size(); ++s) {
    const PlannedStep& step = plan.steps[s];
    std::string storage;
    for (const int output : step.outputs) {
      storage += (storage.empty() ? "" : ", ") + std::string(name_of(plan.values[output].storage));
    }
    Napi::Object entry = Napi::Object::New(env);
    entry.Set("op", step.primitive ? step.primitive->name() : "copy");
    entry.Set("stage", static_cast<double>(step.stage));
    entry.Set("storage", storage);
    steps.Set(s, entry);
  }
  return steps;
}

Napi::Value PlanHandle::dispose(Environment& environment, const Napi::CallbackInfo&) {
  function_.reset();
  return environment.env().Undefined();
}

Napi::Value begin_trace(Environment& environment, const Napi::CallbackInfo&) {
  environment.traces.push_back(std::make_unique<OpenTrace>());
  return environment.env().Undefined();
}

Napi::Value make_placeholder(Environment& environment, const Napi::CallbackInfo& info) {
  constexpr int64_t kMost = 1 << 20;
  OpenTrace& trace = open_trace(environment);
  const int64_t index = integer_from(info[0], "the argument's number");
  if (index < 0 || index >= kMost) throw wrong_argument("an argument's number must be from 0 to 2^20");
  Type type(dtype_from(info[1]), shape_from(info[2], "argument " + std::to_string(index)));
  const auto at = static_cast<size_t>(index);
  if (trace.arguments.size() <= at) {
    trace.arguments.resize(at + 1);
    trace.declared.resize(at + 1, false);
  }
  if (trace.declared[at]) throw wrong_argument("argument " + std::to_string(index) + " is declared twice");
  trace.declared[at] = true;
  trace.arguments[at] = type;
  return TensorHandle::of(environment, placeholder(std::move(type), static_cast<int>(index)));
}

Napi::Value end_trace(Environment& environment, const Napi::CallbackInfo& info) {
  open_trace(environment);
  const std::unique_ptr<OpenTrace> trace = std::move(environment.traces.back());
  environment.traces.pop_back();
  const Napi::Array outputs = array_from(info[0], "the outputs"), kinds = array_from(info[1], "their kinds");
  if (outputs.Length() != kinds.Length())
    throw wrong_argument("every output needs a kind, 'host' or 'native'");
  for (size_t i = 0; i < trace->declared.size(); ++i) {
    if (!trace->declared[i]) throw wrong_argument("argument " + std::to_string(i) + " was never declared");
  }
  auto function = std::make_shared<CompiledFunction>();
  std::vector<Value> roots;
  for (uint32_t i = 0; i < outputs.Length(); ++i) {
    const std::string what = "output " + std::to_string(i);
    Value root = value_from(outputs.Get(i), what);
    const std::string kind = text_from(kinds.Get(i), "the kind of " + what);
    if (kind != "host" && kind != "native") {
      throw wrong_argument("the kind of " + what + " must be 'host' or 'native', not '" + kind + "'");
    }
    function->outputs.push_back({Type(root.dtype(), root.shape()), kind == "native"});
    roots.push_back(std::move(root));
  }
  function->arguments = std::move(trace->arguments);
  function->plan = Plan::compile(std::move(roots), trace->trace.updates());
  return PlanHandle::make(environment, std::shared_ptr<const CompiledFunction>(std::move(function)));
}

Napi::Value abandon_trace(Environment& environment, const Napi::CallbackInfo&) {
  if (!environment.traces.empty()) environment.traces.pop_back();
  return environment.env().Undefined();
}

}  // namespace tiny::binding
