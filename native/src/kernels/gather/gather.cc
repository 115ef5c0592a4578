#include "kernels/gather/gather.h"

#include "kernels/gather/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const GatherKernels gather_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const GatherKernels& gather_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return gather_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return gather_scalar;
}

template <>
const GatherTable<float>& gather_table<float>() {
  return gather_kernels();
}

template <>
const GatherTable<double>& gather_table<double>() {
  static constexpr GatherTable<double> table = reference::table<double>();
  return table;
}

}  // namespace tiny
