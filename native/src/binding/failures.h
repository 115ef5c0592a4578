#pragma once

#include <exception>
#include <span>

#include "graph/node.h"

namespace tiny::binding {

// Why tensors that a compiled call was to fill are empty, so that whatever uses them later fails for
// the same reason. Engine thread only; entries go with their nodes.
void remember_failure(const Value& tensor, const std::exception_ptr& why);

// The reason that one of these values, or anything they are computed from, is empty; null if none is.
std::exception_ptr failure_behind(std::span<const Value> values);

}  // namespace tiny::binding
