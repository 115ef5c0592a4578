#pragma once

#include <cstddef>
#include <list>
#include <vector>

#include "base/aligned.h"
#include "base/dim.h"
#include "graph/plan.h"

namespace tiny {

// A plan with its sizes bound: the views of all values (without addresses) and where each slot and
// each step's scratch lies in the arena.
struct Layout {
  Sizes sizes;
  std::vector<View> views;             // by value
  std::vector<int64_t> alias_offsets;  // by value: elements
  std::vector<size_t> scratch;         // by step: bytes
  std::vector<size_t> slot_offsets;
  std::vector<size_t> scratch_offsets;
  size_t arena = 0;  // bytes
};

// The layouts of the last few distinct sizes: a decoder's step has one, training by length some.
class Layouts {
 public:
  // Binds `sizes`. `scratch_of(step, views)` gives the scratch bytes of a step; they may change
  // between calls (packed weights, threads), so a remembered layout is kept only if they agree.
  template <typename ScratchOf>
  const Layout& get(const Plan& plan, const Sizes& sizes, const ScratchOf& scratch_of) {
    Layout& layout = find(plan, sizes);
    std::vector<size_t> scratch(plan.steps.size());
    for (size_t s = 0; s < scratch.size(); ++s)
      scratch[s] = align_up(scratch_of(plan.steps[s], layout.views));
    if (layout.slot_offsets.size() != plan.slots.size() || scratch != layout.scratch) {
      layout.scratch = std::move(scratch);
      place(plan, layout);
    }
    return layout;
  }

 private:
  Layout& find(const Plan& plan, const Sizes& sizes);
  static void place(const Plan& plan, Layout& layout);

  std::list<Layout> recent_;  // newest first
};

}  // namespace tiny
