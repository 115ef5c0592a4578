#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// Rotary position embedding (Su et al. 2021) of rows of heads. `table` has a row for each row of x: `half`
// cosines, then `half` sines. Columns start .. start + 2 half of each head are rotated pair by pair, (x_i,
// x_i+half) or, interleaved, (x_2i, x_2i+1); the others are copied. Strides are in elements; y is contiguous.
template <typename T>
struct Rotation {
  const T* x = nullptr;
  int64_t x_stride = 0;
  const T* table = nullptr;
  int64_t table_stride = 0;
  T* y = nullptr;  // may be x
  int64_t heads = 0, head_dim = 0, start = 0, half = 0;
  bool interleaved = false;
  bool transposed = false;  // by the matrices' transposes: the other way round, for the gradient
};

template <typename T>
struct RopeTable {
  // out = scaling [cos(position f_0), …, sin(position f_0), …] of `half` frequencies. The angle is rounded to
  // T, as PyTorch's is, before it is reduced.
  void (*angles)(T position, const T* frequencies, int64_t half, T scaling, T* out) noexcept;
  // Rows [begin, end).
  void (*rotate)(const Rotation<T>& rotation, int64_t begin, int64_t end) noexcept;
};

using RopeKernels = RopeTable<float>;

const RopeKernels& rope_kernels(Isa isa = tiny::isa());

template <typename T>
const RopeTable<T>& rope_table();

}  // namespace tiny
