#pragma once

#include "graph/node.h"

namespace tiny {

// Rows of `table` [vocabulary, width] at `ids` (int32, any shape): [...ids, width]. float32 and float64
// tables keep their dtype, bfloat16 and float16 ones give float32. IndexError for an id outside.
// Rows at `padding_idx` get no gradient, as in torch.nn.Embedding; -1 is none.
Value embedding(const Value& table, const Value& ids, int64_t padding_idx = -1);

// Rows of x [rows, width], of any dtype, at `indices` (int32, any shape): [...indices, width].
Value gather_rows(const Value& x, const Value& indices);

// The gradient of both: zeros [rows, width], or `base` of that shape, plus g's rows added up in order
// at `ids`. Where it may take over the base's memory its cost does not depend on `rows`.
Value scatter_add(const Value& g, const Value& ids, const Dim& rows, int64_t skip = -1,
                  const Value& base = {});

// x + base where x is a scatter_add without base: one onto it. Empty for any other x.
Value scatter_onto(const Value& x, const Value& base);

}  // namespace tiny
