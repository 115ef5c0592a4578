#pragma once

// Scalar: the oracle, the scalar ISA and the float64 path.
#include <stdint.h>

#include "kernels/scalar_math.h"
#include "kernels/state_space/state_space.h"

namespace tiny {
namespace {
namespace reference {

// The input that meets tap k at token t.
template <typename T>
const T* tapped(const ConvolutionRows<T>& rows, int64_t t, int64_t k) {
  const int64_t at = t - (rows.count - 1) + k;
  return at >= 0 ? rows.x + at * rows.x_stride : rows.before + (rows.count - 1 + at) * rows.width;
}

template <typename T>
T convolved(const ConvolutionRows<T>& rows, int64_t t, int64_t i) {
  T sum = rows.bias == nullptr ? T(0) : rows.bias[i];
  for (int64_t k = 0; k < rows.count; ++k) sum += rows.taps[k * rows.width + i] * tapped(rows, t, k)[i];
  return sum;
}

template <typename T>
void convolve(const ConvolutionRows<T>& rows, int64_t begin, int64_t end, T* y) noexcept {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < rows.width; ++i) {
      const T z = convolved(rows, t, i);
      y[t * rows.width + i] = rows.silu ? silu(z) : z;
    }
  }
}

template <typename T>
void convolve_delta(const ConvolutionRows<T>& rows, const T* dy, int64_t dy_stride, int64_t begin,
                    int64_t end, T* dz) noexcept {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < rows.width; ++i) {
      const T g = dy[t * dy_stride + i];
      dz[t * rows.width + i] = rows.silu ? silu_gradient(g, convolved(rows, t, i)) : g;
    }
  }
}

template <typename T>
void convolve_back(const ConvolutionRows<T>& rows, const T* dz, int64_t dz_stride, int64_t length,
                   int64_t begin, int64_t end, T* dx) noexcept {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < rows.width; ++i) {
      T sum = 0;
      for (int64_t k = rows.count - 1; k >= 0; --k) {
        const int64_t at = t + rows.count - 1 - k;
        if (at < length) sum += rows.taps[k * rows.width + i] * dz[at * dz_stride + i];
      }
      dx[t * rows.width + i] = sum;
    }
  }
}

template <typename T>
void convolve_taps(const ConvolutionRows<T>& rows, const T* dz, int64_t dz_stride, int64_t begin, int64_t end,
                   T* sums) noexcept {
  for (int64_t t = begin; t < end; ++t) {
    for (int64_t i = 0; i < rows.width; ++i) {
      const T g = dz[t * dz_stride + i];
      for (int64_t k = 0; k < rows.count; ++k) sums[k * rows.width + i] += g * tapped(rows, t, k)[i];
      sums[rows.count * rows.width + i] += g;
    }
  }
}

template <typename T>
void scan(const ScanBlock<T>& s, T* h, T* y, int64_t y_stride) noexcept {
  for (int64_t t = 0; t < s.tokens; ++t) {
    const T decay = s.decay[t * s.dt_stride], dt = s.dt[t * s.dt_stride];
    const T *x = s.x + t * s.x_stride, *b = s.b + t * s.b_stride, *c = s.c + t * s.c_stride;
    for (int64_t p = 0; p < s.width; ++p) {
      T sum = s.skip * x[p];
      for (int64_t n = 0; n < s.state; ++n) {
        T& at = h[n * s.width + p];
        at = decay * at + dt * x[p] * b[n];
        sum += c[n] * at;
      }
      if (y != nullptr) y[t * y_stride + p] = sum;
    }
  }
}

// Element by element of the state: its values over the block, then their gradients from the last token back.
template <typename T>
void scan_back(const ScanBlock<T>& s, const ScanGradients<T>& g) noexcept {
  for (int64_t t = 0; t < s.tokens; ++t) {
    g.dlog[t * s.dt_stride] = 0;
    for (int64_t p = 0; p < s.width; ++p) g.dx[t * g.dx_stride + p] = 0;
    for (int64_t n = 0; n < s.state; ++n) g.db[t * s.state + n] = g.dc[t * s.state + n] = 0;
  }
  for (int64_t n = 0; n < s.state; ++n) {
    for (int64_t p = 0; p < s.width; ++p) {
      T h = g.h[n * s.width + p];
      for (int64_t t = 0; t < s.tokens; ++t) {
        g.scratch[t] = h;  // before token t
        h = s.decay[t * s.dt_stride] * h +
            s.dt[t * s.dt_stride] * s.x[t * s.x_stride + p] * s.b[t * s.b_stride + n];
      }
      T& dh = g.dh[n * s.width + p];
      for (int64_t t = s.tokens - 1; t >= 0; --t) {
        const T dy = g.dy[t * g.dy_stride + p], b = s.b[t * s.b_stride + n];
        const T entering = s.dt[t * s.dt_stride] * s.x[t * s.x_stride + p];
        const T kept = s.decay[t * s.dt_stride] * g.scratch[t];
        dh += dy * s.c[t * s.c_stride + n];
        g.dc[t * s.state + n] += dy * (kept + entering * b);
        g.db[t * s.state + n] += dh * entering;
        g.dx[t * g.dx_stride + p] += dh * b;
        g.dlog[t * s.dt_stride] += dh * kept;
        dh *= s.decay[t * s.dt_stride];
      }
    }
  }
  for (int64_t t = 0; t < s.tokens; ++t) {
    T ddt = 0, dskip = 0;
    for (int64_t p = 0; p < s.width; ++p) {
      const T x = s.x[t * s.x_stride + p], dy = g.dy[t * g.dy_stride + p];
      T& dx = g.dx[t * g.dx_stride + p];
      ddt += dx * x;
      dskip += dy * x;
      dx = s.dt[t * s.dt_stride] * dx + s.skip * dy;
    }
    g.ddt[t * s.dt_stride] = ddt;
    g.dskip[t * s.dt_stride] = dskip;
  }
}

template <typename T>
constexpr StateSpaceTable<T> table() {
  return {convolve<T>, convolve_delta<T>, convolve_back<T>, convolve_taps<T>, scan<T>, scan_back<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
