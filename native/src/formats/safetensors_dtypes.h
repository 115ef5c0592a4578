#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/dtype.h"

namespace tiny {

// A type of the safetensors format. `dtype` is empty for those that nothing here computes with.
struct SafetensorsDType {
  std::string_view name;
  int64_t bits;
  std::optional<DType> dtype;
};

inline constexpr SafetensorsDType kSafetensorsDTypes[] = {
    {"F32", 32, DType::Float32},
    {"F64", 64, DType::Float64},
    {"BF16", 16, DType::BFloat16},
    {"F16", 16, DType::Float16},
    {"I32", 32, DType::Int32},
    {"I64", 64, DType::Int64},
    {"I8", 8, DType::Int8},
    {"U8", 8, DType::UInt8},
    {"BOOL", 8, {}},
    {"I16", 16, {}},
    {"U16", 16, {}},
    {"U32", 32, {}},
    {"U64", 64, {}},
    {"C64", 64, {}},
    {"F8_E4M3", 8, {}},
    {"F8_E5M2", 8, {}},
    {"F8_E8M0", 8, {}},
    {"F6_E2M3", 6, {}},
    {"F6_E3M2", 6, {}},
    {"F4", 4, {}},
};

// Null for a name that the format does not have.
constexpr const SafetensorsDType* safetensors_dtype(std::string_view name) {
  for (const SafetensorsDType& type : kSafetensorsDTypes) {
    if (type.name == name) return &type;
  }
  return nullptr;
}

constexpr std::string_view safetensors_name(DType dtype) {
  for (const SafetensorsDType& type : kSafetensorsDTypes) {
    if (type.dtype == dtype) return type.name;
  }
  return {};
}

}  // namespace tiny
