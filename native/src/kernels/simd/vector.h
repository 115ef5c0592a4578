#pragma once

// Vectors of the instruction set that the including file is compiled for. Everything is in an anonymous
// namespace: a shared inline function compiled for AVX-512 would be the copy that the linker keeps.
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
// GCC 12 warns of its own _mm512_undefined_ps (bug 105593).
#pragma GCC diagnostic push
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define TINY_INLINE inline __attribute__((always_inline))

namespace tiny {
namespace {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif

// GCC vector types: arithmetic, comparisons (masks of -1 and 0) and mask ? a : b work lane by lane.
typedef float f32v __attribute__((vector_size(kLanes * 4)));
typedef int32_t i32v __attribute__((vector_size(kLanes * 4)));
typedef uint32_t u32v __attribute__((vector_size(kLanes * 4)));
typedef uint16_t u16v __attribute__((vector_size(kLanes * 2)));

TINY_INLINE f32v splat(float x) { return x - f32v{}; }
TINY_INLINE i32v splat(int32_t x) { return x - i32v{}; }
TINY_INLINE u32v splat(uint32_t x) { return x - u32v{}; }

// The same bits as another type.
TINY_INLINE f32v as_f32(i32v v) { return (f32v)v; }
TINY_INLINE f32v as_f32(u32v v) { return (f32v)v; }
TINY_INLINE i32v as_i32(f32v v) { return (i32v)v; }
TINY_INLINE u32v as_u32(f32v v) { return (u32v)v; }
TINY_INLINE u32v as_u32(i32v v) { return (u32v)v; }

TINY_INLINE f32v to_f32(i32v v) { return __builtin_convertvector(v, f32v); }
// Towards zero; out of range is whatever the instruction gives.
TINY_INLINE i32v to_i32(f32v v) { return __builtin_convertvector(v, i32v); }

// 0, 1, …, kLanes - 1
TINY_INLINE i32v lane_index() {
  i32v v;
  for (int32_t i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}

// Memory, at any alignment.
TINY_INLINE f32v load(const float* p) {
  f32v v;
  memcpy(&v, p, sizeof v);
  return v;
}
TINY_INLINE i32v load(const int32_t* p) {
  i32v v;
  memcpy(&v, p, sizeof v);
  return v;
}
TINY_INLINE u32v load(const uint32_t* p) {
  u32v v;
  memcpy(&v, p, sizeof v);
  return v;
}
TINY_INLINE void store(float* p, f32v v) { memcpy(p, &v, sizeof v); }
TINY_INLINE void store(int32_t* p, i32v v) { memcpy(p, &v, sizeof v); }
TINY_INLINE void store(uint32_t* p, u32v v) { memcpy(p, &v, sizeof v); }

#if defined(__AVX2__) && !defined(__AVX512F__)
TINY_INLINE __m256i first_lanes(int64_t n) {
  static const int32_t kMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kMask + 8 - n));
}
#endif

// The first n lanes, 0 <= n <= kLanes; the others read as zero, and nothing beyond p + n is touched.
TINY_INLINE f32v load_partial(const float* p, int64_t n) {
#if defined(__AVX512F__)
  return (f32v)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (f32v)_mm256_maskload_ps(p, first_lanes(n));
#else
  f32v v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
#endif
}
TINY_INLINE i32v load_partial(const int32_t* p, int64_t n) {
  return as_i32(load_partial(reinterpret_cast<const float*>(p), n));
}
TINY_INLINE void store_partial(float* p, f32v v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
#elif defined(__AVX2__)
  _mm256_maskstore_ps(p, first_lanes(n), (__m256)v);
#else
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
#endif
}
TINY_INLINE void store_partial(int32_t* p, i32v v, int64_t n) {
  store_partial(reinterpret_cast<float*>(p), as_f32(v), n);
}

// a * b + c, rounded once where the ISA has FMA (all but sse2 and scalar).
TINY_INLINE f32v fma(f32v a, f32v b, f32v c) {
#if defined(__AVX512F__)
  return (f32v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (f32v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(__ARM_NEON)
  return (f32v)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

TINY_INLINE f32v select(i32v mask, f32v a, f32v b) { return mask ? a : b; }
TINY_INLINE i32v select(i32v mask, i32v a, i32v b) { return mask ? a : b; }

// One of the two where either is NaN.
TINY_INLINE f32v max(f32v a, f32v b) {
#if defined(__AVX512F__)
  return (f32v)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (f32v)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (f32v)_mm_max_ps((__m128)a, (__m128)b);
#else
  return a > b ? a : b;
#endif
}
TINY_INLINE f32v min(f32v a, f32v b) {
#if defined(__AVX512F__)
  return (f32v)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
  return (f32v)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined(__SSE2__)
  return (f32v)_mm_min_ps((__m128)a, (__m128)b);
#else
  return a < b ? a : b;
#endif
}
TINY_INLINE f32v abs(f32v v) { return as_f32(as_u32(v) & splat(uint32_t{0x7fffffff})); }

TINY_INLINE f32v sqrt(f32v v) {
#if defined(__AVX512F__)
  return (f32v)_mm512_sqrt_ps((__m512)v);
#elif defined(__AVX2__)
  return (f32v)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
  return (f32v)_mm_sqrt_ps((__m128)v);
#elif defined(__ARM_NEON)
  return (f32v)vsqrtq_f32((float32x4_t)v);
#else
  for (int64_t i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}

// Halves on top of each other until one lane is left: a balanced tree, always in the same order.
typedef float f32x4 __attribute__((vector_size(16)));
typedef float f32x8 __attribute__((vector_size(32)));
TINY_INLINE f32x4 add_halves(f32x4 v) { return v; }
TINY_INLINE f32x4 max_halves(f32x4 v) { return v; }
#if defined(__AVX2__)
TINY_INLINE f32x4 add_halves(f32x8 v) {
  return __builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7);
}
TINY_INLINE f32x4 max_halves(f32x8 v) {
  return (f32x4)_mm_max_ps((__m128)__builtin_shufflevector(v, v, 0, 1, 2, 3),
                           (__m128)__builtin_shufflevector(v, v, 4, 5, 6, 7));
}
#endif
#if defined(__AVX512F__)
TINY_INLINE f32x4 add_halves(f32v v) {
  return add_halves(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                    __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15));
}
TINY_INLINE f32x4 max_halves(f32v v) {
  const f32x8 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const f32x8 high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return max_halves((f32x8)_mm256_max_ps((__m256)low, (__m256)high));
}
#endif
TINY_INLINE float reduce_add(f32v v) {
  const f32x4 s = add_halves(v);
  return (s[0] + s[2]) + (s[1] + s[3]);
}
TINY_INLINE float reduce_max(f32v v) {
  const f32x4 m = max_halves(v);
  const float a = m[0] > m[2] ? m[0] : m[2], b = m[1] > m[3] ? m[1] : m[3];
  return a > b ? a : b;
}

// bfloat16: the upper half of a float. Rounds to nearest even; NaN stays NaN, subnormals are kept.
TINY_INLINE u16v load_u16(const uint16_t* p) {
  u16v v;
  memcpy(&v, p, sizeof v);
  return v;
}
TINY_INLINE u16v load_u16_partial(const uint16_t* p, int64_t n) {
  u16v v{};
  memcpy(&v, p, static_cast<size_t>(n) * 2);
  return v;
}
TINY_INLINE f32v from_bf16(u16v v) { return as_f32(__builtin_convertvector(v, u32v) << 16); }
TINY_INLINE u16v to_bf16(f32v v) {
  const u32v bits = as_u32(v);
  const u32v rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  const u32v nan = (bits >> 16) | 0x40;
  return __builtin_convertvector((u32v)((v == v) ? (i32v)rounded : (i32v)nan), u16v);
}
TINY_INLINE f32v load_bf16(const uint16_t* p) { return from_bf16(load_u16(p)); }
TINY_INLINE f32v load_bf16_partial(const uint16_t* p, int64_t n) { return from_bf16(load_u16_partial(p, n)); }
TINY_INLINE void store_bf16(uint16_t* p, f32v v) {
  const u16v half = to_bf16(v);
  memcpy(p, &half, sizeof half);
}
TINY_INLINE void store_bf16_partial(uint16_t* p, f32v v, int64_t n) {
  const u16v half = to_bf16(v);
  memcpy(p, &half, static_cast<size_t>(n) * 2);
}

// float16 (IEEE half), rounding to nearest even.
TINY_INLINE f32v from_f16(u16v v) {
#if defined(__AVX512F__)
  return (f32v)_mm512_cvtph_ps((__m256i)v);
#elif defined(__F16C__)
  return (f32v)_mm256_cvtph_ps((__m128i)v);
#else
  const u32v half = __builtin_convertvector(v, u32v);
  const u32v magnitude = half & 0x7fff;
  // Shifting moves the exponent's field, the product its bias (and normalises subnormals).
  const f32v scaled = as_f32(magnitude << 13) * 0x1p112f;
  const u32v special = (u32v)(magnitude >= 0x7c00) & 0x7f800000;
  return as_f32(as_u32(scaled) | special | ((half & 0x8000) << 16));
#endif
}
TINY_INLINE u16v to_f16(f32v v) {
#if defined(__AVX512F__)
  return (u16v)_mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__F16C__)
  return (u16v)_mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const u32v bits = as_u32(v), sign = bits & 0x80000000u, magnitude = bits ^ sign;
  // Below 2^-14 adding 0.5 lets the float adder round at a subnormal half's last place.
  const u32v small = as_u32(as_f32(magnitude) + 0.5f) - 0x3f000000u;
  const u32v normal = (magnitude - 0x38000000u + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  const u32v nan = splat(uint32_t{0x7e00}), infinity = splat(uint32_t{0x7c00});
  u32v result = (i32v)(magnitude < 0x38800000u) ? small : normal;
  result = (i32v)(magnitude >= 0x47800000u) ? infinity : result;
  result = (i32v)(magnitude > 0x7f800000u) ? nan : result;
  return __builtin_convertvector(result | (sign >> 16), u16v);
#endif
}
TINY_INLINE f32v load_f16(const uint16_t* p) { return from_f16(load_u16(p)); }
TINY_INLINE f32v load_f16_partial(const uint16_t* p, int64_t n) { return from_f16(load_u16_partial(p, n)); }
TINY_INLINE void store_f16(uint16_t* p, f32v v) {
  const u16v half = to_f16(v);
  memcpy(p, &half, sizeof half);
}
TINY_INLINE void store_f16_partial(uint16_t* p, f32v v, int64_t n) {
  const u16v half = to_f16(v);
  memcpy(p, &half, static_cast<size_t>(n) * 2);
}

}  // namespace
}  // namespace tiny
