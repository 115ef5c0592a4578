#pragma once

#include "graph/node.h"
#include "kernels/matmul/packed.h"

namespace tiny {

// Packs what `variable` holds as the right operand op(b) of products (its transpose where `transposed`),
// once, as long as it is frozen; called from Primitive::prepare. Where memory.limit leaves no room the weight
// stays plain, which changes speed and no result. `view` is the variable's, `variable` may be null.
// With `parts` it is that many matrices one after another (a stack of experts), each packed by itself.
void pack_weight(Variable* variable, const View& view, bool transposed, bool bf16, ThreadPool& pool,
                 int64_t parts = 1);

// The packed form (of matrix `part` of a stack), or null.
const PackedMatrix* packed_weight(Variable* variable, const View& view, bool transposed, bool bf16,
                                  int64_t parts = 1, int64_t part = 0);

}  // namespace tiny
