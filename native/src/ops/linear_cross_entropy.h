#pragma once

#include <optional>
#include <vector>

#include "graph/node.h"

namespace tiny {

struct LinearCrossEntropyOptions {
  int32_t ignore_index = -100;
  double label_smoothing = 0;
  double scale = 1;   // multiplies the logits
  bool bf16 = false;  // products round their operands to bfloat16
};

// Cross-entropy of the logits scale (hidden weightᵀ + bias), summed over the tokens whose label is not
// ignore_index, and the number of those: [lossSum, count], scalars of hidden's dtype. hidden [.., H] float32
// (or all float64), weight [V, H] float32, bfloat16 or float16, bias [V], labels [..] int32. Logits exist for
// one tile of tokens at a time.
std::vector<Value> linear_cross_entropy(const Value& hidden, const Value& weight, const Value& bias,
                                        const Value& labels, const LinearCrossEntropyOptions& options = {});

}  // namespace tiny
