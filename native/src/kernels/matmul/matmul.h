#pragma once

#include "kernels/matmul/kernels.h"
#include "kernels/matmul/packed.h"
#include "kernels/matmul/product.h"
#include "runtime/thread_pool.h"

namespace tiny {

// Bytes of workspace that multiply() needs, a function of sizes, dtypes, transposition and `threads` alone;
// pointers may still be null.
size_t multiply_scratch(const Product& product, int threads, const MatmulKernels& kernels = matmul_kernels());

// At least what multiply_scratch() gives for any product of at most these sizes.
size_t multiply_scratch_most(const Product& largest, int threads,
                             const MatmulKernels& kernels = matmul_kernels());

// Computes the product on the pool; `packed`, if any, is for these kernels.
void multiply(const Product& product, void* scratch, ThreadPool& pool,
              const MatmulKernels& kernels = matmul_kernels()) noexcept;

}  // namespace tiny
