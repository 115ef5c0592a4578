#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node.h"

namespace tiny {

// Adds two gradients of one value; given by ops, since the graph knows no op.
using Accumulate = Value (*)(const Value& a, const Value& b);

// Reverse-mode differentiation of the scalar `of`, seeded with `seed` (a scalar of its dtype).
// Returns the gradient of each value in `wrt`, empty where `of` does not depend on it. The result
// is a graph like any other: it plans and compiles with the forward pass and can be differentiated
// again where the ops' gradients can. Cost: one visit per node between `wrt` and `of`, iterative.
std::vector<Value> gradients(const Value& of, const Value& seed, std::span<const Value> wrt,
                             Accumulate accumulate);

// The same for several outputs of any shape, given the gradient of each (empty where there is none).
// Gradients flow through nodes newer than `since` only.
std::vector<Value> gradients(std::span<const Value> outputs, std::span<const Value> arriving,
                             std::span<const Value> wrt, Accumulate accumulate, uint64_t since = 0);

}  // namespace tiny
