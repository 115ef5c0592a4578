#pragma once

#include "kernels/norm/norm.h"
#include "kernels/scalar_math.h"

namespace tiny {
namespace {

template <typename T, bool kCentred>
void norm_forward(const NormForward<T>& norm, int64_t begin, int64_t end) noexcept {
  const int64_t n = norm.width;
  for (int64_t row = begin; row < end; ++row) {
    const T* x = norm.x + row * norm.x_stride;
    T* y = norm.y + row * n;
    if (norm.residual != nullptr || norm.sum != nullptr) {
      const T* residual = norm.residual == nullptr ? nullptr : norm.residual + row * norm.residual_stride;
      T* sum = norm.sum == nullptr ? y : norm.sum + row * n;
      for (int64_t i = 0; i < n; ++i) sum[i] = residual == nullptr ? x[i] : x[i] + residual[i];
      x = sum;
    }
    double mean = 0, square = 0;
    if (kCentred) {
      for (int64_t i = 0; i < n; ++i) mean += x[i];
      mean /= static_cast<double>(n);
    }
    for (int64_t i = 0; i < n; ++i) square += (x[i] - mean) * (x[i] - mean);
    const double rstd = 1 / sqrt(square / static_cast<double>(n) + static_cast<double>(norm.eps));
    for (int64_t i = 0; i < n; ++i) {
      const T weight = norm.weight == nullptr ? T(1) : norm.weight[i] + norm.weight_offset;
      y[i] = static_cast<T>((x[i] - mean) * rstd) * weight + (norm.bias == nullptr ? T(0) : norm.bias[i]);
    }
    if (norm.mean != nullptr) norm.mean[row] = static_cast<T>(mean);
    if (norm.rstd != nullptr) norm.rstd[row] = static_cast<T>(rstd);
  }
}

template <typename T, bool kCentred>
void norm_backward(const NormBackward<T>& norm, int64_t begin, int64_t end, T* dweight, T* dbias) noexcept {
  const int64_t n = norm.width;
  for (int64_t i = 0; i < n; ++i) {
    if (dweight != nullptr) dweight[i] = 0;
    if (dbias != nullptr) dbias[i] = 0;
  }
  for (int64_t row = begin; row < end; ++row) {
    const T* dy = norm.dy + row * norm.dy_stride;
    const T* s = norm.s + row * norm.s_stride;
    const T mean = kCentred ? norm.mean[row] : T(0), rstd = norm.rstd[row];
    double g_sum = 0, gx_sum = 0;
    for (int64_t i = 0; i < n; ++i) {
      const T g = norm.weight == nullptr ? dy[i] : dy[i] * (norm.weight[i] + norm.weight_offset);
      const T xhat = (s[i] - mean) * rstd;
      g_sum += g;
      gx_sum += static_cast<double>(g) * xhat;
      if (dweight != nullptr) dweight[i] += dy[i] * xhat;
      if (dbias != nullptr) dbias[i] += dy[i];
    }
    if (norm.dx == nullptr) continue;
    const T* dsum = norm.dsum == nullptr ? nullptr : norm.dsum + row * norm.dsum_stride;
    T* dx = norm.dx + row * n;
    const T g_mean = kCentred ? static_cast<T>(g_sum / static_cast<double>(n)) : T(0);
    const T gx_mean = static_cast<T>(gx_sum / static_cast<double>(n));
    for (int64_t i = 0; i < n; ++i) {
      const T g = norm.weight == nullptr ? dy[i] : dy[i] * (norm.weight[i] + norm.weight_offset);
      const T xhat = (s[i] - mean) * rstd;
      dx[i] = rstd * (g - g_mean - xhat * gx_mean) + (dsum == nullptr ? T(0) : dsum[i]);
    }
  }
}

template <typename T>
void add_chunks_reference(const T* partial, int64_t chunks, int64_t width, T* out) noexcept {
  for (int64_t i = 0; i < width; ++i) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < chunks; ++chunk) sum += partial[chunk * width + i];
    out[i] = static_cast<T>(sum);
  }
}

template <typename T>
constexpr NormTable<T> norm_reference() {
  return {norm_forward<T, true>, norm_forward<T, false>, norm_backward<T, true>, norm_backward<T, false>,
          add_chunks_reference<T>};
}

}  // namespace
}  // namespace tiny
