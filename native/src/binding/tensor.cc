#include "binding/tensor.h"

#include "binding/arrays.h"
#include "binding/conversion.h"
#include "binding/variable.h"
#include "graph/gradient.h"
#include "ops/accumulate.h"
#include "ops/registry.h"

namespace tiny::binding {

namespace {

void adjust(napi_env env, int64_t change) {
  int64_t total;
  if (change != 0) napi_adjust_external_memory(env, change, &total);
}

}  // namespace

void TensorState::report(napi_env env) {
  if (!open) return;
  const auto buffer = value.node->result(value.index);
  const int64_t bytes = buffer && !buffer->mapped() ? static_cast<int64_t>(buffer->bytes()) : 0;
  adjust(env, bytes - reported);
  reported = bytes;
}

void TensorState::close(napi_env env) {
  open = false;
  value = {};
  adjust(env, -reported);
  reported = 0;
}

void TensorHandle::define(Environment& environment) {
  environment.tensor_class = Napi::Persistent(
      DefineClass(environment.env(), "TensorHandle",
                  {method<&TensorHandle::dtype>("dtype"), method<&TensorHandle::dims>("dims"),
                   method<&TensorHandle::text>("str"), method<&TensorHandle::computed>("computed"),
                   method<&TensorHandle::dispose>("dispose"), method<&TensorHandle::disposed>("disposed")}));
}

Napi::Object TensorHandle::of(Environment& environment, tiny::Value value) {
  return make(environment, std::move(value));
}

TensorHandle::TensorHandle(const Napi::CallbackInfo& info) : Handle(info) {
  state_ = std::make_shared<TensorState>();
  state_->value = contents<tiny::Value>(info);
  state_->report(info.Env());
}

const tiny::Value& TensorHandle::value() const {
  if (!state_->open) throw Error(ErrorCode::Disposed, "", "a tensor was used after dispose()");
  return state_->value;
}

void TensorHandle::dispose_in(Environment& environment) {
  if (!state_->open) return;
  environment.after_queued_work([value = state_->value] { value.node->dispose(value.index); });
  state_->close(environment.env());
}

Napi::Value TensorHandle::dtype(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::String::New(environment.env(), std::string(name_of(value().dtype())));
}

Napi::Value TensorHandle::dims(Environment& environment, const Napi::CallbackInfo&) {
  return to_javascript(environment.env(), value().shape());
}

Napi::Value TensorHandle::text(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::String::New(environment.env(), str(value().shape()));
}

Napi::Value TensorHandle::computed(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Boolean::New(environment.env(), value().node->result(value().index) != nullptr);
}

Napi::Value TensorHandle::dispose(Environment& environment, const Napi::CallbackInfo&) {
  dispose_in(environment);
  return environment.env().Undefined();
}

Napi::Value TensorHandle::disposed(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Boolean::New(environment.env(), !state_->open);
}

Value value_from(const Napi::Value& value, const std::string& what) {
  if (const TensorHandle* tensor = TensorHandle::from(value)) return tensor->value();
  if (const VariableHandle* variable = VariableHandle::from(value)) return variable->variable()->read();
  throw wrong_argument(what + " must be a tensor or a variable");
}

TensorHandle& tensor_from(const Napi::Value& value, const std::string& what) {
  TensorHandle* tensor = TensorHandle::from(value);
  if (tensor == nullptr) throw wrong_argument(what + " must be a tensor");
  return *tensor;
}

Napi::Value apply_op(Environment& environment, const Napi::CallbackInfo& info) {
  const std::string op = text_from(info[0], "the op's name");
  const Napi::Array given = array_from(info[1], "the inputs");
  std::vector<Value> inputs;
  for (uint32_t i = 0; i < given.Length(); ++i) {
    const Napi::Value input = given.Get(i);
    const bool absent = input.IsNull() || input.IsUndefined();
    inputs.push_back(absent ? Value{} : value_from(input, "input " + std::to_string(i) + " of " + op));
  }
  std::vector<Value> outputs = apply(op, inputs, attributes_from(info[2]));
  Napi::Array result = Napi::Array::New(environment.env(), outputs.size());
  for (uint32_t i = 0; i < outputs.size(); ++i)
    result.Set(i, TensorHandle::of(environment, std::move(outputs[i])));
  return result;
}

// newestNode(): what checkpoint's attribute `since` is taken from.
Napi::Value newest_node(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Number::New(environment.env(), static_cast<double>(newest_order()));
}

Napi::Value from_data(Environment& environment, const Napi::CallbackInfo& info) {
  const DType dtype = dtype_from(info[0]);
  Shape shape = fixed_shape_from(info[1], "a tensor");
  std::shared_ptr<Buffer> buffer = copy_of(info[2], dtype, tiny::bind(shape, {}), "a tensor");
  return TensorHandle::of(environment, constant(Type(dtype, std::move(shape)), std::move(buffer)));
}

Napi::Value gradients_of(Environment& environment, const Napi::CallbackInfo& info) {
  const Value of = value_from(info[0], "what is differentiated");
  const Napi::Array given = array_from(info[1], "what it is differentiated by");
  std::vector<Value> wrt;
  for (uint32_t i = 0; i < given.Length(); ++i) {
    wrt.push_back(value_from(given.Get(i), "gradients: value " + std::to_string(i)));
  }
  Attributes one;
  one.set("shape", of.shape());
  one.set("value", 1.0);
  one.set("dtype", std::string(name_of(of.dtype())));
  std::vector<Value> found = gradients(of, apply("full", {}, one).front(), wrt, accumulate_gradients);
  Napi::Array result = Napi::Array::New(environment.env(), found.size());
  for (uint32_t i = 0; i < found.size(); ++i) {
    if (found[i]) {
      result.Set(i, TensorHandle::of(environment, std::move(found[i])));
    } else {
      result.Set(i, environment.env().Null());
    }
  }
  return result;
}

}  // namespace tiny::binding
