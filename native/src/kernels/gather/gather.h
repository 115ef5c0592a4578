#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Sums of rows by index (copies are memcpy and casts). Strides are in elements; ids were checked by the
// caller.
template <typename T>
struct GatherTable {
  // y[ids[i], :] += g[i, :] for i = 0, 1, …, count - 1 in this order, but where ids[i] == skip.
  // Callers divide columns among threads, so that no two write one element.
  void (*scatter_add)(const T* g, int64_t g_stride, const int32_t* ids, int64_t count, int64_t columns,
                      int64_t skip, T* y, int64_t y_stride) noexcept;
};

using GatherKernels = GatherTable<float>;

const GatherKernels& gather_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const GatherTable<T>& gather_table();

}  // namespace tiny
