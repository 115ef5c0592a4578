#pragma once

#include <optional>
#include <string>

#include "kernels/matmul/kernels.h"
#include "kernels/matmul/product.h"
#include "runtime/thread_pool.h"

// A CBLAS library that the user names (Accelerate, OpenBLAS, MKL) in place of our kernels, for large float32
// products. Its sums need not be in our order: results may differ in the last bits with sizes and threads.
namespace tiny::blas {

// Loads the library by path or name; its 32-bit row-major cblas_sgemm is called from then on. Throws
// OptionError where it cannot be loaded or has none. Libraries stay loaded: their threads do not survive
// being unloaded.
void use(const std::string& path);
void off();
std::optional<std::string> active();

// Whether the library in use computes this product: float32, and large enough. Pointers may still be null.
bool takes(const Product& product);

// Computes a product that it takes; false where only our kernels can (an output over its own residual before
// an activation). `kernels` apply what follows the sums.
bool multiply(const Product& product, ThreadPool& pool, const MatmulKernels& kernels) noexcept;

}  // namespace tiny::blas
