#pragma once

// Scalar optimizer steps: the oracle, the scalar ISA and the float64 path.
#include <math.h>
#include <stdint.h>

#include "kernels/optimizer/optimizer.h"

namespace tiny {
namespace {

// What the elements of one step share, each computed in double and rounded once.
template <typename T>
struct AdamWFactors {
  T keep, beta1, rest1, beta2, rest2, rate, root, eps, clip;

  explicit AdamWFactors(const AdamWStep& s)
      : keep(static_cast<T>(1 - s.lr * s.weight_decay)),
        beta1(static_cast<T>(s.beta1)),
        rest1(static_cast<T>(1 - s.beta1)),
        beta2(static_cast<T>(s.beta2)),
        rest2(static_cast<T>(1 - s.beta2)),
        rate(static_cast<T>(s.lr / (1 - pow(s.beta1, s.step)))),
        root(static_cast<T>(1 / sqrt(1 - pow(s.beta2, s.step)))),
        eps(static_cast<T>(s.eps)),
        clip(static_cast<T>(s.clip)) {}
};

namespace reference {

template <typename T>
void adamw(T* p, T* m, T* v, const T* g, int64_t n, const AdamWStep& step) noexcept {
  const AdamWFactors<T> f(step);
  for (int64_t i = 0; i < n; ++i) {
    const T grad = f.clip * g[i];
    m[i] = f.beta1 * m[i] + f.rest1 * grad;
    v[i] = f.beta2 * v[i] + f.rest2 * (grad * grad);
    p[i] = f.keep * p[i] - f.rate * m[i] / (static_cast<T>(sqrt(v[i])) * f.root + f.eps);
  }
}

template <typename T>
constexpr OptimizerTable<T> table() {
  return {adamw<T>};
}

}  // namespace reference
}  // namespace
}  // namespace tiny
