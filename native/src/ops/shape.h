#pragma once

#include <span>

#include "graph/node.h"

namespace tiny {

// x itself where its rows lie end to end, else a copy in which they do.
Value contiguous(const Value& x);

// x, but a constant to whoever differentiates: a view.
Value detach(const Value& x);

// The same elements under another shape: a view (of a copy, where x has gaps between rows). One
// constant of `shape` may be -1 and is worked out.
Value reshape(const Value& x, Shape shape);

// Elements [start, start + length) of the first (last) dimension: views of x.
Value slice_rows(const Value& x, const Dim& start, const Dim& length);
Value slice_columns(const Value& x, const Dim& start, const Dim& length);

// Tensors end to end along the first (last) dimension; the other dimensions and dtypes must agree.
enum class ConcatAxis { Rows, Last };
Value concat(std::span<const Value> tensors, ConcatAxis axis);

// The inverse of a slice: x at [start, start + its size) along `axis` of a tensor of `shape`, added to
// `base`, or among zeros where there is no base. A gradient of float32 or float64; it writes x's part
// alone when it may take over the base's memory.
Value place(const Value& x, const Shape& shape, ConcatAxis axis, const Dim& start, const Value& base = {});
// x + base where x is a place without base: one onto it. Empty for any other x.
Value place_onto(const Value& x, const Value& base);

// [n, m] -> [m, n], a copy; of any dtype.
Value transpose(const Value& x);

// `value` everywhere; float32, float64 or int32.
Value full(Shape shape, double value, DType dtype = DType::Float32);

}  // namespace tiny
