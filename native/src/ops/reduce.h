#pragma once

#include <span>

#include "graph/node.h"

namespace tiny {

// What a reduction runs over: the last dimension (leaving the others), all but the last (leaving
// [width]), or everything (leaving a scalar).
enum class Axis { Last, Rows, All };

Axis axis_from(const std::string& name);  // "last" | "rows" | "all"; OptionError otherwise
Shape reduced(const Shape& shape, Axis axis);

// Float32 or float64. An empty sum is 0, an empty mean NaN, an empty max -infinity; NaN wins a max.
Value sum(const Value& x, Axis axis);
Value mean(const Value& x, Axis axis);
// The gradient of largest elements that are equal is shared evenly among them (torch.amax).
Value max(const Value& x, Axis axis);

// The inverse of a reduction's shape rule: repeats x, of shape reduced(shape, axis), to `shape`; with
// `mean` divided by the number of repetitions. Gradient of sum and mean, which are its gradients.
Value broadcast(const Value& x, Shape shape, Axis axis, bool mean = false);

// int32, over the last dimension: the first of the largest; NaN is larger than anything.
Value argmax(const Value& x);

// The sum of the squares of all elements of all tensors, a scalar of their dtype: the square of a
// global gradient norm. Chunks of fixed size are combined in order, in float64.
Value sum_squares(std::span<const Value> tensors);

// A scalar of the tensors' dtype: 1 where no element of any is infinite or NaN, else 0.
Value all_finite(std::span<const Value> tensors);

}  // namespace tiny
