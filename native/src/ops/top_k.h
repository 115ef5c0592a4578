#pragma once

#include "graph/node.h"

namespace tiny {

// The k largest of each row of x [.., N], largest first; the first of equals, and NaN is larger than anything
// (argmax, k times over). Values [.., k] of x's dtype, indices int32 [.., k]. ShapeError where k exceeds N.
struct TopK {
  Value values, indices;
};
TopK top_k(const Value& x, int64_t k);

// x [.., N] at `indices` int32 [.., k] of each row: [.., k]. Float32 or float64; IndexError for an index
// outside [0, N).
Value gather_last(const Value& x, const Value& indices);

// The gradient of both: zeros [.., columns], plus g's elements [.., k] added up in order at `indices`.
Value scatter_last(const Value& g, const Value& indices, const Dim& columns);

// 1 at `indices` int32 [.., k] of each row [.., columns], 0 elsewhere; float32 unless float64 is asked for.
// Not differentiable.
Value mark_columns(const Value& indices, const Dim& columns, DType dtype = DType::Float32);

}  // namespace tiny
