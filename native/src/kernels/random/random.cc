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

// Elements [first, first + n), where numbers(words, four) turns counter block b's words into elements 4b
// to 4b + 3.
template <typename T, typename Numbers>
void draw(T* y, uint64_t first, int64_t n, const RandomKey& key, const Numbers& numbers) {
  for (int64_t i = 0; i < n;) {
    const uint64_t element = first + static_cast<uint64_t>(i);
    uint32_t words[4];
    double four[4];
    philox(key, element / 4, words);
    numbers(words, four);
    for (uint64_t k = element % 4; k < 4 && i < n; ++k, ++i) y[i] = static_cast<T>(four[k]);
  }
}

}  // namespace

template <typename T>
void random_uniform(T* y, uint64_t first, int64_t n, const RandomKey& key, double min, double max) noexcept {
  draw(y, first, n, key, [=](const uint32_t words[4], double four[4]) {
    for (int k = 0; k < 4; ++k) four[k] = min + (max - min) * unit(words[k]);
  });
}

template <typename T>
void random_normal(T* y, uint64_t first, int64_t n, const RandomKey& key, double mean, double std) noexcept {
  constexpr double kTurn = 6.283185307179586;
  draw(y, first, n, key, [=](const uint32_t words[4], double four[4]) {
    for (int pair = 0; pair < 4; pair += 2) {
      const double radius = std * std::sqrt(-2 * std::log((words[pair] + 1.0) * 0x1p-32));
      const double angle = kTurn * unit(words[pair + 1]);
      four[pair] = mean + radius * std::cos(angle);
      four[pair + 1] = mean + radius * std::sin(angle);
    }
  });
}

template void random_uniform(float*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_uniform(double*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_normal(float*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;
template void random_normal(double*, uint64_t, int64_t, const RandomKey&, double, double) noexcept;

}  // namespace tiny
