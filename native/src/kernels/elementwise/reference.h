#pragma once

#include <stdint.h>
#include <string.h>

#include "kernels/elementwise/elementwise.h"
#include "kernels/scalar_math.h"

namespace tiny {
namespace {

template <Elementwise kCode, typename T>
inline T elementwise_value(T a, T b, T c, T p, T q) {
  [[maybe_unused]] const auto number = [](double x) { return static_cast<T>(x); };
  (void)b, (void)c, (void)p, (void)q;
#define FORMULA(code, inputs, ...) \
  if constexpr (kCode == Elementwise::code) return __VA_ARGS__;
#include "kernels/elementwise/formulas.inc"
#undef FORMULA
}

template <Elementwise kCode, typename T>
void elementwise_reference(const T* a, const T* b, const T* c, T* out, int64_t n, T p, T q) noexcept {
  constexpr int kInputs = kElementwiseInputs[static_cast<size_t>(kCode)];
  for (int64_t i = 0; i < n; ++i) {
    out[i] = elementwise_value<kCode, T>(a[i], kInputs > 1 ? b[i] : T(0), kInputs > 2 ? c[i] : T(0), p, q);
  }
}

// Storage types as numbers. Reading is exact; writing rounds to nearest even, from double in one step.
struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

inline float bits_to_float(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
inline uint32_t float_to_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

// A float that rounds to any narrower type as x does: inexact ones get an odd last bit (Boldo & Melquiond
// 2008).
inline float to_odd(double x) {
  const float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x || x != x) return nearest;
  uint32_t bits = float_to_bits(nearest);
  if (__builtin_fabs(static_cast<double>(nearest)) > __builtin_fabs(x)) --bits;
  return bits_to_float(bits | 1);
}

inline double widened(double x) { return x; }
inline double widened(float x) { return x; }
inline double widened(int32_t x) { return x; }
inline double widened(Bf16 x) { return bits_to_float(uint32_t{x.bits} << 16); }
inline double widened(F16 x) {
  const uint32_t exponent = x.bits >> 10 & 31, mantissa = x.bits & 1023, sign = uint32_t{x.bits} >> 15 << 31;
  if (exponent == 31) return bits_to_float(sign | 0x7f800000u | mantissa << 13);
  const double magnitude =
      exponent == 0 ? mantissa * 0x1p-24 : bits_to_float((exponent + 112) << 23 | mantissa << 13);
  return sign != 0 ? -magnitude : magnitude;
}

inline void narrow(double x, double& out) { out = x; }
inline void narrow(double x, float& out) { out = static_cast<float>(x); }
inline void narrow(double x, int32_t& out) {
  out = x != x ? 0 : x >= 2147483647.0 ? INT32_MAX : x <= -2147483648.0 ? INT32_MIN : static_cast<int32_t>(x);
}
inline void narrow(double x, Bf16& out) {
  const uint32_t bits = float_to_bits(to_odd(x));
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  out.bits = static_cast<uint16_t>(nan ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline void narrow(double x, F16& out) {
  const uint32_t bits = float_to_bits(to_odd(x)), sign = bits >> 31 << 15, magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00;
  } else if (magnitude >= 0x47800000u) {
    half = 0x7c00;
  } else if (magnitude >= 0x38800000u) {
    half = (magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1)) >> 13;
  } else {
    half = static_cast<uint32_t>(__builtin_rint(bits_to_float(magnitude) * 0x1p24));
  }
  out.bits = static_cast<uint16_t>(sign | half);
}

template <typename From, typename To>
void cast_elements(const void* in, void* out, int64_t n) noexcept {
  const From* from = static_cast<const From*>(in);
  To* to = static_cast<To*>(out);
  for (int64_t i = 0; i < n; ++i) narrow(widened(from[i]), to[i]);
}

template <typename From>
CastKernel cast_from(DType to) {
  switch (to) {
    case DType::Float32:
      return cast_elements<From, float>;
    case DType::Float64:
      return cast_elements<From, double>;
    case DType::BFloat16:
      return cast_elements<From, Bf16>;
    case DType::Float16:
      return cast_elements<From, F16>;
    case DType::Int32:
      return cast_elements<From, int32_t>;
    default:
      return nullptr;
  }
}

inline CastKernel cast_reference(DType from, DType to) {
  switch (from) {
    case DType::Float32:
      return cast_from<float>(to);
    case DType::Float64:
      return cast_from<double>(to);
    case DType::BFloat16:
      return cast_from<Bf16>(to);
    case DType::Float16:
      return cast_from<F16>(to);
    case DType::Int32:
      return cast_from<int32_t>(to);
    default:
      return nullptr;
  }
}

}  // namespace
}  // namespace tiny
