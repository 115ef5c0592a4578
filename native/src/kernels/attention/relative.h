#pragma once

// Addends of scores, with the terms of rows (He et al., DeBERTa, 2021): a block of rows at a time, so that a
// key's terms are read once for all of them.
#include <stdint.h>
#include <string.h>

#include "kernels/attention/tile.h"

namespace tiny {
namespace {

TINY_INLINE bool has_terms(const Attention<float>& call) {
  return call.query_terms.values != nullptr || call.key_terms.values != nullptr;
}

// Before the rows of head h.
TINY_INLINE void prepare(const Addends& addends, const Attention<float>& call, const Tile& tile, int64_t h) {
  prepare_bias(addends, call, tile, h);
  if (!has_terms(call) || !diagonal(tile)) return;
  const auto along_diagonals = [&](const RelativeTerms<float>& terms, int32_t* buckets) {
    if (terms.values == nullptr) return;
    for (int64_t x = 0; x < tile.queries + tile.keys - 1; ++x) {
      buckets[x] = static_cast<int32_t>(bucket_of(terms, tile.offset + x - (tile.queries - 1)));
    }
  };
  along_diagonals(call.query_terms, addends.query_buckets);
  along_diagonals(call.key_terms, addends.key_buckets);
}

// Buckets of a block's pairs: row r and key j have at[r * step + j].
struct Buckets {
  const int32_t* at;
  int64_t step;
};

// `along`: those of the tile's diagonals. Valid until the next call.
TINY_INLINE Buckets buckets_of(const RelativeTerms<float>& terms, const int32_t* along,
                               const Addends& addends, const Attention<float>& call, const Tile& tile,
                               const Rows& rows) {
  if (diagonal(tile)) return {along + (tile.queries - 1 - rows.i), -1};
  const int64_t queries = rows.heads ? 1 : rows.count;
  for (int64_t r = 0; r < queries; ++r) {
    const int64_t position = query_position(call, tile.sequence, tile.first_query + query_of(rows, r));
    for (int64_t j = 0; j < tile.keys; ++j) {
      addends.pairs[r * kKeyTile + j] = static_cast<int32_t>(
          bucket_of(terms, key_position(call, tile.sequence, tile.first_key + j) - position));
    }
  }
  return {addends.pairs, rows.heads ? 0 : kKeyTile};
}

// Calls body(r, j, index): where the terms of all pairs stand in rows of `stride`, query by query.
template <typename Body>
TINY_INLINE void each_query_term(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                 const Buckets& buckets, int64_t stride, const Body& body) {
  const int64_t token = call.query_offsets[tile.sequence] + tile.first_query;
  for (int64_t r = 0; r < rows.count; ++r) {
    const int64_t row = (token + query_of(rows, r)) * stride + head_of(rows, r) * call.query_terms.buckets;
    const int32_t* at = buckets.at + r * buckets.step;
    for (int64_t j = 0; j < tile.keys; ++j) body(r, j, row + at[j]);
  }
}

// The same, key by key.
template <typename Body>
TINY_INLINE void each_key_term(const Attention<float>& call, const Tile& tile, const Rows& rows,
                               const Buckets& buckets, int64_t stride, const Body& body) {
  const int64_t key = call.key_offsets[tile.sequence] + tile.first_key;
  const int64_t next_head = rows.heads ? call.key_terms.buckets : 0;
  for (int64_t j = 0; j < tile.keys; ++j) {
    const int64_t row = (key + j) * stride + rows.h * call.key_terms.buckets;
    const int32_t* at = buckets.at + j;
    for (int64_t r = 0; r < rows.count; ++r) body(r, j, row + r * next_head + at[r * buckets.step]);
  }
}

// Bias, mask and terms of a block, into addends.block.
void collect_addends(const Addends& addends, const Attention<float>& call, const Tile& tile,
                     const Rows& rows) {
  float* block = addends.block;
  for (int64_t r = 0; r < rows.count; ++r) {
    const float* bias = bias_row(addends, call, tile, head_of(rows, r), query_of(rows, r));
    if (bias == nullptr) {
      memset(block + r * kKeyTile, 0, kKeyTile * sizeof(float));
    } else {
      memcpy(block + r * kKeyTile, bias, kKeyTile * sizeof(float));
    }
  }
  if (const auto& a = call.query_terms; a.values != nullptr) {
    const Buckets buckets = buckets_of(a, addends.query_buckets, addends, call, tile, rows);
    each_query_term(call, tile, rows, buckets, a.stride,
                    [&](int64_t r, int64_t j, int64_t index) { block[r * kKeyTile + j] += a.values[index]; });
  }
  if (const auto& b = call.key_terms; b.values != nullptr) {
    const Buckets buckets = buckets_of(b, addends.key_buckets, addends, call, tile, rows);
    each_key_term(call, tile, rows, buckets, b.stride,
                  [&](int64_t r, int64_t j, int64_t index) { block[r * kKeyTile + j] += b.values[index]; });
  }
}

// The addends of row r of a block, or null; with terms, those of the block that was collected.
TINY_INLINE const float* row_of(const Addends& addends, const Attention<float>& call, const Tile& tile,
                                const Rows& rows, int64_t r) {
  if (has_terms(call)) return addends.block + r * kKeyTile;
  return bias_row(addends, call, tile, head_of(rows, r), query_of(rows, r));
}

// From ds of a block [rows, kKeyTile], zero where a pair is not seen, into the terms' gradients.
void add_term_gradients(const AttentionGradient<float>& gradient, const GradientTile& work, const Tile& tile,
                        const Addends& addends, const Rows& rows, const float* ds) {
  const Attention<float>& call = gradient.forward;
  if (float* da = gradient.d_query_terms; work.dq && da != nullptr) {
    const auto& a = call.query_terms;
    const Buckets buckets = buckets_of(a, addends.query_buckets, addends, call, tile, rows);
    each_query_term(call, tile, rows, buckets, call.heads * a.buckets,
                    [&](int64_t r, int64_t j, int64_t index) { da[index] += ds[r * kKeyTile + j]; });
  }
  if (float* db = gradient.d_key_terms; work.dkv && db != nullptr) {
    const auto& b = call.key_terms;
    const Buckets buckets = buckets_of(b, addends.key_buckets, addends, call, tile, rows);
    each_key_term(call, tile, rows, buckets, call.heads * b.buckets,
                  [&](int64_t r, int64_t j, int64_t index) { db[index] += ds[r * kKeyTile + j]; });
  }
}

// Zeroes the terms' gradients of some rows and heads.
TINY_INLINE void clear_terms(float* to, const Attention<float>& call, int64_t buckets, int64_t first_row,
                             int64_t rows, int64_t first_head, int64_t heads) {
  if (to == nullptr) return;
  for (int64_t i = first_row; i < first_row + rows; ++i) {
    memset(to + (i * call.heads + first_head) * buckets, 0,
           static_cast<size_t>(heads * buckets) * sizeof(float));
  }
}

}  // namespace
}  // namespace tiny
