#pragma once

#include "graph/node.h"
#include "kernels/matmul/packed.h"

namespace tiny {

// Packs what `variable` holds as the right operand op(b) of products (its transpose where `transposed`),
// once, as long as it is frozen; called from Primitive::prepare. Where memory.limit leaves no room the weight
// stays plain, which changes speed and no result. `view` is the variable's, `variable` may be null.
void pack_weight(Variable* variable, const View& view, bool transposed, bool bf16, ThreadPool& pool);

// The packed form, or null.
const PackedMatrix* packed_weight(Variable* variable, const View& view, bool transposed, bool bf16);

}  // namespace tiny
