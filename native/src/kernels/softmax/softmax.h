#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Rows of logits and their labels. With lse = log sum exp x and smoothing s (Szegedy et al. 2016), as PyTorch
// defines it: loss = lse - (1 - s) x[label] - s avg(x).
template <typename T>
struct CrossEntropyRows {
  int64_t width = 0;
  const T* logits = nullptr;
  int64_t stride = 0;               // of logits, in elements
  const int32_t* labels = nullptr;  // [rows], each `ignored` or in [0, width)
  int32_t ignored = -100;
  T smoothing = 0;
};

template <typename T>
struct SoftmaxTable {
  // Rows [begin, end) of x, stride elements apart, to contiguous y, which may be x. A row of nothing but
  // -infinity gives NaN, as in PyTorch.
  void (*softmax)(const T* x, int64_t stride, T* y, int64_t width, int64_t begin, int64_t end) noexcept;
  void (*log_softmax)(const T* x, int64_t stride, T* y, int64_t width, int64_t begin, int64_t end) noexcept;
  // dx = y (dy - sum(dy y)) and dx = dy - exp(y) sum(dy), with contiguous y; dx may be dy or y.
  void (*softmax_backward)(const T* dy, int64_t stride, const T* y, T* dx, int64_t width, int64_t begin,
                           int64_t end) noexcept;
  void (*log_softmax_backward)(const T* dy, int64_t stride, const T* y, T* dx, int64_t width, int64_t begin,
                               int64_t end) noexcept;
  // loss [rows] (0 where ignored) and lse [rows] (may be null).
  void (*cross_entropy)(const CrossEntropyRows<T>& rows, T* loss, T* lse, int64_t begin,
                        int64_t end) noexcept;
  // dlogits (contiguous, may be logits) = scale (softmax - (1 - s) onehot - s / width); zero where ignored.
  void (*cross_entropy_backward)(const CrossEntropyRows<T>& rows, const T* lse, T scale, T* dlogits,
                                 int64_t begin, int64_t end) noexcept;
};

using SoftmaxKernels = SoftmaxTable<float>;

const SoftmaxKernels& softmax_kernels(Isa isa = tiny::isa());

template <typename T>
const SoftmaxTable<T>& softmax_table();

}  // namespace tiny
