#include "kernels/reduce/reduce.h"

#include "kernels/reduce/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const ReduceKernels reduce_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const ReduceKernels& reduce_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return reduce_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return reduce_scalar;
}

template <>
const ReduceTable<float>& reduce_table<float>() {
  return reduce_kernels();
}

template <>
const ReduceTable<double>& reduce_table<double>() {
  static constexpr ReduceTable<double> table = reference::table<double>();
  return table;
}

}  // namespace tiny
