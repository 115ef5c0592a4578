#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/matmul/product.h"
#include "kernels/scalar_math.h"

// The product as it is written down: the oracle of the fast kernels and the float64 path.
namespace tiny {
namespace {

inline float bf16_as_float(uint16_t half) {
  const uint32_t bits = uint32_t{half} << 16;
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

inline uint16_t float_as_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

inline float f16_as_float(uint16_t half) {
  const uint32_t magnitude = half & 0x7fffu;
  uint32_t bits = magnitude << 13;
  float value;
  memcpy(&value, &bits, sizeof value);
  value *= 0x1p112f;
  memcpy(&bits, &value, sizeof bits);
  bits |= (magnitude >= 0x7c00 ? 0x7f800000u : 0u) | (half & 0x8000u) << 16;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// An element of a matrix of any floating dtype.
template <typename T>
inline T element(const void* data, DType dtype, int64_t i) {
  switch (dtype) {
    case DType::Float64:
      return static_cast<T>(static_cast<const double*>(data)[i]);
    case DType::BFloat16:
      return static_cast<T>(bf16_as_float(static_cast<const uint16_t*>(data)[i]));
    case DType::Float16:
      return static_cast<T>(f16_as_float(static_cast<const uint16_t*>(data)[i]));
    default:
      return static_cast<T>(static_cast<const float*>(data)[i]);
  }
}

// op(x)[row, column], rounded if the product says so.
template <typename T>
inline T operand(const Matrix& x, int64_t row, int64_t column, bool bf16) {
  const T value =
      element<T>(x.data, x.dtype, x.transposed ? column * x.stride + row : row * x.stride + column);
  return bf16 ? static_cast<T>(bf16_as_float(float_as_bf16(static_cast<float>(value)))) : value;
}

template <typename T>
inline T activate(Activation activation, T x) {
  switch (activation) {
    case Activation::Gelu:
      return gelu(x);
    case Activation::GeluTanh:
      return gelu_tanh(x);
    case Activation::Relu:
      return relu(x);
    case Activation::Silu:
      return silu(x);
    case Activation::Tanh:
      return tanh_(x);
    case Activation::None:
      break;
  }
  return x;
}

// Rows [begin, end) of the product, summed in T; T is double for float64 operands. Ignores `packed`.
template <typename T>
inline void multiply_reference(const Product& p, int64_t begin, int64_t end) noexcept {
  const DType dtype = p.a.dtype == DType::Float64 ? DType::Float64 : DType::Float32;
  for (int64_t i = begin; i < end; ++i) {
    for (int64_t j = 0; j < p.n; ++j) {
      T sum = 0;
      for (int64_t l = 0; l < p.k; ++l) sum += operand<T>(p.a, i, l, p.bf16) * operand<T>(p.b, l, j, p.bf16);
      sum *= static_cast<T>(p.alpha);
      if (p.bias != nullptr) sum += element<T>(p.bias, dtype, j);
      if (p.pre != nullptr) {
        if (dtype == DType::Float64)
          static_cast<double*>(p.pre)[i * p.n + j] = static_cast<double>(sum);
        else
          static_cast<float*>(p.pre)[i * p.n + j] = static_cast<float>(sum);
      }
      T y = activate(p.activation, sum);
      if (p.residual != nullptr) y += element<T>(p.residual, dtype, i * p.residual_stride + j);
      const int64_t at = i * p.c_stride + j;
      switch (p.c_dtype) {
        case DType::Float64:
          static_cast<double*>(p.c)[at] = static_cast<double>(y);
          break;
        case DType::BFloat16:
          static_cast<uint16_t*>(p.c)[at] = float_as_bf16(static_cast<float>(y));
          break;
        default:
          static_cast<float*>(p.c)[at] = static_cast<float>(y);
      }
    }
  }
}

}  // namespace
}  // namespace tiny
