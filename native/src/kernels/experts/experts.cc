#include "kernels/experts/experts.h"

#include "kernels/experts/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const ExpertKernels experts_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const ExpertKernels& expert_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return experts_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return experts_scalar;
}

template <>
const ExpertTable<float>& expert_table<float>() {
  return expert_kernels();
}

template <>
const ExpertTable<double>& expert_table<double>() {
  static constexpr ExpertTable<double> table = reference::table<double>();
  return table;
}

}  // namespace tiny
