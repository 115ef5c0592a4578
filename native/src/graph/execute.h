#pragma once

#include <memory>
#include <vector>

#include "graph/plan.h"

namespace tiny {

// What an argument of a compiled call is bound to: memory, a tensor (perhaps still being computed by
// an earlier job), or a variable such as a cache.
struct Argument {
  std::shared_ptr<Buffer> buffer;
  Value tensor;
  std::shared_ptr<Variable> variable;
};

// Where a root goes: memory of the caller, or the result slot of a tensor's node.
struct Destination {
  std::shared_ptr<Buffer> buffer;
  Value tensor;
};

struct Call {
  Sizes sizes;
  std::vector<Argument> arguments;
  std::vector<Destination> results;  // one per root
  // Versions that the plan's updates write, by Plan::updated; empty for graphs built by hand, whose
  // nodes carry their own.
  std::vector<uint64_t> versions;
};

// Runs a plan on this thread. Memory is reserved before the first kernel; updates run last and
// cannot fail. Throws Error; then every variable is as it was.
void execute(const Plan& plan, const Call& call, ThreadPool& pool, const Cancellation* cancellation);

// Time spent in each op since profiling was switched on, for benchmarks; off costs nothing.
struct OpTime {
  const char* op;
  int64_t calls;
  double seconds;
};
void set_profiling(bool on);
std::vector<OpTime> profile();

}  // namespace tiny
