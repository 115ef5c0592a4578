#pragma once

#include "kernels/rope/rope.h"

namespace tiny {
namespace {

template <typename T>
void rope_angles(T position, const T* frequencies, int64_t half, T scaling, T* out) noexcept {
  for (int64_t i = 0; i < half; ++i) {
    const T angle = position * frequencies[i];
    out[i] = static_cast<T>(__builtin_cos(static_cast<double>(angle))) * scaling;
    out[half + i] = static_cast<T>(__builtin_sin(static_cast<double>(angle))) * scaling;
  }
}

template <typename T>
void rope_rotate(const Rotation<T>& rotation, int64_t begin, int64_t end) noexcept {
  const auto [x_first, x_stride, table, table_stride, y_first, heads, head_dim, start, half, interleaved,
              transposed] = rotation;
  const int64_t step = interleaved ? 2 : 1, other = interleaved ? 1 : half;
  for (int64_t row = begin; row < end; ++row) {
    const T *cosines = table + row * table_stride, *sines = cosines + half;
    for (int64_t head = 0; head < heads; ++head) {
      const T* x = x_first + row * x_stride + head * head_dim;
      T* y = y_first + (row * heads + head) * head_dim;
      for (int64_t i = 0; i < head_dim; ++i) {
        if (i < start || i >= start + 2 * half) y[i] = x[i];
      }
      for (int64_t i = 0; i < half; ++i) {
        const int64_t first = start + i * step;
        const T a = x[first], b = x[first + other], sine = transposed ? -sines[i] : sines[i];
        y[first] = a * cosines[i] - b * sine;
        y[first + other] = b * cosines[i] + a * sine;
      }
    }
  }
}

template <typename T>
constexpr RopeTable<T> rope_reference() {
  return {rope_angles<T>, rope_rotate<T>};
}

}  // namespace
}  // namespace tiny
