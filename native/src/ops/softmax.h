#pragma once

#include <vector>

#include "graph/node.h"

namespace tiny {

// Over the last dimension; float32 or float64.
Value softmax(const Value& x);
Value log_softmax(const Value& x);

// The sum of the losses of rows of logits [.., classes] against int32 labels [..], and the number of rows
// that count: those whose label is not `ignore_index`. Both scalars of the logits' dtype; their quotient is
// PyTorch's mean. Running it throws IndexError for any other label outside [0, classes).
struct CrossEntropy {
  Value loss_sum, count;
};
CrossEntropy cross_entropy(const Value& logits, const Value& labels, int64_t ignore_index = -100,
                           double label_smoothing = 0);

}  // namespace tiny
