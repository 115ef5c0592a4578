#pragma once

#include <cstdint>

#include "runtime/cpu.h"
#include "runtime/random.h"

namespace tiny {

// Element i of a tensor takes word (i % 64) / 16 of counter block i / 64 * 16 + i % 16: groups of 64
// elements whose words come out of vectors of 4, 8 or 16 counters in order, so that every ISA draws
// the same numbers without a transpose.
inline constexpr int64_t kRandomGroup = 64;

struct Dropout {
  RandomKey key;
  uint32_t threshold = 0;  // an element is dropped where its word is below: p * 2^32
  double scale = 1;        // of the others: 1 / (1 - p)
};

template <typename T>
struct RandomTable {
  // y[i] = x[i] * scale or 0 for i in [0, n), where x[0] is element `first` of the tensor. y may be x.
  void (*dropout)(const T* x, T* y, uint64_t first, int64_t n, const Dropout& dropout) noexcept;
};

using RandomKernels = RandomTable<float>;

const RandomKernels& random_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const RandomTable<T>& random_table();

// Initial weights: elements [first, first + n) of a tensor, the same bits on every ISA.
// Uniform in [min, max), rounded; normal by Box and Muller, two words giving two elements.
template <typename T>
void random_uniform(T* y, uint64_t first, int64_t n, const RandomKey& key, double min, double max) noexcept;
template <typename T>
void random_normal(T* y, uint64_t first, int64_t n, const RandomKey& key, double mean, double std) noexcept;

}  // namespace tiny
