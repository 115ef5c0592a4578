#include "kernels/optimizer/optimizer.h"

#include "kernels/optimizer/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const OptimizerKernels optimizer_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const OptimizerKernels& optimizer_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return optimizer_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return optimizer_scalar;
}

template <>
const OptimizerTable<float>& optimizer_table<float>() {
  return optimizer_kernels();
}

template <>
const OptimizerTable<double>& optimizer_table<double>() {
  static constexpr OptimizerTable<double> table = reference::table<double>();
  return table;
}

}  // namespace tiny
