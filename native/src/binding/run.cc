#include <algorithm>

#include "binding/arrays.h"
#include "binding/cancellation.h"
#include "binding/conversion.h"
#include "binding/evaluation.h"
#include "binding/failures.h"
#include "binding/plan.h"
#include "binding/tensor.h"
#include "binding/variable.h"
#include "graph/execute.h"

namespace tiny::binding {

namespace {

// A compiled call on its way to the engine, which runs it in place of a function.
struct PlannedCall {
  std::shared_ptr<const Plan> plan;
  Call call;
  std::vector<Value> unevaluated;  // tensors among the arguments that nobody has computed yet
  std::vector<Value> pending;      // updates made by hand of variables that the plan reads or writes
  std::vector<Value> given;        // tensors among the arguments

  void run(ThreadPool& pool, const Cancellation* stop) {
    bool executing = false;
    try {
      stop_if_cancelled(stop);
      evaluate_or_explain(unevaluated, pending, pool, stop);
      executing = true;
      execute(*plan, call, pool, stop);
    } catch (...) {
      // What was enqueued after this call reads the versions that it claimed: they hold the old contents.
      if (!executing) commit_unchanged();
      std::exception_ptr why = failure_behind(given);
      if (!why) why = std::current_exception();
      for (const Destination& result : call.results) {
        if (result.tensor) remember_failure(result.tensor, why);
      }
      std::rethrow_exception(why);
    }
  }

  void commit_unchanged() const {
    for (size_t i = 0; i < call.versions.size(); ++i) plan->updated[i]->commit(call.versions[i]);
  }
};

class RunSettlement final : public TensorSettlement {
 public:
  using TensorSettlement::TensorSettlement;

  // `buffer` is brought over to `array` when the engine is done.
  void copy(const Napi::Value& array, std::shared_ptr<Buffer> buffer) {
    copies_.push_back({Napi::Persistent(array.As<Napi::Object>()), std::move(buffer)});
  }
  void add(std::shared_ptr<TensorState> tensor) { tensors_.push_back(std::move(tensor)); }

  Napi::Value result(Napi::Env env) override {
    for (const auto& [array, buffer] : copies_) deliver(*buffer, array.Value());
    return TensorSettlement::result(env);
  }

 private:
  struct Copy {
    Napi::ObjectReference array;
    std::shared_ptr<Buffer> buffer;
  };
  std::vector<Copy> copies_;
};

void check_type(const Type& given, const Type& expected, const Dims& dims, const std::string& what) {
  if (given.dtype != expected.dtype) {
    throw Error(ErrorCode::DType, "run",
                what + " has dtype " + std::string(name_of(given.dtype)) + ", the compiled function takes " +
                    std::string(name_of(expected.dtype)));
  }
  const Shape bound(dims.begin(), dims.end());
  if (given.shape != bound) {
    throw Error(ErrorCode::Shape, "run",
                what + " has shape " + str(given.shape) + ", the compiled function takes " +
                    str(expected.shape) + ", here " + str(bound),
                {{"given", str(given.shape)}, {"expected", str(bound)}});
  }
}

void bind_arguments(PlannedCall& planned, const CompiledFunction& function, const Napi::Array& given) {
  if (given.Length() != function.arguments.size()) {
    throw wrong_argument("the compiled function takes " + std::to_string(function.arguments.size()) +
                         " arguments, not " + std::to_string(given.Length()));
  }
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const Type& type = function.arguments[i];
    const std::string what = "argument " + std::to_string(i);
    const Dims dims = tiny::bind(type.shape, planned.call.sizes);
    const Napi::Value value = given.Get(i);
    Argument argument;
    if (const TensorHandle* tensor = TensorHandle::from(value)) {
      argument.tensor = tensor->value();
      check_type(argument.tensor.type(), type, dims, what);
      // What is there already outlives a dispose() that follows the call.
      argument.buffer = argument.tensor.node->result(argument.tensor.index);
      if (!argument.buffer && !is_constant(*argument.tensor.node))
        planned.unevaluated.push_back(argument.tensor);
      planned.given.push_back(argument.tensor);
    } else if (const VariableHandle* variable = VariableHandle::from(value)) {
      argument.variable = variable->variable();
      check_type(argument.variable->type(), type, dims, what);
    } else {
      argument.buffer = copy_of(value, type.dtype, dims, what);
    }
    planned.call.arguments.push_back(std::move(argument));
  }
}

// Updates that the variables of this call still wait for.
void find_pending(PlannedCall& planned) {
  const auto look = [&](const std::shared_ptr<Variable>& variable) {
    const Value pending = variable->pending();
    if (pending &&
        std::find(planned.pending.begin(), planned.pending.end(), pending) == planned.pending.end()) {
      planned.pending.push_back(pending);
    }
  };
  for (const auto& variable : planned.plan->read) look(variable);
  for (const auto& variable : planned.plan->updated) look(variable);
  for (const Argument& argument : planned.call.arguments) {
    if (argument.variable) look(argument.variable);
  }
}

}  // namespace

Napi::Value run_plan(Environment& environment, const Napi::CallbackInfo& info) {
  const Napi::Env env = environment.env();
  const PlanHandle* const handle = PlanHandle::from(info[0]);
  if (handle == nullptr) throw wrong_argument("run takes a plan from endTrace()");
  const CompiledFunction& function = handle->function();
  CancellationHandle* const cancellation = cancellation_from(info[3]);

  auto planned = std::make_shared<PlannedCall>();
  planned->plan = function.plan;
  planned->call.sizes = sizes_from(info[2]);
  bind_arguments(*planned, function, array_from(info[1], "the arguments"));

  Napi::Array outputs = Napi::Array::New(env, function.outputs.size());
  auto settlement = std::make_unique<RunSettlement>();
  for (uint32_t i = 0; i < function.outputs.size(); ++i) {
    const auto& [type, native] = function.outputs[i];
    const Dims dims = tiny::bind(type.shape, planned->call.sizes);
    Destination destination;
    if (native) {
      dense_bytes(dims, type.dtype);
      destination.tensor = constant(Type(type.dtype, Shape(dims.begin(), dims.end())), nullptr);
      const Napi::Object tensor = TensorHandle::of(environment, destination.tensor);
      settlement->add(TensorHandle::from(tensor)->state());
      outputs.Set(i, tensor);
    } else {
      const OutputArray output = output_array(environment, type.dtype, dims);
      destination.buffer = output.buffer;
      if (output.copied) settlement->copy(output.array, output.buffer);
      outputs.Set(i, output.array);
    }
    planned->call.results.push_back(std::move(destination));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("outputs", outputs);

  find_pending(*planned);
  planned->call.versions.reserve(function.plan->updated.size());
  // Nothing may come between claiming versions and queueing the call that will write them.
  for (const auto& variable : function.plan->updated) planned->call.versions.push_back(variable->claim());
  result.Set("done", environment.start(
                         [planned](ThreadPool& pool, const Cancellation* stop) { planned->run(pool, stop); },
                         std::move(settlement), cancellation));
  return result;
}

}  // namespace tiny::binding
