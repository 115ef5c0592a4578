#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tiny {

// Element types. float64 exists for checks (finite differences); bfloat16 and float16 are storage
// types of weights and operands of bfloat16 products; int32 holds ids, offsets and labels.
enum class DType : uint8_t { Float32, Float64, BFloat16, Float16, Int32, Int64, Int8, UInt8 };

constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::Float64:
    case DType::Int64:
      return 8;
    case DType::Float32:
    case DType::Int32:
      return 4;
    case DType::BFloat16:
    case DType::Float16:
      return 2;
    case DType::Int8:
    case DType::UInt8:
      return 1;
  }
  return 0;
}

constexpr bool is_floating(DType dtype) {
  return dtype == DType::Float32 || dtype == DType::Float64 || dtype == DType::BFloat16 ||
         dtype == DType::Float16;
}

// The name as JavaScript spells it: "float32", "bfloat16", "int32", …
std::string_view name_of(DType dtype);

// Inverse of name_of; throws DTypeError for a name that is none.
DType dtype_from(std::string_view name);

}  // namespace tiny
