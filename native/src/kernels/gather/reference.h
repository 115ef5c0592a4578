#pragma once

// Scalar row sums: the oracle, the scalar ISA and the float64 path.
#include <stdint.h>

#include "kernels/gather/gather.h"

namespace tiny {
namespace {
namespace reference {

template <typename T>
void scatter_add(const T* g, int64_t g_stride, const int32_t* ids, int64_t count, int64_t columns,
                 int64_t skip, T* y, int64_t y_stride) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    if (ids[i] == skip) continue;
    T* row = y + ids[i] * y_stride;
    for (int64_t j = 0; j < columns; ++j) row[j] += g[i * g_stride + j];
  }
}

template <typename T>
constexpr GatherTable<T> table() {
  return {scatter_add<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
