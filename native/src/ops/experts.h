#pragma once

#include <span>

#include "graph/node.h"

namespace tiny {

struct ExpertMatmulOptions {
  // Each expert's weight is [N, K], as linear layers store it; else [K, N].
  bool transpose_b = true;
  // Operands rounded to bfloat16 before they are multiplied.
  bool bf16 = false;
  // A product of a gradient: it reads plain weights and does not make a frozen one keep a second packed form.
  bool derived = false;
};

// Rows sorted by expert, each by its own expert's weight: y[r] = x[r] W_eᵀ + b_e for the rows r in
// [offsets[e], offsets[e + 1]). x [R, K] is float32 (or float64, like everything else then), offsets int32
// [E + 1], bias [E, N] float32 or of the weights' dtype, or absent; `weights` is one stack [E, N, K] or a
// matrix for each expert, of float32, bfloat16 or float16. A row's value does not depend on how many others
// its expert has. Experts without a row cost nothing, and their gradients are zeros. Output [R, N] of x's
// dtype.
Value expert_matmul(const Value& x, const Value& offsets, std::span<const Value> weights,
                    const Value& bias = {}, const ExpertMatmulOptions& options = {});

}  // namespace tiny
