#include <string>
#include <tuple>
#include <utility>

#include "ops/dtype_dispatch.h"
#include "ops/segments.h"
#include "ops/state_space.h"

namespace tiny {

void require_state(const RecurrentState& state, const Value& x, const Value& offsets, const Dim& width) {
  if (!state) {
    if (state.read_slots || state.write_slots)
      throw Error(ErrorCode::Option, "", "slots are given, but no state that they are of");
    return;
  }
  require_dtype("", "state", state.cache, x.dtype());
  const Type& type = state.cache.type();
  if (type.rank() != 2 || !(type.shape[1] == width) || !type.contiguous()) {
    throw Error(ErrorCode::Shape, "",
                "state must be [slots, " + width.str() + "] without gaps, not " + str(type.shape));
  }
  for (const auto& [name, slots] :
       {std::pair{"readSlots", state.read_slots}, std::pair{"writeSlots", state.write_slots}}) {
    if (!slots) throw Error(ErrorCode::Option, "", std::string(name) + " is missing beside a state");
    require_dtype("", name, slots, DType::Int32);
    if (slots.shape() == Shape{sequences_of(offsets)}) continue;
    throw Error(ErrorCode::Shape, "",
                std::string(name) + " must be [" + sequences_of(offsets).str() + "] as offsets " +
                    str(offsets.shape()) + ", not " + str(slots.shape()));
  }
}

void check_slots(const char* op, const View& cache, const View& read, const View& write) {
  const int64_t slots = cache.rows();
  for (const auto& [name, view, lowest] : {std::tuple{"readSlots", &read, -1}, {"writeSlots", &write, 0}}) {
    for (int64_t s = 0; s < view->size(); ++s) {
      const int32_t slot = view->as<int32_t>()[s];
      if (slot >= lowest && slot < slots) continue;
      throw Error(ErrorCode::Index, op,
                  std::string(name) + "[" + std::to_string(s) + "] is " + std::to_string(slot) +
                      "; the state has " + std::to_string(slots) + " slots",
                  {{"index", static_cast<double>(slot)}, {"rows", static_cast<double>(slots)}});
    }
  }
}

}  // namespace tiny
