#pragma once

#include <memory>

#include "kernels/matmul/kernels.h"
#include "runtime/memory.h"
#include "runtime/thread_pool.h"

namespace tiny {

// op(b) [k, n] as panels for isa()'s kernels: what a frozen weight is kept as.
class PackedMatrix {
 public:
  // `bf16` says that products round their operands to bfloat16. Panels are float32, or half as large where
  // the matrix is stored in half or is rounded anyway. Throws OutOfMemoryError.
  static std::unique_ptr<PackedMatrix> pack(const Matrix& b, int64_t n, int64_t k, bool bf16,
                                            ThreadPool& pool,
                                            const MatmulKernels& kernels = matmul_kernels());

  // Packs a panel of the transpose for a product with that: `valid` of its columns (of `columns`) from
  // `first` on, for `depth` of its rows from `row` on. `round` and `format` as in kernels.pack().
  void pack_transpose(int64_t first, int64_t valid, int64_t row, int64_t depth, bool round,
                      PanelFormat format, char* panel, const MatmulKernels& kernels) const noexcept;

  // The matrix as it was stored, of elements as wide as the panels': into `to`, its rows end to end, or its
  // columns where it was packed from its transpose.
  void unpack(int64_t n, bool transposed, void* to) const noexcept;
  // Elements [first, first + count) of column `column`, as wide as the panels' elements.
  void unpack_column(int64_t column, int64_t first, int64_t count, void* to) const noexcept;

  static PanelFormat format_of(DType dtype, bool bf16);

  PanelFormat format() const { return format_; }
  // Panel `index` from `k0` on (an even number).
  const char* panel(int64_t index, int64_t k0) const {
    return static_cast<const char*>(panels_->data()) + index * panel_bytes(format_, columns_, k_) +
           panel_bytes(format_, columns_, k0);
  }

 private:
  PackedMatrix() = default;
  PanelFormat format_ = PanelFormat::F32;
  int64_t columns_ = 0, k_ = 0;
  std::shared_ptr<Buffer> panels_;
};

}  // namespace tiny
