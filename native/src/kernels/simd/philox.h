#pragma once

// runtime/random.h's generator on vectors: one counter a lane, the same words bit for bit.
#include "kernels/simd/vector.h"
#include "runtime/random.h"

namespace tiny {
namespace {

// Upper and lower halves of v * factor.
TINY_INLINE void multiply(u32v v, uint32_t factor, u32v& high, u32v& low) {
#if defined(__SSE2__)
  typedef uint64_t u64v __attribute__((vector_size(kLanes * 4)));
#if defined(__AVX512F__)
  const __m512i factors = _mm512_set1_epi32(static_cast<int>(factor));
  const u64v even = (u64v)_mm512_mul_epu32((__m512i)v, factors);
  const u64v odd = (u64v)_mm512_mul_epu32((__m512i)((u64v)v >> 32), factors);
#elif defined(__AVX2__)
  const __m256i factors = _mm256_set1_epi32(static_cast<int>(factor));
  const u64v even = (u64v)_mm256_mul_epu32((__m256i)v, factors);
  const u64v odd = (u64v)_mm256_mul_epu32((__m256i)((u64v)v >> 32), factors);
#else
  const __m128i factors = _mm_set1_epi32(static_cast<int>(factor));
  const u64v even = (u64v)_mm_mul_epu32((__m128i)v, factors);
  const u64v odd = (u64v)_mm_mul_epu32((__m128i)((u64v)v >> 32), factors);
#endif
  constexpr uint64_t kLow = 0xffffffffu;
  low = (u32v)((even & kLow) | (odd << 32));
  high = (u32v)((even >> 32) | (odd & ~kLow));
#elif defined(__ARM_NEON)
  const uint32x4_t x = (uint32x4_t)v;
  const uint32x4_t first = vreinterpretq_u32_u64(vmull_n_u32(vget_low_u32(x), factor));
  const uint32x4_t second = vreinterpretq_u32_u64(vmull_n_u32(vget_high_u32(x), factor));
  low = (u32v)vuzp1q_u32(first, second);
  high = (u32v)vuzp2q_u32(first, second);
#else
  for (int64_t i = 0; i < kLanes; ++i) {
    const uint64_t product = uint64_t{v[i]} * factor;
    low[i] = static_cast<uint32_t>(product);
    high[i] = static_cast<uint32_t>(product >> 32);
  }
#endif
}

// Words of counters index to index + kLanes - 1; index is a multiple of kLanes.
TINY_INLINE void philox(const RandomKey& key, uint64_t index, u32v out[4]) {
  u32v c0 = splat(static_cast<uint32_t>(index)) + (u32v)lane_index();
  u32v c1 = splat(static_cast<uint32_t>(index >> 32)), c2 = splat(key.site), c3{};
  uint32_t k0 = key.seed, k1 = key.step;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    u32v high0, low0, high2, low2;
    multiply(c0, 0xD2511F53u, high0, low0);
    multiply(c2, 0xCD9E8D57u, high2, low2);
    c0 = high2 ^ c1 ^ splat(k0);
    c2 = high0 ^ c3 ^ splat(k1);
    c1 = low2;
    c3 = low0;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

}  // namespace
}  // namespace tiny
