#include "graph/layout.h"

#include <algorithm>

namespace tiny {

namespace {

constexpr size_t kRemembered = 8;

struct Range {
  size_t bytes;
  int first, last;  // steps
  size_t* offset;
};

// Sizes multiply freely from here on: a count beyond 64 bits would look small and be written beyond its
// memory.
void require_countable(const View& view, const Shape& shape) {
  constexpr int64_t most = int64_t{1} << 50;  // elements: below 2^53 bytes, as JavaScript counts them
  int64_t count = 1;
  for (const int64_t dim : view.dims) {
    if (dim < 0) throw Error(ErrorCode::Shape, "", "a size is negative in " + str(shape));
    if (dim > most / count) {
      throw Error(ErrorCode::Memory, "", "a tensor of shape " + str(shape) + " has more than 2^50 elements");
    }
    count *= std::max<int64_t>(dim, 1);
  }
}

}  // namespace

Layout& Layouts::find(const Plan& plan, const Sizes& sizes) {
  const auto found = std::find_if(recent_.begin(), recent_.end(),
                                  [&](const Layout& layout) { return layout.sizes == sizes; });
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
    return recent_.front();
  }
  Layout layout;
  layout.sizes = sizes;
  for (const PlannedValue& value : plan.values) {
    View view;
    view.dtype = value.type.dtype;
    view.dims = bind(value.type.shape, sizes);
    view.row_stride = value.type.row_stride.bind(sizes);
    require_countable(view, value.type.shape);
    layout.alias_offsets.push_back(value.storage == Storage::Alias ? value.offset.bind(sizes) : 0);
    layout.views.push_back(std::move(view));
  }
  recent_.push_front(std::move(layout));
  if (recent_.size() > kRemembered) recent_.pop_back();
  return recent_.front();
}

// Largest first, each at the lowest address where no range that lives at the same time lies (Pisarchyk
// and Lee 2020, "greedy by size"): within a few percent of the lower bound on transformers' graphs.
void Layouts::place(const Plan& plan, Layout& layout) {
  layout.slot_offsets.assign(plan.slots.size(), 0);
  layout.scratch_offsets.assign(plan.steps.size(), 0);
  layout.arena = 0;
  std::vector<Range> ranges;
  for (size_t i = 0; i < plan.slots.size(); ++i) {
    const PlannedSlot& slot = plan.slots[i];
    const size_t bytes = align_up(layout.views[slot.value].bytes());
    if (bytes > 0) ranges.push_back({bytes, slot.first, slot.last, &layout.slot_offsets[i]});
  }
  for (size_t s = 0; s < plan.steps.size(); ++s) {
    const int step = static_cast<int>(s);
    if (layout.scratch[s] > 0) ranges.push_back({layout.scratch[s], step, step, &layout.scratch_offsets[s]});
  }
  std::stable_sort(ranges.begin(), ranges.end(),
                   [](const Range& a, const Range& b) { return a.bytes > b.bytes; });
  std::vector<const Range*> placed;  // by address
  for (const Range& range : ranges) {
    size_t at = 0;
    for (const Range* other : placed) {
      if (other->last < range.first || range.last < other->first) continue;
      if (at + range.bytes <= *other->offset) break;
      at = std::max(at, *other->offset + other->bytes);
    }
    *range.offset = at;
    layout.arena = std::max(layout.arena, at + range.bytes);
    const auto position =
        std::upper_bound(placed.begin(), placed.end(), at,
                         [](size_t address, const Range* other) { return address < *other->offset; });
    placed.insert(position, &range);
  }
}

}  // namespace tiny
