#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/node.h"

namespace tiny {

// Plans and runs a graph on this thread (the engine's, or a test's): computes every root that has no
// result yet, runs every update the roots reach, keeps results in the roots' nodes. Throws Error and
// leaves every variable as it was when anything fails.
void evaluate(std::span<const Value> roots, ThreadPool& pool, const Cancellation* cancellation = nullptr);

}  // namespace tiny
