#pragma once

#include <string>

#include "base/dtype.h"
#include "base/error.h"
#include "graph/node.h"

namespace tiny {

inline Error float_expected(const char* op, DType dtype) {
  return Error(
      ErrorCode::DType, op,
      "computes in float32 (float64 for checks), not in " + std::string(name_of(dtype)) + "; cast the input");
}

// Throws DTypeError unless ops compute in `dtype`: float32, or float64 for checks.
inline void require_float(const char* op, DType dtype) {
  if (dtype != DType::Float32 && dtype != DType::Float64) throw float_expected(op, dtype);
}

// Throws DTypeError unless a present `value` has exactly `dtype`: nothing is promoted silently.
inline void require_dtype(const char* op, const char* input, const Value& value, DType dtype) {
  if (!value || value.dtype() == dtype) return;
  throw Error(ErrorCode::DType, op,
              std::string(input) + " must be " + std::string(name_of(dtype)) + ", not " +
                  std::string(name_of(value.dtype())) + "; cast it");
}

// Calls body(float{}) or body(double{}), whichever `dtype` is: with_float("op", dtype, [&](auto zero) {
// using T = decltype(zero); … }).
template <typename Body>
decltype(auto) with_float(const char* op, DType dtype, Body&& body) {
  switch (dtype) {
    case DType::Float32:
      return body(float{});
    case DType::Float64:
      return body(double{});
    default:
      throw float_expected(op, dtype);
  }
}

}  // namespace tiny
