#include "kernels/matmul/packed.h"

#include <algorithm>
#include <bit>
#include <cstdint>

namespace tiny {

namespace {

constexpr int64_t kWidest = 64;  // columns of any ISA's panels, at most

}  // namespace

PanelFormat PackedMatrix::format_of(DType dtype, bool bf16) {
  if (bf16 || dtype == DType::BFloat16) return PanelFormat::Bf16Pairs;
  return dtype == DType::Float16 ? PanelFormat::F16 : PanelFormat::F32;
}

void PackedMatrix::pack_transpose(int64_t first, int64_t valid, int64_t row, int64_t depth, bool round,
                                  PanelFormat format, char* to, const MatmulKernels& kernels) const noexcept {
  float pairs[kWidest * kWidest];  // rows of pairs apart, as float32
  for (int64_t at = row; at < row + depth;) {
    // The part of one of our panels: its columns are the transpose's rows.
    const int64_t offset = at % columns_, count = std::min(columns_ - offset, row + depth - at);
    PanelSource source{nullptr, DType::Float32, columns_, true, valid, columns_, count, round};
    if (format_ == PanelFormat::Bf16Pairs) {
      for (int64_t i = 0; i < valid; ++i) {
        const int64_t k = first + i;
        const auto* from = reinterpret_cast<const uint16_t*>(panel(at / columns_, k & ~int64_t{1})) + (k & 1);
        for (int64_t j = 0; j < count; ++j) {
          pairs[i * columns_ + j] = std::bit_cast<float>(uint32_t{from[2 * (offset + j)]} << 16);
        }
      }
      source.data = pairs;
    } else {
      source.dtype = format_ == PanelFormat::F16 ? DType::Float16 : DType::Float32;
      source.data =
          panel(at / columns_, 0) + (first * columns_ + offset) * static_cast<int64_t>(size_of(source.dtype));
    }
    kernels.pack(source, format, to + panel_bytes(format, columns_, at - row));
    at += count;
  }
}

void PackedMatrix::unpack(int64_t n, bool transposed, void* to) const noexcept {
  const auto copy = [&](auto element) {
    using T = decltype(element);
    // Elements from one column to the next, and from one k to the next.
    const bool pairs = format_ == PanelFormat::Bf16Pairs;
    for (int64_t first = 0; first < n; first += columns_) {
      const int64_t valid = std::min(columns_, n - first);
      for (int64_t k = 0; k < k_; ++k) {
        const auto* from = reinterpret_cast<const T*>(panel(first / columns_, 0)) +
                           (pairs ? k / 2 * 2 * columns_ + k % 2 : k * columns_);
        T* out = static_cast<T*>(to) + (transposed ? first * k_ + k : k * n + first);
        for (int64_t j = 0; j < valid; ++j) out[j * (transposed ? k_ : 1)] = from[j * (pairs ? 2 : 1)];
      }
    }
  };
  format_ == PanelFormat::F32 ? copy(uint32_t{}) : copy(uint16_t{});
}

void PackedMatrix::unpack_column(int64_t column, int64_t first, int64_t count, void* to) const noexcept {
  const auto copy = [&](auto element) {
    using T = decltype(element);
    const bool pairs = format_ == PanelFormat::Bf16Pairs;
    const auto* panel_start = reinterpret_cast<const T*>(panel(column / columns_, 0));
    const T* from = panel_start + column % columns_ * (pairs ? 2 : 1);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t k = first + i;
      static_cast<T*>(to)[i] = from[pairs ? k / 2 * 2 * columns_ + k % 2 : k * columns_];
    }
  };
  format_ == PanelFormat::F32 ? copy(uint32_t{}) : copy(uint16_t{});
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
