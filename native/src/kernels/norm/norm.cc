#include "kernels/norm/norm.h"

#include "kernels/norm/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const NormKernels norm_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const NormKernels& norm_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return norm_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return norm_scalar;
}

template <>
const NormTable<float>& norm_table<float>() {
  return norm_kernels();
}

template <>
const NormTable<double>& norm_table<double>() {
  static constexpr NormTable<double> table = norm_reference<double>();
  return table;
}

}  // namespace tiny
