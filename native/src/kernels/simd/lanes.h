#pragma once

// Loops over a row: whole vectors, then the first lanes of one more. A body is a generic lambda (i, lanes)
// that reads and writes through `lanes` at element i; it is written once and compiled for both.
#include "kernels/simd/vector.h"

namespace tiny {
namespace {

struct AllLanes {
  TINY_INLINE f32v load(const float* p) const { return tiny::load(p); }
  TINY_INLINE void store(float* p, f32v v) const { tiny::store(p, v); }
  // v where lanes count, `otherwise` in the rest.
  TINY_INLINE f32v keep(f32v v, f32v) const { return v; }
};

struct FirstLanes {
  int64_t n;
  TINY_INLINE f32v load(const float* p) const { return load_partial(p, n); }
  TINY_INLINE void store(float* p, f32v v) const { store_partial(p, v, n); }
  TINY_INLINE f32v keep(f32v v, f32v otherwise) const {
    return select(lane_index() < static_cast<int32_t>(n), v, otherwise);
  }
};

template <typename Body>
TINY_INLINE void for_lanes(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, AllLanes{});
  if (i < n) body(i, FirstLanes{n - i});
}

// The sum of term(i, lanes) over a row, in four chains that hide the adder's latency; the order depends on n
// alone.
template <typename Term>
TINY_INLINE float sum_of(int64_t n, const Term& term) {
  f32v s0{}, s1{}, s2{}, s3{};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 += term(i, AllLanes{});
    s1 += term(i + kLanes, AllLanes{});
    s2 += term(i + 2 * kLanes, AllLanes{});
    s3 += term(i + 3 * kLanes, AllLanes{});
  }
  for (; i + kLanes <= n; i += kLanes) s0 += term(i, AllLanes{});
  if (i < n) {
    const FirstLanes rest{n - i};
    s1 += rest.keep(term(i, rest), f32v{});
  }
  return reduce_add((s0 + s1) + (s2 + s3));
}

// The largest element of x[0, n), -infinity for n = 0.
TINY_INLINE float max_of(const float* x, int64_t n) {
  const f32v lowest = splat(-__builtin_inff());
  f32v m0 = lowest, m1 = lowest;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    m0 = max(m0, load(x + i));
    m1 = max(m1, load(x + i + kLanes));
  }
  for (; i + kLanes <= n; i += kLanes) m0 = max(m0, load(x + i));
  if (i < n) {
    const FirstLanes rest{n - i};
    m1 = max(m1, rest.keep(rest.load(x + i), lowest));
  }
  return reduce_max(max(m0, m1));
}

}  // namespace
}  // namespace tiny
