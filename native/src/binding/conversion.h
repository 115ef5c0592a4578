#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/dim.h"
#include "base/dtype.h"
#include "binding/environment.h"
#include "graph/node.h"
#include "ops/attributes.h"

namespace tiny::binding {

// Each throws OptionError (DTypeError, ShapeError) naming `what` where the value is of another kind.
Napi::Object object_from(const Napi::Value& value, const std::string& what);
Napi::Array array_from(const Napi::Value& value, const std::string& what);
std::string text_from(const Napi::Value& value, const std::string& what);
bool flag_from(const Napi::Value& value, const std::string& what);
double number_from(const Napi::Value& value, const std::string& what);
int64_t integer_from(const Napi::Value& value, const std::string& what);  // within 2^53
DType dtype_from(const Napi::Value& value);

// Own enumerable string keys, in order.
std::vector<std::string> own_keys(const Napi::Object& object);

// A number, or {constant, terms: [[name, factor], …]}.
Dim dim_from(const Napi::Value& value, const std::string& what);
Shape shape_from(const Napi::Value& value, const std::string& what);
// The same for sizes that must be numbers of at least 0.
Shape fixed_shape_from(const Napi::Value& value, const std::string& what);
Napi::Value to_javascript(Napi::Env env, const Shape& shape);

// {tokens: 12, …}: what a call binds its symbols to.
Sizes sizes_from(const Napi::Value& value);

// Bytes of a dense array; ShapeError for a negative size, OutOfMemoryError beyond 2^53 bytes.
size_t dense_bytes(std::span<const int64_t> dims, DType dtype);

// Attributes of an op. One whose value is undefined counts as not given.
Attributes attributes_from(const Napi::Value& value);

}  // namespace tiny::binding
