#pragma once

#include <memory>
#include <vector>

#include "graph/node.h"
#include "graph/variable.h"

namespace tiny {

class Layouts;

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
  Storage storage = Storage::Unwanted;
  int of = -1;     // Alias: the value it is a window of
  Dim offset;      // Alias: elements from that value's start
  int slot = -1;   // Arena: slot number; Result: root number; Argument: argument number
  Value constant;  // Constant
  std::shared_ptr<tiny::Variable> variable;  // Variable
  uint64_t version = kLatest;                // Variable: the version that must be stored when the plan starts
};

// One kernel call, or, where `primitive` is null, a copy of input 0 to output 0: a version of a variable
// that is still read after an update of this plan has overwritten it.
struct PlannedStep {
  std::shared_ptr<const Primitive> primitive;
  std::vector<uint64_t> versions;  // of an update's outputs
  std::vector<int> inputs;         // value numbers, -1 for absent ones
  std::vector<int> outputs;        // value numbers
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
//
// Order: steps keep the order in which their nodes were made, split into stages. A stage is kernels
// first, then the updates whose inputs are ready; what reads an updated version is in a later stage.
// Nearly every plan has one stage, so that nothing can fail once its updates begin.
class Plan {
 public:
  // `updates` are run, without a result of their own. Throws DisposedError for tensors made from
  // data and disposed of since, OptionError for a compiled function that captures a pending update.
  static std::shared_ptr<const Plan> compile(std::vector<Value> roots, std::vector<Value> updates = {});
  Plan();
  ~Plan();

  // The value whose memory a value lies in.
  int base_of(int value) const {
    while (values[value].storage == Storage::Alias) value = values[value].of;
    return value;
  }

  std::vector<PlannedValue> values;
  std::vector<PlannedStep> steps;
  std::vector<PlannedSlot> slots;
  std::vector<PlannedRoot> roots;
  std::vector<std::shared_ptr<tiny::Variable>> updated;  // every variable some step updates, once
  std::vector<std::shared_ptr<tiny::Variable>> read;     // every variable some step reads, once
  std::vector<Type> arguments;                           // by argument number
  std::vector<bool> argument_used;
  int stages = 1;

  // Arena layouts of recent calls, by their sizes. Touched only by the thread that executes.
  Layouts& layouts() const { return *layouts_; }

 private:
  std::unique_ptr<Layouts> layouts_;
};

}  // namespace tiny
