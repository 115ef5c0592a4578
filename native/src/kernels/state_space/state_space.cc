#include "kernels/state_space/state_space.h"

#include "kernels/state_space/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const StateSpaceKernels state_space_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const StateSpaceKernels& state_space_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return state_space_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return state_space_scalar;
}

template <>
const StateSpaceTable<float>& state_space_table<float>() {
  return state_space_kernels();
}

template <>
const StateSpaceTable<double>& state_space_table<double>() {
  static constexpr StateSpaceTable<double> table = reference::table<double>();
  return table;
}

}  // namespace tiny
