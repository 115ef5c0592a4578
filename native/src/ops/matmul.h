#pragma once

#include <optional>

#include "graph/node.h"
#include "kernels/matmul/product.h"

namespace tiny {

struct MatmulOptions {
  bool transpose_a = false, transpose_b = false;
  Activation activation = Activation::None;
  double alpha = 1;
  // Operands rounded to bfloat16 or multiplied as they are; by default rounded where a is bfloat16.
  std::optional<bool> bf16;
  // Of the output: float32 or bfloat16 (float64 for float64 operands). By default a's.
  std::optional<DType> dtype;
  // A product of a gradient: it reads the packed form of a frozen weight that the forward pass reads, and
  // makes none of its own.
  bool derived = false;
};

// activation(alpha op(a) op(b) + bias) + residual. a [.., K] is the rows of a matrix, b [K, N]; with
// transpose_a a is [K.., M], with transpose_b b is [N, K]. a is float32 or bfloat16, b also float16, bias [N]
// float32 or b's dtype, residual float32 like the output; or all of them are float64. Sums are float32.
// Output [.., N] or [M, N].
Value matmul(const Value& a, const Value& b, const MatmulOptions& options = {}, const Value& bias = {},
             const Value& residual = {});

}  // namespace tiny
