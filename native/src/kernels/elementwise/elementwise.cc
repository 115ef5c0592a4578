#include "kernels/elementwise/elementwise.h"

#include "kernels/elementwise/reference.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const ElementwiseKernels elementwise_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

const ElementwiseKernels& elementwise_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return elementwise_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return elementwise_scalar;
}

template <>
ElementwiseKernel<float> elementwise_kernel<float>(Elementwise code) {
  return elementwise_kernels().of[static_cast<size_t>(code)];
}

template <>
ElementwiseKernel<double> elementwise_kernel<double>(Elementwise code) {
  static constexpr ElementwiseKernel<double> table[] = {
#define FORMULA(code, inputs, ...) elementwise_reference<Elementwise::code, double>,
#include "kernels/elementwise/formulas.inc"
#undef FORMULA
  };
  return table[static_cast<size_t>(code)];
}

CastKernel cast_kernel(DType from, DType to, Isa isa) {
  const ElementwiseKernels& kernels = elementwise_kernels(isa);
  CastKernel fast = nullptr;
  if (from == DType::BFloat16 && to == DType::Float32) fast = kernels.bf16_to_f32;
  if (from == DType::Float32 && to == DType::BFloat16) fast = kernels.f32_to_bf16;
  if (from == DType::Float16 && to == DType::Float32) fast = kernels.f16_to_f32;
  if (from == DType::Float32 && to == DType::Float16) fast = kernels.f32_to_f16;
  return fast != nullptr ? fast : cast_reference(from, to);
}

}  // namespace tiny
