#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// One step's numbers (Loshchilov and Hutter 2019, algorithm 2, as PyTorch's AdamW computes it).
struct AdamWStep {
  double lr = 0;  // alpha
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;        // added to sqrt(v_hat)
  double weight_decay = 0;  // lambda
  double clip = 1;          // factor of the gradient
  double step = 1;          // t, from 1
};

template <typename T>
struct OptimizerTable {
  // g' = clip g; m = beta1 m + (1 - beta1) g'; v = beta2 v + (1 - beta2) g'^2;
  // p = (1 - lr lambda) p - lr / (1 - beta1^t) m / (sqrt(v / (1 - beta2^t)) + eps), in one pass.
  void (*adamw)(T* p, T* m, T* v, const T* g, int64_t n, const AdamWStep& step) noexcept;
};

using OptimizerKernels = OptimizerTable<float>;

const OptimizerKernels& optimizer_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const OptimizerTable<T>& optimizer_table();

}  // namespace tiny
