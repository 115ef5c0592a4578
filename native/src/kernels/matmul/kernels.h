#pragma once

#include "kernels/matmul/product.h"
#include "runtime/cpu.h"

namespace tiny {

// Sums over k are made in chunks of this many products, each summed from zero in order of k, and the chunks
// added in order. An element's value so depends on k and the ISA alone, and its error grows with k / kChunk +
// kChunk.
inline constexpr int64_t kChunk = 512;

// A panel holds some columns of op(b), or rows of op(a), for a range of k; the columns (rows) of one k lie
// together.
enum class PanelFormat : uint8_t {
  F32,        // [k][columns]
  F16,        // [k][columns]
  Bf16Pairs,  // [k / 2][columns][2], rounded up with zeros
};

static constexpr int64_t panel_bytes(PanelFormat format, int64_t columns, int64_t k) {
  switch (format) {
    case PanelFormat::F32:
      return k * columns * 4;
    case PanelFormat::F16:
      return k * columns * 2;
    case PanelFormat::Bf16Pairs:
      return (k + 1) / 2 * columns * 4;
  }
  return 0;
}

// What a panel is packed from: `valid` columns, the others up to `columns` become zero.
struct PanelSource {
  const void* data;  // of the first column at the first k
  DType dtype;       // float32, bfloat16 or float16
  int64_t stride;
  bool across;  // whether a row of the source is one column's elements (else those of one k)
  int64_t valid, columns, k;
  bool round = false;  // to bfloat16
};

// Columns [first, first + valid) of op(b), for k from k0 on.
static inline PanelSource columns_of(const Matrix& b, int64_t first, int64_t k0, int64_t valid,
                                     int64_t columns, int64_t k) {
  const int64_t at = b.transposed ? first * b.stride + k0 : k0 * b.stride + first;
  return {static_cast<const char*>(b.data) + at * static_cast<int64_t>(size_of(b.dtype)),
          b.dtype,
          b.stride,
          b.transposed,
          valid,
          columns,
          k};
}

// One tile of the product over a range of k that begins at a multiple of kChunk.
struct Tile {
  const Product* product;
  int64_t row, column;    // of the tile in c
  int64_t height, width;  // 1 to rows, 1 to columns
  int64_t k;
  const void* a;  // panel of `height` rows: Bf16Pairs where `dot`, else F32
  const void* b;  // panel of `columns` columns
  PanelFormat b_format;
  bool dot;  // whether pairs of bfloat16 are multiplied
  // The sums so far, where the range is not all of k: read unless `first`, written unless `last`.
  float* partial;
  int64_t partial_stride;
  bool first, last;
  // Memory that will be read soon, fetched into the second-level cache beside the arithmetic, a line at each
  // step over k: `next_lines` lines from `next` on, then as many `next_gap` bytes further, and so on. Any
  // address will do.
  const char* next;
  int64_t next_lines, next_gap;
};

inline constexpr int64_t kDirectRows = 4, kDirectPanels = 8;

struct MatmulKernels {
  int64_t rows, columns;  // of a tile
  bool dot;               // has products of bfloat16 pairs
  void (*pack)(const PanelSource& source, PanelFormat format, void* panel) noexcept;
  void (*tile)(const Tile& tile) noexcept;
  // The same for at most kDirectRows rows by up to kDirectPanels panels' columns of a float32 matrix as it is
  // stored.
  void (*direct)(const Tile& tile, const PanelSource& b) noexcept;
};

const MatmulKernels& matmul_kernels(Isa isa = tiny::isa());

}  // namespace tiny
