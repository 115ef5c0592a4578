#pragma once

#include "graph/node.h"

namespace tiny {

// Products of matrices whose columns are heads side by side, each head by itself.
struct HeadProductOptions {
  int64_t heads = 1;
  bool transpose_a = false, transpose_b = false;
  double scale = 1;
};

// scale op(a_h) op(b_h) for every head h. a [M, heads * K] or, transposed, [K, heads * M]; b [K, heads * N]
// or, transposed, [N, heads * K]; not both transposed, nor heads of one width by chance alone. -> [M, heads *
// N].
Value head_products(const Value& a, const Value& b, const HeadProductOptions& options);

}  // namespace tiny
