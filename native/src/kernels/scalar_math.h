#pragma once

// Scalar functions of the reference kernels, over float and double; kernels/simd/math.h has the same names on
// vectors. Composite ones are computed in double, so that the float reference is the rounded truth. Builtins,
// because the inline functions of <cmath> are weak symbols, and an anonymous namespace, because files of
// several ISAs include this.
namespace tiny {
namespace {

template <typename T>
inline T select(bool mask, T a, T b) {
  return mask ? a : b;
}

inline float exp(float x) { return __builtin_expf(x); }
inline double exp(double x) { return __builtin_exp(x); }
inline float log(float x) { return __builtin_logf(x); }
inline double log(double x) { return __builtin_log(x); }
inline float sqrt(float x) { return __builtin_sqrtf(x); }
inline double sqrt(double x) { return __builtin_sqrt(x); }
inline float abs(float x) { return __builtin_fabsf(x); }
inline double abs(double x) { return __builtin_fabs(x); }
inline float tanh_(float x) { return __builtin_tanhf(x); }
inline double tanh_(double x) { return __builtin_tanh(x); }
inline float power(float x, float exponent) { return __builtin_powf(x, exponent); }
inline double power(double x, double exponent) { return __builtin_pow(x, exponent); }

template <typename T>
inline T sigmoid(T x) {
  return static_cast<T>(1 / (1 + __builtin_exp(-static_cast<double>(x))));
}

template <typename T>
inline T relu(T x) {
  return x < 0 ? T(0) : x;  // NaN stays
}

// x Φ(x), PyTorch's default gelu (Hendrycks & Gimpel 2016).
template <typename T>
inline T gelu(T x) {
  return static_cast<T>(0.5 * x * __builtin_erfc(-0.70710678118654752 * x));
}

// Φ(x) + x φ(x)
template <typename T>
inline T gelu_gradient(T gradient, T x) {
  const double z = x, density = 0.39894228040143268 * __builtin_exp(-0.5 * z * z);
  return static_cast<T>(gradient * (0.5 * __builtin_erfc(-0.70710678118654752 * z) + z * density));
}

// 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), "gelu_new" of GPT-2 and T5 1.1. With s = sigmoid(2u) it is x s.
inline double gelu_tanh_gate(double x) {
  return 1 / (1 + __builtin_exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}

template <typename T>
inline T gelu_tanh(T x) {
  return static_cast<T>(x * gelu_tanh_gate(x));
}

template <typename T>
inline T gelu_tanh_gradient(T gradient, T x) {
  const double z = x, gate = gelu_tanh_gate(z);
  return static_cast<T>(gradient *
                        (gate + z * gate * (1 - gate) * 1.5957691216057308 * (1 + 0.134145 * z * z)));
}

template <typename T>
inline T silu(T x) {
  return static_cast<T>(x / (1 + __builtin_exp(-static_cast<double>(x))));
}

template <typename T>
inline T silu_gradient(T gradient, T x) {
  const double z = x, gate = 1 / (1 + __builtin_exp(-z));
  return static_cast<T>(gradient * gate * (1 + z * (1 - gate)));
}

}  // namespace
}  // namespace tiny
