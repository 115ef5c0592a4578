#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Elements whose sum is taken in one go, in T; sums of chunks are combined in order, in double. A
// reduction over all of a tensor is divided into these chunks whatever the number of threads.
inline constexpr int64_t kReduceChunk = 4096;

template <typename T>
struct ReduceTable {
  // Over x[0, n). The order depends on n alone.
  double (*sum)(const T* x, int64_t n) noexcept;
  double (*sum_squares)(const T* x, int64_t n) noexcept;
  // NaN if any is NaN, -infinity for n = 0.
  T (*max)(const T* x, int64_t n) noexcept;
  // The first of the largest; NaN is larger than anything. n > 0.
  int64_t (*argmax)(const T* x, int64_t n) noexcept;
  bool (*all_finite)(const T* x, int64_t n) noexcept;
  // out[j] = the sum (largest) of x[i * stride + j] over rows i, for j in [0, columns).
  void (*sum_rows)(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out) noexcept;
  void (*max_rows)(const T* x, int64_t stride, int64_t rows, int64_t columns, T* out) noexcept;
};

using ReduceKernels = ReduceTable<float>;

const ReduceKernels& reduce_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const ReduceTable<T>& reduce_table();

}  // namespace tiny
