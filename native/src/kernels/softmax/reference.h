#pragma once

#include "kernels/scalar_math.h"
#include "kernels/softmax/softmax.h"

namespace tiny {
namespace {

template <typename T>
T row_max(const T* x, int64_t n) {
  T largest = -__builtin_inff();
  for (int64_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

template <typename T>
double row_lse(const T* x, int64_t n) {
  const T largest = row_max(x, n);
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += exp(static_cast<double>(x[i] - largest));
  return static_cast<double>(largest) + log(sum);
}

template <typename T>
void softmax_rows(const T* x, int64_t stride, T* y, int64_t width, int64_t begin, int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const T* from = x + row * stride;
    T* to = y + row * width;
    const T largest = row_max(from, width);
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) {
      to[i] = exp(from[i] - largest);
      sum += to[i];
    }
    for (int64_t i = 0; i < width; ++i) to[i] = static_cast<T>(to[i] / sum);
  }
}

template <typename T>
void log_softmax_rows(const T* x, int64_t stride, T* y, int64_t width, int64_t begin, int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const T* from = x + row * stride;
    const double lse = row_lse(from, width);
    for (int64_t i = 0; i < width; ++i) y[row * width + i] = static_cast<T>(from[i] - lse);
  }
}

template <typename T>
void softmax_backward_rows(const T* dy, int64_t stride, const T* y, T* dx, int64_t width, int64_t begin,
                           int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const T *g = dy + row * stride, *p = y + row * width;
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += static_cast<double>(g[i]) * p[i];
    for (int64_t i = 0; i < width; ++i) dx[row * width + i] = static_cast<T>(p[i] * (g[i] - sum));
  }
}

template <typename T>
void log_softmax_backward_rows(const T* dy, int64_t stride, const T* y, T* dx, int64_t width, int64_t begin,
                               int64_t end) noexcept {
  for (int64_t row = begin; row < end; ++row) {
    const T *g = dy + row * stride, *log_p = y + row * width;
    double sum = 0;
    for (int64_t i = 0; i < width; ++i) sum += g[i];
    for (int64_t i = 0; i < width; ++i) dx[row * width + i] = static_cast<T>(g[i] - exp(log_p[i]) * sum);
  }
}

template <typename T>
void cross_entropy_rows(const CrossEntropyRows<T>& rows, T* loss, T* lse, int64_t begin,
                        int64_t end) noexcept {
  const int64_t n = rows.width;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = rows.logits + row * rows.stride;
    const int32_t label = rows.labels[row];
    double total = 0, row_loss = 0;
    if (label == rows.ignored) {
      if (lse != nullptr) lse[row] = 0;
    } else {
      const double own = row_lse(x, n), smoothing = rows.smoothing;
      for (int64_t i = 0; i < n; ++i) total += x[i];
      row_loss = own - (1 - smoothing) * x[label] - smoothing * total / static_cast<double>(n);
      if (lse != nullptr) lse[row] = static_cast<T>(own);
    }
    loss[row] = static_cast<T>(row_loss);
  }
}

template <typename T>
void cross_entropy_backward_rows(const CrossEntropyRows<T>& rows, const T* lse, T scale, T* dlogits,
                                 int64_t begin, int64_t end) noexcept {
  const int64_t n = rows.width;
  const T spread = rows.smoothing / static_cast<T>(n);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = rows.logits + row * rows.stride;
    T* dx = dlogits + row * n;
    const int32_t label = rows.labels[row];
    for (int64_t i = 0; i < n; ++i)
      dx[i] = label == rows.ignored ? T(0) : scale * (exp(x[i] - lse[row]) - spread);
    if (label != rows.ignored) dx[label] -= scale * (1 - rows.smoothing);
  }
}

template <typename T>
constexpr SoftmaxTable<T> softmax_reference() {
  return {softmax_rows<T>,          log_softmax_rows<T>,
          softmax_backward_rows<T>, log_softmax_backward_rows<T>,
          cross_entropy_rows<T>,    cross_entropy_backward_rows<T>};
}

}  // namespace
}  // namespace tiny
