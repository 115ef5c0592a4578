#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "graph/node.h"
#include "graph/variable.h"

namespace tiny {

// Where a value of a plan lives while the plan runs.
enum class Storage {
  Arena,     // an intermediate: a range of the arena, from its first to its last use
  Result,    // a root that the kernel writes straight into the caller's buffer
  Constant,  // a tensor made from data or evaluated before
  Variable,  // what a variable holds
  Argument,  // an argument of a compiled call
  Alias,     // a window of another value
  Unwanted,  // an output nobody reads
};

struct PlannedValue {
  Type type;
  Storage storage = Storage::Arena;
  int of = -1;      // Alias: the value it is a window of; Arena after in-place reuse: the value taken over
  Dim offset;       // Alias: elements
  int slot = -1;    // Arena: range number; Result: root number; Argument: argument number
  Value constant;   // Constant
  std::shared_ptr<tiny::Variable> variable;  // Variable
  uint64_t version = kLatest;                // Variable: the version that must be stored
};

struct PlannedStep {
  std::shared_ptr<const Node> node;
  std::vector<int> inputs;   // value numbers, -1 for absent ones
  std::vector<int> outputs;  // value numbers
  std::vector<bool> wanted;
  int stage = 0;
  bool update = false;
};

// A range of the arena and the steps between which it is in use (both inclusive).
struct PlannedSlot {
  int value = -1;  // whose type gives the size
  int first = 0, last = 0;
};

struct PlannedRoot {
  int value = -1;
  bool copied = false;  // whether it is copied to its result after the last step (aliases, variables)
};

// What a graph computes, in order, with the lifetimes of everything in between. Immutable and
// without sizes: each call binds its own.
class Plan {
 public:
  // Throws DisposedError, or ShapeError for roots of symbolic shape that are not computable.
  static std::shared_ptr<const Plan> compile(std::vector<Value> roots, std::vector<Value> updates = {});

  std::vector<PlannedValue> values;
  std::vector<PlannedStep> steps;
  std::vector<PlannedSlot> slots;
  std::vector<PlannedRoot> roots;
  std::vector<std::shared_ptr<tiny::Variable>> updated;  // every variable some step updates, once
  std::vector<std::shared_ptr<tiny::Variable>> read;     // every variable some step reads, once
  std::vector<Type> arguments;                           // by argument number; rank 0 where unused
  int stages = 1;
};

}  // namespace tiny
