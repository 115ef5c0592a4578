#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Rows of a layer norm (Ba et al. 2016) or an RMS norm (Zhang & Sennrich 2019), fused with the residual sum
// before it. Strides are in elements; outputs are contiguous. s = x + residual; y = (s - mean) rstd weight +
// bias.
template <typename T>
struct NormForward {
  int64_t width = 0;
  const T* x = nullptr;
  int64_t x_stride = 0;
  const T* residual = nullptr;  // may be null
  int64_t residual_stride = 0;
  const T* weight = nullptr;  // [width]; null is 1
  const T* bias = nullptr;    // [width]; null is 0
  T weight_offset = 0;        // added to each weight: 1 for a zero-centred one (Gemma)
  T eps = 0;
  T* y = nullptr;     // may be x or residual
  T* sum = nullptr;   // s; may be null, and x or residual
  T* mean = nullptr;  // [rows], may be null
  T* rstd = nullptr;  // [rows], may be null
};

// dx = rstd (g - avg(g) - xhat avg(g xhat)) + dsum with g = dy weight and xhat = (s - mean) rstd; an RMS norm
// has neither mean nor avg(g). dweight = sum of dy xhat, dbias = sum of dy over the rows of one call.
template <typename T>
struct NormBackward {
  int64_t width = 0;
  const T* dy = nullptr;
  int64_t dy_stride = 0;
  const T* s = nullptr;
  int64_t s_stride = 0;
  const T* mean = nullptr;  // [rows]; null for an RMS norm
  const T* rstd = nullptr;  // [rows]
  const T* weight = nullptr;
  T weight_offset = 0;
  const T* dsum = nullptr;  // gradient that arrives at s beside the norm; may be null
  int64_t dsum_stride = 0;
  T* dx = nullptr;  // may be null, and dy, s or dsum
};

template <typename T>
struct NormTable {
  // Rows [begin, end); layer_norm subtracts the mean, rms_norm does not.
  void (*layer_norm)(const NormForward<T>& norm, int64_t begin, int64_t end) noexcept;
  void (*rms_norm)(const NormForward<T>& norm, int64_t begin, int64_t end) noexcept;
  // dweight and dbias [width] are overwritten with the sums of these rows; either may be null.
  void (*layer_norm_backward)(const NormBackward<T>& norm, int64_t begin, int64_t end, T* dweight,
                              T* dbias) noexcept;
  void (*rms_norm_backward)(const NormBackward<T>& norm, int64_t begin, int64_t end, T* dweight,
                            T* dbias) noexcept;
  // out[i] = partial[0, i] + partial[1, i] + …, of chunks [chunks, width], in order.
  void (*add_chunks)(const T* partial, int64_t chunks, int64_t width, T* out) noexcept;
};

using NormKernels = NormTable<float>;

const NormKernels& norm_kernels(Isa isa = tiny::isa());

template <typename T>
const NormTable<T>& norm_table();

}  // namespace tiny
