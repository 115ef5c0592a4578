#pragma once

// Scalar reductions: the oracle, the scalar ISA and the float64 path.
#include <stdint.h>

#include "kernels/reduce/reduce.h"

namespace tiny {
namespace {
namespace reference {

template <typename T>
bool is_nan(T x) {
  return x != x;
}

template <typename T>
double sum(const T* x, int64_t n) noexcept {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kReduceChunk) {
    const int64_t end = begin + kReduceChunk < n ? begin + kReduceChunk : n;
    double chunk = 0;
    for (int64_t i = begin; i < end; ++i) chunk += static_cast<double>(x[i]);
    total += chunk;
  }
  return total;
}

template <typename T>
double sum_squares(const T* x, int64_t n) noexcept {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kReduceChunk) {
    const int64_t end = begin + kReduceChunk < n ? begin + kReduceChunk : n;
    double chunk = 0;
    for (int64_t i = begin; i < end; ++i) chunk += static_cast<double>(x[i]) * static_cast<double>(x[i]);
    total += chunk;
  }
  return total;
}

template <typename T>
T max(const T* x, int64_t n) noexcept {
  T largest = static_cast<T>(-__builtin_inf());
  for (int64_t i = 0; i < n; ++i) {
    if (x[i] > largest || is_nan(x[i])) largest = x[i];
    if (is_nan(largest)) break;
  }
  return largest;
}

template <typename T>
int64_t argmax(const T* x, int64_t n) noexcept {
  int64_t at = 0;
  for (int64_t i = 1; i < n && !is_nan(x[at]); ++i) {
    if (x[i] > x[at] || is_nan(x[i])) at = i;
  }
  return at;
}

template <typename T>
bool all_finite(const T* x, int64_t n) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    if (is_nan(x[i] - x[i])) return false;
  }
  return true;
}

template <typename T>
void sum_rows(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out) noexcept {
  for (int64_t j = 0; j < columns; ++j) {
    double total = 0;
    for (int64_t i = 0; i < rows; ++i) total += static_cast<double>(x[i * stride + j]);
    out[j] = static_cast<T>(total);
  }
}

template <typename T>
void max_rows(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out) noexcept {
  for (int64_t j = 0; j < columns; ++j) {
    T largest = static_cast<T>(-__builtin_inf());
    for (int64_t i = 0; i < rows; ++i) {
      const T value = x[i * stride + j];
      if (!is_nan(largest) && (value > largest || is_nan(value))) largest = value;
    }
    out[j] = largest;
  }
}

template <typename T>
constexpr ReduceTable<T> table() {
  return {sum<T>, sum_squares<T>, max<T>, argmax<T>, all_finite<T>, sum_rows<T>, max_rows<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
