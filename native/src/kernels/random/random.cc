#include "kernels/random/random.h"

#include <cmath>

#include "kernels/random/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const RandomKernels random_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const RandomKernels& random_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return random_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return random_scalar;
}

template <>
const RandomTable<float>& random_table<float>() {
  return random_kernels();
}

template <>
const RandomTable<double>& random_table<double>() {
  static constexpr RandomTable<double> table = reference::table<double>();
  return table;
}

namespace {

// In [0, 1), with all the bits that a float64 takes from one word.
double unit(uint32_t word) { return word * 0x1p-32; }

}  // namespace

template <typename T>
void random_uniform(T* y, uint64_t first, int64_t n, const RandomKey& key, double min, double max) noexcept {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t element = first + static_cast<uint64_t>(i);
    uint32_t words[4];
    philox(key, element / 4, words);
    y[i] = static_cast<T>(min + (max - min) * unit(words[element % 4]));
  }
}

template <typename T>
void random_normal(T* y, uint64_t first, int64_t n, const RandomKey& key, double mean, double std) noexcept {
  constexpr double kTurn = 6.283185307179586;
  for (int64_t i = 0; i < n; ++i) {
    // A block gives two pairs of words, a pair gives two numbers: elements 4b and 4b + 1, 4b + 2 and 4b + 3.
    const uint64_t element = first + static_cast<uint64_t>(i);
    uint32_t words[4];
    philox(key, element / 4, words);
    const uint32_t* pair = words + (element % 4) / 2 * 2;
    const double radius = std * std::sqrt(-2 * std::log((pair[0] + 1.0) * 0x1p-32));
    const double angle = kTurn * unit(pair[1]);
    y[i] = static_cast<T>(mean + radius * (element % 2 == 0 ? std::cos(angle) : std::sin(angle)));
  }
}

template void random_uniform(float*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_uniform(double*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_normal(float*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_normal(double*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;

}  // namespace tiny
