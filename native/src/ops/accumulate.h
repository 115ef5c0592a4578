#pragma once

#include "graph/node.h"

namespace tiny {

// a + b for gradients of one value, the Accumulate of graph/gradient.h. Where one of them holds a few
// rows or a slice among zeros, only these are added, in place, to the other: a tied embedding's gradient
// costs its tokens, not a pass over the vocabulary.
Value accumulate_gradients(const Value& a, const Value& b);

}  // namespace tiny
