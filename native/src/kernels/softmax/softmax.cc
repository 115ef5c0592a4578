#include "kernels/softmax/softmax.h"

#include "kernels/softmax/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const SoftmaxKernels softmax_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const SoftmaxKernels& softmax_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return softmax_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return softmax_scalar;
}

template <>
const SoftmaxTable<float>& softmax_table<float>() {
  return softmax_kernels();
}

template <>
const SoftmaxTable<double>& softmax_table<double>() {
  static constexpr SoftmaxTable<double> table = softmax_reference<double>();
  return table;
}

}  // namespace tiny
