#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"
#include "runtime/cpu.h"

namespace tiny {

// The elementwise ops of formulas.inc. A chain of them can run tile by tile through one buffer.
enum class Elementwise : uint8_t {
#define FORMULA(code, inputs, ...) code,
#include "kernels/elementwise/formulas.inc"
#undef FORMULA
};

inline constexpr int kElementwiseInputs[] = {
#define FORMULA(code, inputs, ...) inputs,
#include "kernels/elementwise/formulas.inc"
#undef FORMULA
};
inline constexpr size_t kElementwiseCount = sizeof(kElementwiseInputs) / sizeof(int);

// out[i] = f(a[i], b[i], c[i]; p, q) for i in [0, n). Inputs beyond the op's number are not read; `out` may
// be one of them.
template <typename T>
using ElementwiseKernel = void (*)(const T* a, const T* b, const T* c, T* out, int64_t n, T p, T q) noexcept;

// out[i] = in[i] in another dtype, to nearest even; to int32 towards zero, saturated, NaN as 0.
using CastKernel = void (*)(const void* in, void* out, int64_t n) noexcept;

struct ElementwiseKernels {
  ElementwiseKernel<float> of[kElementwiseCount];
  // The casts that carry weights and activations; null means that the reference does it.
  CastKernel bf16_to_f32, f32_to_bf16, f16_to_f32, f32_to_f16;
};

const ElementwiseKernels& elementwise_kernels(Isa isa = tiny::isa());

// The kernel of a float dtype: the best of isa(), or the reference for double.
template <typename T>
ElementwiseKernel<T> elementwise_kernel(Elementwise code);

// Between float32, float64, bfloat16, float16 and int32; null for any other pair.
CastKernel cast_kernel(DType from, DType to, Isa isa = tiny::isa());

}  // namespace tiny
