#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node.h"

namespace tiny {

// `outputs` themselves, but what was built since node number `since` to compute them is not kept for the
// backward pass: it is computed again there, with the same random keys, when their gradients have arrived
// (Chen et al. 2016). What it reads from outside is kept. Throws OptionError where it updates a variable.
std::vector<Value> checkpoint(std::span<const Value> outputs, uint64_t since);

}  // namespace tiny
