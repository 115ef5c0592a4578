#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Rows of experts' answers, weighted and brought back to their tokens. Strides are in elements; places were
// checked by the caller.
template <typename T>
struct ExpertTable {
  // out[c] = the sum of weights[j] * y[places[j], c] over j = 0, 1, …, count - 1, in this order.
  void (*combine)(const T* y, int64_t y_stride, const int32_t* places, const T* weights, int64_t count,
                  int64_t columns, T* out) noexcept;
  // y[places[j], c] += weights[j] * g[c].
  void (*spread)(const T* g, const int32_t* places, const T* weights, int64_t count, int64_t columns, T* y,
                 int64_t y_stride) noexcept;
  // out[j] = the sum of g[c] * y[places[j], c] over columns; the order depends on `columns` alone.
  void (*project)(const T* g, const T* y, int64_t y_stride, const int32_t* places, int64_t count,
                  int64_t columns, T* out) noexcept;
};

using ExpertKernels = ExpertTable<float>;

const ExpertKernels& expert_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const ExpertTable<T>& expert_table();

}  // namespace tiny
