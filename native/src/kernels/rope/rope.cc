#include "kernels/rope/rope.h"

#include "kernels/rope/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const RopeKernels rope_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const RopeKernels& rope_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return rope_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return rope_scalar;
}

template <>
const RopeTable<float>& rope_table<float>() {
  return rope_kernels();
}

template <>
const RopeTable<double>& rope_table<double>() {
  static constexpr RopeTable<double> table = rope_reference<double>();
  return table;
}

}  // namespace tiny
