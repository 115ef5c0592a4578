#include "binding/conversion.h"

#include <cmath>

#include "binding/errors.h"

namespace tiny::binding {

namespace {

constexpr double kLargestInteger = 9007199254740991.0;  // 2^53 - 1

bool is_integer(double number) {
  return std::floor(number) == number && std::fabs(number) <= kLargestInteger;
}

Attributes::Item list_from(const Napi::Array& array, const std::string& what) {
  std::vector<double> numbers;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value item = array.Get(i);
    if (!item.IsNumber()) return shape_from(array, what);
    numbers.push_back(item.As<Napi::Number>().DoubleValue());
  }
  return numbers;
}

Attributes::Item item_from(const Napi::Value& value, const std::string& what) {
  switch (value.Type()) {
    case napi_boolean:
      return value.As<Napi::Boolean>().Value();
    case napi_number:
      return value.As<Napi::Number>().DoubleValue();
    case napi_string:
      return value.As<Napi::String>().Utf8Value();
    case napi_object:
      if (value.IsArray()) return list_from(value.As<Napi::Array>(), what);
      return dim_from(value, what);
    default:
      throw wrong_argument(what + " must be a boolean, a number, a string, a size or a list of sizes");
  }
}

}  // namespace

Napi::Object object_from(const Napi::Value& value, const std::string& what) {
  if (!value.IsObject() || value.IsFunction()) throw wrong_argument(what + " must be an object");
  return value.As<Napi::Object>();
}

Napi::Array array_from(const Napi::Value& value, const std::string& what) {
  if (!value.IsArray()) throw wrong_argument(what + " must be an array");
  return value.As<Napi::Array>();
}

std::string text_from(const Napi::Value& value, const std::string& what) {
  if (!value.IsString()) throw wrong_argument(what + " must be a string");
  return value.As<Napi::String>().Utf8Value();
}

bool flag_from(const Napi::Value& value, const std::string& what) {
  if (!value.IsBoolean()) throw wrong_argument(what + " must be true or false");
  return value.As<Napi::Boolean>().Value();
}

double number_from(const Napi::Value& value, const std::string& what) {
  if (!value.IsNumber()) throw wrong_argument(what + " must be a number");
  return value.As<Napi::Number>().DoubleValue();
}

int64_t integer_from(const Napi::Value& value, const std::string& what) {
  const double number = number_from(value, what);
  if (!is_integer(number)) throw wrong_argument(what + " must be an integer");
  return static_cast<int64_t>(number);
}

DType dtype_from(const Napi::Value& value) {
  if (!value.IsString()) throw Error(ErrorCode::DType, "", "a dtype must be a string such as 'float32'");
  return tiny::dtype_from(value.As<Napi::String>().Utf8Value());
}

std::vector<std::string> own_keys(const Napi::Object& object) {
  napi_value names;
  if (napi_get_all_property_names(object.Env(), object, napi_key_own_only,
                                  static_cast<napi_key_filter>(napi_key_enumerable | napi_key_skip_symbols),
                                  napi_key_numbers_to_strings, &names) != napi_ok) {
    throw Napi::Error::New(object.Env());
  }
  const Napi::Array list(object.Env(), names);
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < list.Length(); ++i) keys.push_back(list.Get(i).As<Napi::String>().Utf8Value());
  return keys;
}

Dim dim_from(const Napi::Value& value, const std::string& what) {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (!is_integer(number)) throw Error(ErrorCode::Shape, "", what + " has a size that is not an integer");
    return Dim(static_cast<int64_t>(number));
  }
  const std::string kind = what + " must hold sizes: numbers or {constant, terms}";
  if (!value.IsObject()) throw wrong_argument(kind);
  const Napi::Object form = value.As<Napi::Object>();
  const Napi::Value constant = form.Get("constant"), terms = form.Get("terms");
  if (!constant.IsNumber() || !terms.IsArray()) throw wrong_argument(kind);
  Dim dim(integer_from(constant, what));
  const Napi::Array list = terms.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); ++i) {
    const Napi::Array term = array_from(list.Get(i), what);
    dim = dim + Dim::of(symbol(text_from(term.Get(0u), what))) * integer_from(term.Get(1u), what);
  }
  return dim;
}

Shape shape_from(const Napi::Value& value, const std::string& what) {
  const Napi::Array array = array_from(value, what);
  Shape shape;
  for (uint32_t i = 0; i < array.Length(); ++i) shape.push_back(dim_from(array.Get(i), what));
  return shape;
}

Shape fixed_shape_from(const Napi::Value& value, const std::string& what) {
  Shape shape = shape_from(value, what);
  for (const Dim& dim : shape) {
    if (dim.value() < 0) throw Error(ErrorCode::Shape, "", what + " has a negative size: " + str(shape));
  }
  return shape;
}

Napi::Value to_javascript(Napi::Env env, const Shape& shape) {
  Napi::Array dims = Napi::Array::New(env, shape.size());
  for (uint32_t i = 0; i < shape.size(); ++i) {
    const auto constant = Napi::Number::New(env, static_cast<double>(shape[i].constant()));
    if (shape[i].is_constant()) {
      dims.Set(i, constant);
      continue;
    }
    Napi::Array terms = Napi::Array::New(env);
    for (const auto& [name, factor] : shape[i].terms()) {
      Napi::Array term = Napi::Array::New(env, 2);
      term.Set(0u, name_of(name));
      term.Set(1u, static_cast<double>(factor));
      terms.Set(terms.Length(), term);
    }
    Napi::Object form = Napi::Object::New(env);
    form.Set("constant", constant);
    form.Set("terms", terms);
    dims.Set(i, form);
  }
  return dims;
}

Sizes sizes_from(const Napi::Value& value) {
  const Napi::Object object = object_from(value, "sizes");
  Sizes sizes;
  for (const std::string& name : own_keys(object)) {
    const Napi::Value size = object.Get(name);
    const double number = size.IsNumber() ? size.As<Napi::Number>().DoubleValue() : -1;
    if (!is_integer(number) || number < 0) {
      throw Error(ErrorCode::Shape, "", "the size '" + name + "' must be an integer of at least 0");
    }
    sizes.set(symbol(name), static_cast<int64_t>(number));
  }
  return sizes;
}

size_t dense_bytes(std::span<const int64_t> dims, DType dtype) {
  double bytes = static_cast<double>(size_of(dtype));
  for (const int64_t dim : dims) {
    if (dim < 0) throw Error(ErrorCode::Shape, "", "a size is negative: " + std::to_string(dim));
    bytes *= static_cast<double>(dim);
  }
  if (bytes > kLargestInteger) {
    throw Error(ErrorCode::Memory, "", "a tensor of more than 2^53 bytes was asked for",
                {{"requested", bytes}});
  }
  return static_cast<size_t>(bytes);
}

Attributes attributes_from(const Napi::Value& value) {
  Attributes attributes;
  if (value.IsUndefined()) return attributes;
  const Napi::Object object = object_from(value, "the attributes");
  for (const std::string& name : own_keys(object)) {
    const Napi::Value item = object.Get(name);
    if (!item.IsUndefined()) attributes.set(name, item_from(item, "attribute '" + name + "'"));
  }
  return attributes;
}

}  // namespace tiny::binding
