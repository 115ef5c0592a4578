#include "base/dtype.h"

#include <array>
#include <string>
#include <utility>

#include "base/error.h"

namespace tiny {

namespace {

constexpr std::array<std::pair<DType, std::string_view>, 8> kNames{{
    {DType::Float32, "float32"},
    {DType::Float64, "float64"},
    {DType::BFloat16, "bfloat16"},
    {DType::Float16, "float16"},
    {DType::Int32, "int32"},
    {DType::Int64, "int64"},
    {DType::Int8, "int8"},
    {DType::UInt8, "uint8"},
}};

}  // namespace

std::string_view name_of(DType dtype) {
  for (const auto& [value, name] : kNames) {
    if (value == dtype) return name;
  }
  return "unknown";
}

DType dtype_from(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  throw Error(ErrorCode::DType, "", "no dtype is named '" + std::string(name) + "'");
}

}  // namespace tiny
