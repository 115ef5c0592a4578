#pragma once

// Scalar: the oracle, the scalar ISA and the float64 path.
#include <stdint.h>

#include "kernels/experts/experts.h"

namespace tiny {
namespace {
namespace reference {

template <typename T>
void combine(const T* y, int64_t y_stride, const int32_t* places, const T* weights, int64_t count,
             int64_t columns, T* out) noexcept {
  for (int64_t c = 0; c < columns; ++c) {
    T sum = 0;
    for (int64_t j = 0; j < count; ++j) sum += weights[j] * y[places[j] * y_stride + c];
    out[c] = sum;
  }
}

template <typename T>
void spread(const T* g, const int32_t* places, const T* weights, int64_t count, int64_t columns, T* y,
            int64_t y_stride) noexcept {
  for (int64_t j = 0; j < count; ++j) {
    T* row = y + places[j] * y_stride;
    for (int64_t c = 0; c < columns; ++c) row[c] += weights[j] * g[c];
  }
}

template <typename T>
void project(const T* g, const T* y, int64_t y_stride, const int32_t* places, int64_t count, int64_t columns,
             T* out) noexcept {
  for (int64_t j = 0; j < count; ++j) {
    const T* row = y + places[j] * y_stride;
    T sum = 0;
    for (int64_t c = 0; c < columns; ++c) sum += g[c] * row[c];
    out[j] = sum;
  }
}

template <typename T>
constexpr ExpertTable<T> table() {
  return {combine<T>, spread<T>, project<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
