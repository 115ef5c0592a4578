#pragma once

// Scalar random numbers: the oracle, the scalar ISA and the float64 path.
#include <stdint.h>

#include "kernels/random/random.h"

namespace tiny {
namespace {
namespace reference {

template <typename T>
void dropout(const T* x, T* y, uint64_t first, int64_t n, const Dropout& d) noexcept {
  const T scale = static_cast<T>(d.scale);
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t element = first + static_cast<uint64_t>(i);
    uint32_t words[4];
    philox(d.key, element / 64 * 16 + element % 16, words);
    y[i] = words[element % 64 / 16] < d.threshold ? T{0} : x[i] * scale;
  }
}

template <typename T>
constexpr RandomTable<T> table() {
  return {dropout<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
