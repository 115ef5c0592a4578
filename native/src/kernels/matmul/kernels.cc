#include "kernels/matmul/kernels.h"

namespace tiny {

#define TINY_MATMUL(name, isa) extern const MatmulKernels matmul_##name;
#include "kernels/matmul/kernels.inc"
#undef TINY_MATMUL

const MatmulKernels& matmul_kernels(Isa isa) {
#define TINY_MATMUL(name, row) \
  if (Isa::row <= isa) return matmul_##name;
#include "kernels/matmul/kernels.inc"
#undef TINY_MATMUL
  return matmul_scalar;
}

}  // namespace tiny
