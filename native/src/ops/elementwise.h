#pragma once

#include <vector>

#include "graph/node.h"
#include "kernels/elementwise/elementwise.h"

namespace tiny {

// The op `code` on its inputs, with the parameters that the formula names p and q. Inputs have one dtype,
// float32 or float64 (the condition of Where may be int32). The result has the shape of the largest input;
// the others are equal to it, a scalar [], a row [width] or a column [.., 1]. Throws ShapeError and
// DTypeError.
Value elementwise(Elementwise code, std::vector<Value> inputs, double p = 0, double q = 0);

Value add(const Value& a, const Value& b);
inline Value sub(const Value& a, const Value& b) { return elementwise(Elementwise::Sub, {a, b}); }
inline Value mul(const Value& a, const Value& b) { return elementwise(Elementwise::Mul, {a, b}); }
inline Value div(const Value& a, const Value& b) { return elementwise(Elementwise::Div, {a, b}); }
inline Value neg(const Value& x) { return elementwise(Elementwise::Neg, {x}); }
inline Value square(const Value& x) { return elementwise(Elementwise::Square, {x}); }
inline Value scale(const Value& x, double factor) { return elementwise(Elementwise::Scale, {x}, factor); }
inline Value where(const Value& condition, const Value& a, const Value& b) {
  return elementwise(Elementwise::Where, {condition, a, b});
}

}  // namespace tiny
