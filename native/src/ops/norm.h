#pragma once

#include <vector>

#include "graph/node.h"

namespace tiny {

// Norms of the last dimension, of x or of x + residual. Float32 or float64; weight and bias are [width], all
// but x may be empty values. Returns y and, where there is a residual, the sum x + residual. Throws
// ShapeError and DTypeError.
std::vector<Value> layer_norm(const Value& x, const Value& weight, const Value& bias, const Value& residual,
                              double eps);

// y = s / sqrt(avg(s²) + eps) weight, or (1 + weight) where that is stored zero-centred.
std::vector<Value> rms_norm(const Value& x, const Value& weight, const Value& residual, double eps,
                            bool zero_centred);

}  // namespace tiny
