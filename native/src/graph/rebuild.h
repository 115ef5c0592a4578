#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node.h"

namespace tiny {

// What the nodes newer than `since` on which `outputs` depend read from outside: older values, and tensors,
// variables and arguments of any age. In the order of their creation. Throws OptionError where a node in
// between writes a variable, which happens once.
std::vector<Value> boundary(std::span<const Value> outputs, uint64_t since);

// Copies the nodes between `from` and `outputs`, with `to[i]` in place of `from[i]`, and returns the copies
// of `outputs`. The copies are the newest nodes of the graph, so that a plan computes them anew, after
// everything that was built before. Random ops keep their keys.
std::vector<Value> rebuild(std::span<const Value> outputs, std::span<const Value> from,
                           std::span<const Value> to);

}  // namespace tiny
