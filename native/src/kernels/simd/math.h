#pragma once

// Functions of f32v, accurate to a few units in the last place over all of float32: subnormal results,
// infinities and NaN included. kernels/scalar_math.h has the same names on float and double. Coefficients of
// exp, log and tanh are those of Moshier's Cephes library; those of the normal distribution were fitted here
// (Chebyshev interpolation).
#include "kernels/simd/vector.h"

namespace tiny {
namespace {

// x to the nearest integer, also as an integer: |x| < 2^22. Adding 1.5 * 2^23 leaves the integer in the low
// bits.
TINY_INLINE f32v round_to_integer(f32v x, i32v* integer) {
  const f32v magic = splat(12582912.0f), shifted = x + magic;
  *integer = as_i32(shifted) - as_i32(magic);
  return shifted - magic;
}

// 2^n for -126 <= n <= 127.
TINY_INLINE f32v power_of_two(i32v n) { return as_f32((n + 127) << 23); }

TINY_INLINE f32v exp(f32v x) {
  // The bounds are beyond underflow and overflow; the order of operands lets NaN through.
  x = min(splat(89.0f), max(splat(-105.0f), x));
  i32v n;
  const f32v whole = round_to_integer(x * splat(1.44269504088896341f), &n);
  // ln 2 in two parts, the first short enough for an exact product.
  f32v r = fma(whole, splat(-0.693359375f), x);
  r = fma(whole, splat(2.12194440e-4f), r);
  f32v p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  p = fma(p, r * r, r) + 1.0f;
  // In two steps, so that neither power leaves the range where the result does not.
  const i32v half = n >> 1;
  return p * power_of_two(half) * power_of_two(n - half);
}

TINY_INLINE f32v log(f32v x) {
  const i32v subnormal = x < 0x1p-126f;
  const f32v scaled = select(subnormal, x * 0x1p23f, x);
  // x = m 2^e with m in [sqrt(1/2), sqrt(2)).
  const i32v e = (i32v)(as_u32(scaled) - 0x3f3504f3u) >> 23;
  const f32v z = as_f32(as_u32(scaled) - (as_u32(e) << 23)) - 1.0f,
             exponent = to_f32(e) - select(subnormal, splat(23.0f), f32v{});
  const f32v square = z * z;
  f32v p = splat(7.0376836292e-2f);
  p = fma(p, z, splat(-1.1514610310e-1f));
  p = fma(p, z, splat(1.1676998740e-1f));
  p = fma(p, z, splat(-1.2420140846e-1f));
  p = fma(p, z, splat(1.4249322787e-1f));
  p = fma(p, z, splat(-1.6668057665e-1f));
  p = fma(p, z, splat(2.0000714765e-1f));
  p = fma(p, z, splat(-2.4999993993e-1f));
  p = fma(p, z, splat(3.3333331174e-1f));
  f32v y = fma(exponent, splat(-2.12194440e-4f), p * z * square);
  y = fma(square, splat(-0.5f), y) + z;
  y = fma(exponent, splat(0.693359375f), y);
  const f32v infinity = splat(__builtin_inff());
  y = select(x == infinity, infinity, y);
  y = select(x == 0.0f, -infinity, y);
  return select(x >= 0.0f, y, splat(__builtin_nanf("")));
}

TINY_INLINE f32v tanh_(f32v x) {
  const f32v a = abs(x), square = x * x;
  f32v p = splat(-5.70498872745e-3f);
  p = fma(p, square, splat(2.06390887954e-2f));
  p = fma(p, square, splat(-5.37397155531e-2f));
  p = fma(p, square, splat(1.33314422036e-1f));
  p = fma(p, square, splat(-3.33332819422e-1f));
  const f32v small = fma(p * square, x, x);
  const f32v large = 1.0f - 2.0f / (exp(a + a) + 1.0f);
  const u32v sign = as_u32(x) & 0x80000000u;
  return as_f32(as_u32(select(a < 0.625f, small, large)) | sign);
}

TINY_INLINE f32v sigmoid(f32v x) { return 1.0f / (exp(-x) + 1.0f); }

TINY_INLINE f32v relu(f32v x) { return max(f32v{}, x); }  // this order of operands keeps NaN

// exp(-a²/2) and the normal distribution's upper tail 1 - Φ(a) for a >= 0. The tail's quotient by the
// exponential is smooth: t p(2t - 1) with t = 1 / (1 + 0.24 a), to 2.4e-8 for a <= 14.5, where the tail
// underflows.
struct NormalTail {
  f32v exponential, tail;
};
TINY_INLINE NormalTail normal_tail(f32v a) {
  const f32v t = 1.0f / fma(a, splat(0.24f), splat(1.0f)), s = t + t - 1.0f;
  f32v p = splat(5.0183109124191105e-05f);
  p = fma(p, s, splat(-3.899286093655974e-05f));
  p = fma(p, s, splat(-0.000494363543111831f));
  p = fma(p, s, splat(-0.00046100126928649843f));
  p = fma(p, s, splat(0.003623595694079995f));
  p = fma(p, s, splat(0.018435163423419f));
  p = fma(p, s, splat(0.05023735761642456f));
  p = fma(p, s, splat(0.09796670079231262f));
  p = fma(p, s, splat(0.14871269464492798f));
  p = fma(p, s, splat(0.18196867406368256f));
  const f32v exponential = exp(a * a * -0.5f);
  return {exponential, exponential * t * p};
}

// x Φ(x): by symmetry relu(x) less |x| times the tail, which keeps its relative accuracy below zero.
TINY_INLINE f32v gelu(f32v x) {
  const f32v a = min(splat(15.0f), abs(x));
  return relu(x) - a * normal_tail(a).tail;
}

// gradient (Φ(x) + x φ(x))
TINY_INLINE f32v gelu_gradient(f32v gradient, f32v x) {
  const NormalTail normal = normal_tail(min(splat(15.0f), abs(x)));
  const f32v below = select(x < 0.0f, normal.tail, 1.0f - normal.tail);
  return gradient * fma(x * 0.39894228040143268f, normal.exponential, below);
}

// 0.5 (1 + tanh(√(2/π) (x + 0.044715 x³))) as a sigmoid.
TINY_INLINE f32v gelu_tanh_gate(f32v x) {
  return sigmoid(x * 1.5957691216057308f * fma(x * x, splat(0.044715f), splat(1.0f)));
}

TINY_INLINE f32v gelu_tanh(f32v x) { return x * gelu_tanh_gate(x); }

TINY_INLINE f32v gelu_tanh_gradient(f32v gradient, f32v x) {
  x = min(splat(15.0f), max(splat(-15.0f), x));  // where the gate is 0 or 1: no infinity times zero
  const f32v gate = gelu_tanh_gate(x);
  const f32v slope = 1.5957691216057308f * fma(x * x, splat(0.134145f), splat(1.0f));
  return gradient * fma(x * slope, gate * (1.0f - gate), gate);
}

TINY_INLINE f32v silu(f32v x) { return x / (exp(-x) + 1.0f); }

TINY_INLINE f32v silu_gradient(f32v gradient, f32v x) {
  const f32v gate = sigmoid(x);
  return gradient * fma(x * gate, 1.0f - gate, gate);
}

// Lane by lane through the C library: exact integer powers, negative bases.
TINY_INLINE f32v power(f32v x, f32v exponent) {
  for (int64_t i = 0; i < kLanes; ++i) x[i] = __builtin_powf(x[i], exponent[i]);
  return x;
}

}  // namespace
}  // namespace tiny
