#pragma once

#include <memory>
#include <span>
#include <vector>

#include "graph/node.h"

namespace tiny {

// Plans and runs a graph on this thread (the engine's, or a test's): computes every root that has no
// result yet, keeps it in the root's node, and runs every update that roots or `updates` reach (the
// latter without keeping a copy of the variable). Throws Error and leaves every variable as it was
// when anything fails.
void evaluate(std::span<const Value> roots, std::span<const Value> updates, ThreadPool& pool,
              const Cancellation* cancellation = nullptr);

inline void evaluate(std::span<const Value> roots, ThreadPool& pool,
                     const Cancellation* cancellation = nullptr) {
  evaluate(roots, {}, pool, cancellation);
}

}  // namespace tiny
