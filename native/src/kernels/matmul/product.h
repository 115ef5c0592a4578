#pragma once

#include <cstddef>
#include <cstdint>

#include "base/dtype.h"

namespace tiny {

class PackedMatrix;

enum class Activation : uint8_t { None, Gelu, GeluTanh, Relu, Silu, Tanh };

// A row-major matrix in memory, `stride` elements from row to row; as an operand it may stand for its
// transpose.
struct Matrix {
  const void* data = nullptr;
  DType dtype = DType::Float32;
  int64_t stride = 0;
  bool transposed = false;
};

// c[m, n] = activation(alpha * op(a)[m, k] op(b)[k, n] + bias[n]) + residual[m, n]
// With a and c of float64 everything is; otherwise sums, bias, residual and `pre` are float32.
struct Product {
  int64_t m = 0, n = 0, k = 0;
  Matrix a;                                        // float32, bfloat16 or float64
  Matrix b;                                        // float32, bfloat16, float16 or float64
  const PackedMatrix* packed = nullptr;            // op(b) in place of `b`
  const PackedMatrix* packed_transpose = nullptr;  // the transpose of op(b), read in place of `b`
  bool bf16 = false;  // operands are rounded to bfloat16 before they are multiplied
  double alpha = 1;
  Activation activation = Activation::None;
  const void* bias = nullptr;
  const void* residual = nullptr;  // may be c itself; its stride is 0 where there is none
  int64_t residual_stride = 0;
  void* pre = nullptr;  // optional [m, n], contiguous: the activation's argument, kept for its gradient
  void* c = nullptr;    // float32, bfloat16 or float64
  DType c_dtype = DType::Float32;
  int64_t c_stride = 0;
};

}  // namespace tiny
