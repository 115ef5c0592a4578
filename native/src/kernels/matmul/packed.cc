#include "kernels/matmul/packed.h"

#include <algorithm>

namespace tiny {

PanelFormat PackedMatrix::format_of(DType dtype, bool bf16) {
  if (bf16 || dtype == DType::BFloat16) return PanelFormat::Bf16Pairs;
  return dtype == DType::Float16 ? PanelFormat::F16 : PanelFormat::F32;
}

std::unique_ptr<PackedMatrix> PackedMatrix::pack(const Matrix& b, int64_t n, int64_t k, bool bf16,
                                                 ThreadPool& pool, const MatmulKernels& kernels) {
  std::unique_ptr<PackedMatrix> packed(new PackedMatrix());
  const int64_t columns = kernels.columns, count = (n + columns - 1) / columns;
  packed->format_ = format_of(b.dtype, bf16);
  packed->columns_ = columns;
  packed->k_ = k;
  packed->panels_ = Buffer::allocate(static_cast<size_t>(count * panel_bytes(packed->format_, columns, k)));
  pool.ranges(count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t valid = std::min(columns, n - i * columns);
      kernels.pack(columns_of(b, i * columns, 0, valid, columns, k), packed->format_,
                   const_cast<char*>(packed->panel(i, 0)));
    }
  });
  return packed;
}

}  // namespace tiny
