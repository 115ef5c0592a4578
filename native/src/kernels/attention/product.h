#pragma once

// The tile product that all of attention is made of: c (+)= a b with a read one element at a time and b a
// vector at a time, accumulators in registers.
#include <stdint.h>

#include "kernels/simd/vector.h"

namespace tiny {
namespace {

// 24 accumulators of 32 registers, or 12 of 16: enough independent sums to hide the latency of FMA.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kBlockVectors = 4;
#else
constexpr int kBlockVectors = 2;
#endif
constexpr int kBlockRows = 6;

// Keeps a vector in its register: GCC would rather load it again as an operand of every FMA.
TINY_INLINE void in_register(f32v& v) {
#if defined(__SSE2__)
  asm("" : "+v"(v));
#elif defined(__ARM_NEON)
  asm("" : "+w"(v));
#endif
}

// Element (i, k) of a is a[i * a_row + k * a_step]: a matrix or its transpose.
struct ProductOperands {
  const float* a;
  int64_t a_row, a_step;
  const float* b;
  int64_t b_row;
  float* c;
  int64_t c_row;
  int64_t depth;
  bool add;  // to what c holds
};

// `tail` columns of the last vector exist; b is readable beyond them, c is not.
template <int Rows, int Vectors>
void product_block(const ProductOperands& x, int64_t row, int64_t column, int64_t tail) {
  const float* a = x.a + row * x.a_row;
  const float* b = x.b + column;
  float* c = x.c + row * x.c_row + column;
  f32v sums[Rows][Vectors];
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      const float* at = c + i * x.c_row + j * kLanes;
      sums[i][j] = !x.add ? f32v{} : j + 1 == Vectors && tail < kLanes ? load_partial(at, tail) : load(at);
    }
  }
  for (int64_t k = 0; k < x.depth; ++k) {
    f32v vectors[Vectors];
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      vectors[j] = load(b + j * kLanes);
      in_register(vectors[j]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < Rows; ++i) {
      const f32v factor = splat(a[i * x.a_row]);
#pragma GCC unroll 8
      for (int j = 0; j < Vectors; ++j) sums[i][j] = fma(factor, vectors[j], sums[i][j]);
    }
    a += x.a_step;
    b += x.b_row;
  }
#pragma GCC unroll 8
  for (int i = 0; i < Rows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < Vectors; ++j) {
      float* at = c + i * x.c_row + j * kLanes;
      if (j + 1 == Vectors && tail < kLanes) {
        store_partial(at, sums[i][j], tail);
      } else {
        store(at, sums[i][j]);
      }
    }
  }
}

template <int Vectors>
void product_columns(const ProductOperands& x, int64_t rows, int64_t column, int64_t tail) {
  int64_t row = 0;
  for (; row + kBlockRows <= rows; row += kBlockRows)
    product_block<kBlockRows, Vectors>(x, row, column, tail);
  if (rows - row >= 4) {
    product_block<4, Vectors>(x, row, column, tail);
    row += 4;
  }
  if (rows - row >= 2) {
    product_block<2, Vectors>(x, row, column, tail);
    row += 2;
  }
  if (rows > row) product_block<1, Vectors>(x, row, column, tail);
}

// rows × columns. An element's sum runs over k in order, whatever the block it falls into.
void product(const ProductOperands& x, int64_t rows, int64_t columns) {
  for (int64_t column = 0; column < columns; column += kBlockVectors * kLanes) {
    const int64_t left = columns - column, vectors = (left + kLanes - 1) / kLanes;
    const int64_t tail = left - (vectors - 1) * kLanes;
    if (vectors >= kBlockVectors) {
      product_columns<kBlockVectors>(x, rows, column, vectors > kBlockVectors ? kLanes : tail);
    } else if (kBlockVectors == 4 && vectors == 3) {
      product_columns<3>(x, rows, column, tail);
    } else if (kBlockVectors == 4 && vectors == 2) {
      product_columns<2>(x, rows, column, tail);
    } else {
      product_columns<1>(x, rows, column, tail);
    }
  }
}

// The lanes from last to first.
TINY_INLINE f32v reverse(f32v v) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(v, v, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
#elif defined(__AVX2__)
  return __builtin_shufflevector(v, v, 7, 6, 5, 4, 3, 2, 1, 0);
#else
  return __builtin_shufflevector(v, v, 3, 2, 1, 0);
#endif
}

// Transposes kLanes vectors of kLanes: butterflies at distances 1, 2, 4, ….
template <int Distance, int... I>
TINY_INLINE void exchange(f32v& low, f32v& high) {
  const f32v a = low, b = high;
  low = __builtin_shufflevector(a, b, ((I & Distance) ? int(kLanes) + I - Distance : I)...);
  high = __builtin_shufflevector(a, b, ((I & Distance) ? int(kLanes) + I : I + Distance)...);
}

template <int Distance>
TINY_INLINE void exchange_lanes(f32v& low, f32v& high) {
#if defined(__AVX512F__)
  exchange<Distance, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(low, high);
#elif defined(__AVX2__)
  exchange<Distance, 0, 1, 2, 3, 4, 5, 6, 7>(low, high);
#else
  exchange<Distance, 0, 1, 2, 3>(low, high);
#endif
}

template <int Distance>
TINY_INLINE void transpose_step(f32v* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) {
    if ((i & Distance) == 0) exchange_lanes<Distance>(rows[i], rows[i + Distance]);
  }
}

TINY_INLINE void transpose(f32v* rows) {
  transpose_step<1>(rows);
  transpose_step<2>(rows);
#if defined(__AVX2__)
  transpose_step<4>(rows);
#endif
#if defined(__AVX512F__)
  transpose_step<8>(rows);
#endif
}

}  // namespace
}  // namespace tiny
