#include "binding/variable.h"

#include <cstring>

#include "binding/arrays.h"
#include "binding/conversion.h"
#include "binding/tensor.h"

namespace tiny::binding {

void VariableHandle::define(Environment& environment) {
  environment.variable_class = Napi::Persistent(
      DefineClass(environment.env(), "VariableHandle",
                  {method<&VariableHandle::name>("name"), method<&VariableHandle::dtype>("dtype"),
                   method<&VariableHandle::dims>("dims"), method<&VariableHandle::read>("read"),
                   method<&VariableHandle::freeze>("freeze"), method<&VariableHandle::frozen>("frozen"),
                   method<&VariableHandle::dispose>("dispose"), method<&VariableHandle::disposed>("disposed"),
                   method<&VariableHandle::bytes>("bytes")}));
}

VariableHandle::VariableHandle(const Napi::CallbackInfo& info) : Handle(info) {
  variable_ = contents<std::shared_ptr<Variable>>(info);
  const auto held = variable_->held();
  report(info.Env(), held->mapped() ? 0 : static_cast<int64_t>(held->bytes()));
}

void VariableHandle::report(napi_env env, int64_t bytes) {
  int64_t total;
  if (bytes != reported_) napi_adjust_external_memory(env, bytes - reported_, &total);
  reported_ = bytes;
}

const std::shared_ptr<Variable>& VariableHandle::variable() const {
  if (!open_)
    throw Error(ErrorCode::Disposed, "", "the variable '" + variable_->name() + "' was disposed of");
  return variable_;
}

Napi::Value VariableHandle::name(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::String::New(environment.env(), variable_->name());
}

Napi::Value VariableHandle::dtype(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::String::New(environment.env(), std::string(name_of(variable_->type().dtype)));
}

Napi::Value VariableHandle::dims(Environment& environment, const Napi::CallbackInfo&) {
  return to_javascript(environment.env(), variable_->type().shape);
}

Napi::Value VariableHandle::read(Environment& environment, const Napi::CallbackInfo&) {
  return TensorHandle::of(environment, variable()->read());
}

Napi::Value VariableHandle::freeze(Environment& environment, const Napi::CallbackInfo& info) {
  variable()->set_frozen(flag_from(info[0], "frozen"));
  return environment.env().Undefined();
}

Napi::Value VariableHandle::frozen(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Boolean::New(environment.env(), variable()->frozen());
}

Napi::Value VariableHandle::dispose(Environment& environment, const Napi::CallbackInfo&) {
  if (!open_) return environment.env().Undefined();
  open_ = false;
  environment.after_queued_work([variable = variable_] { variable->dispose(); });
  report(environment.env(), 0);
  return environment.env().Undefined();
}

Napi::Value VariableHandle::disposed(Environment& environment, const Napi::CallbackInfo&) {
  return Napi::Boolean::New(environment.env(), !open_);
}

Napi::Value VariableHandle::bytes(Environment& environment, const Napi::CallbackInfo&) {
  const Type& type = variable()->type();
  return Napi::Number::New(environment.env(), static_cast<double>(elements(type.shape).value()) *
                                                  static_cast<double>(size_of(type.dtype)));
}

VariableHandle& variable_from(const Napi::Value& value, const std::string& what) {
  VariableHandle* variable = VariableHandle::from(value);
  if (variable == nullptr) throw wrong_argument(what + " must be a variable");
  return *variable;
}

Napi::Value create_variable(Environment& environment, const Napi::CallbackInfo& info) {
  std::string name = text_from(info[0], "a variable's name");
  const DType dtype = dtype_from(info[1]);
  Shape shape = fixed_shape_from(info[2], "the variable '" + name + "'");
  const Dims dims = tiny::bind(shape, {});
  std::shared_ptr<Buffer> buffer;
  if (info[3].IsNull() || info[3].IsUndefined()) {
    buffer = Buffer::allocate(dense_bytes(dims, dtype));
    if (buffer->bytes() > 0) std::memset(buffer->data(), 0, buffer->bytes());
  } else {
    buffer = copy_of(info[3], dtype, dims, "the variable '" + name + "'");
  }
  return VariableHandle::make(
      environment, Variable::create(Type(dtype, std::move(shape)), std::move(buffer), std::move(name)));
}

Napi::Value variable_from_tensor(Environment& environment, const Napi::CallbackInfo& info) {
  std::string name = text_from(info[0], "a variable's name");
  TensorHandle& tensor = tensor_from(info[1], "what the variable '" + name + "' starts from");
  const Value value = tensor.value();
  std::shared_ptr<Buffer> buffer = value.node->result(value.index);
  if (!buffer) {
    throw wrong_argument("the variable '" + name +
                         "' takes over a tensor's memory: evaluate the tensor first");
  }
  // Updates write in place, and the tensor must not change with them; a window of a file is copied first.
  if (!buffer->mapped()) tensor.dispose_in(environment);
  Type type(value.dtype(), value.shape());
  return VariableHandle::make(environment,
                              Variable::create(std::move(type), std::move(buffer), std::move(name)));
}

}  // namespace tiny::binding
