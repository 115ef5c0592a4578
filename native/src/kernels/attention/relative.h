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

// How buckets go on from each diagonal, as long as they fall by one (falls) or stay (same): steps to the
// right.
TINY_INLINE void find_runs(const int32_t* buckets, int64_t count, uint8_t* falls, uint8_t* same) {
  falls[count - 1] = same[count - 1] = 0;
  for (int64_t x = count - 2; x >= 0; --x) {
    const int32_t step = buckets[x] - buckets[x + 1];
    falls[x] = step == 1 ? static_cast<uint8_t>(smaller(falls[x + 1] + 1, 255)) : 0;
    same[x] = step == 0 ? static_cast<uint8_t>(smaller(same[x + 1] + 1, 255)) : 0;
  }
}

// Before the rows of head h.
TINY_INLINE void prepare(const Addends& addends, const Attention<float>& call, const Tile& tile, int64_t h) {
  prepare_bias(addends, call, tile, h);
  if (!has_terms(call) || !diagonal(tile)) return;
  const auto along_diagonals = [&](const RelativeTerms<float>& terms, const DiagonalBuckets& buckets) {
    if (terms.values == nullptr) return;
    for (int64_t x = 0; x < tile.queries + tile.keys - 1; ++x) {
      buckets.at[x] = static_cast<int32_t>(bucket_of(terms, tile.offset + x - (tile.queries - 1)));
    }
    find_runs(buckets.at, tile.queries + tile.keys - 1, buckets.falls, buckets.same);
  };
  along_diagonals(call.query_terms, addends.query_buckets);
  along_diagonals(call.key_terms, addends.key_buckets);
}

// Buckets of a block's pairs: row r and key j have at[r * step + j]. Runs are known along diagonals alone.
struct Buckets {
  const int32_t* at;
  int64_t step;
  const uint8_t *falls, *same;
};

// `along`: those of the tile's diagonals. Valid until the next call.
TINY_INLINE Buckets buckets_of(const RelativeTerms<float>& terms, const DiagonalBuckets& along,
                               const Addends& addends, const Attention<float>& call, const Tile& tile,
                               const Rows& rows) {
  if (diagonal(tile)) {
    const int64_t first = tile.queries - 1 - rows.i;
    return {along.at + first, -1, along.falls + first, along.same + first};
  }
  const int64_t queries = rows.heads ? 1 : rows.count;
  for (int64_t r = 0; r < queries; ++r) {
    const int64_t position = query_position(call, tile.sequence, tile.first_query + query_of(rows, r));
    for (int64_t j = 0; j < tile.keys; ++j) {
      addends.pairs[r * kKeyTile + j] = static_cast<int32_t>(
          bucket_of(terms, key_position(call, tile.sequence, tile.first_key + j) - position));
    }
  }
  return {addends.pairs, rows.heads ? 0 : kKeyTile, nullptr, nullptr};
}

// Where the terms of row r of a block stand, for a query and for a key of the tile; rows are `stride` apart.
TINY_INLINE int64_t query_terms_at(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                   int64_t stride, int64_t r) {
  const int64_t token = call.query_offsets[tile.sequence] + tile.first_query + query_of(rows, r);
  return token * stride + head_of(rows, r) * call.query_terms.buckets;
}
TINY_INLINE int64_t key_terms_at(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                 int64_t stride, int64_t r, int64_t j) {
  const int64_t key = call.key_offsets[tile.sequence] + tile.first_key + j;
  return key * stride + head_of(rows, r) * call.key_terms.buckets;
}

// Brings the terms that a row will need into the cache: those of buckets from `first` to `last`, either way
// round. They lie too far apart for the processor to see it coming.
TINY_INLINE void fetch(const float* terms, int32_t first, int32_t last) {
  const float* from = terms + (first < last ? first : last);
  const float* to = terms + (first < last ? last : first);
  for (; from <= to; from += 16) __builtin_prefetch(from);
  __builtin_prefetch(to);
}

// Adds terms of queries to a block, row by row: a vector of keys at once where buckets run.
TINY_INLINE void add_query_terms(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                 const Buckets& buckets, float* block) {
  for (int64_t r = 0; r < rows.count; ++r, block += kKeyTile) {
    const float* terms =
        call.query_terms.values + query_terms_at(call, tile, rows, call.query_terms.stride, r);
    const int32_t* at = buckets.at + r * buckets.step;
    if (r + 2 < rows.count) {
      const int32_t* next = at + 2 * buckets.step;
      fetch(call.query_terms.values + query_terms_at(call, tile, rows, call.query_terms.stride, r + 2),
            next[0], next[tile.keys - 1]);
    }
    for (int64_t j = 0; j < tile.keys; j += kLanes) {
      const bool whole = buckets.falls != nullptr && j + kLanes <= tile.keys;
      if (whole && buckets.falls[j - r] >= kLanes - 1) {
        store(block + j, load(block + j) + reverse(load(terms + at[j] - (kLanes - 1))));
      } else if (whole && buckets.same[j - r] >= kLanes - 1) {
        store(block + j, load(block + j) + splat(terms[at[j]]));
      } else {
        for (int64_t k = j; k < smaller(j + kLanes, tile.keys); ++k) block[k] += terms[at[k]];
      }
    }
  }
}

// The same of terms of keys, a vector of rows at once, kLanes keys together: buckets that fall along keys
// rise along rows.
TINY_INLINE void add_key_terms(const Attention<float>& call, const Tile& tile, const Rows& rows,
                               const Buckets& buckets, float* block) {
  const float* values = call.key_terms.values;
  const int64_t stride = call.key_terms.stride;
  for (int64_t j = 0; j < tile.keys; j += kLanes) {
    const int64_t keys = smaller(kLanes, tile.keys - j);
    for (int64_t k = j + kLanes; k < smaller(j + 2 * kLanes, tile.keys); ++k) {
      const int32_t* at = buckets.at + k;
      fetch(values + key_terms_at(call, tile, rows, stride, 0, k), at[0],
            at[(rows.count - 1) * buckets.step]);
    }
    int64_t r = 0;
    for (; buckets.falls != nullptr && keys == kLanes && r + kLanes <= rows.count; r += kLanes) {
      f32v lanes[kLanes];
      for (int64_t k = 0; k < kLanes; ++k) {
        const float* terms = values + key_terms_at(call, tile, rows, stride, r, j + k);
        const int64_t x = j + k - r;  // of row r, and x - (kLanes - 1) of the last row
        if (buckets.falls[x - (kLanes - 1)] >= kLanes - 1) {
          lanes[k] = load(terms + buckets.at[x]);
        } else if (buckets.same[x - (kLanes - 1)] >= kLanes - 1) {
          lanes[k] = splat(terms[buckets.at[x]]);
        } else {
          float each[kLanes];
          for (int64_t n = 0; n < kLanes; ++n) each[n] = terms[buckets.at[x - n]];
          lanes[k] = load(each);
        }
      }
      transpose(lanes);
      for (int64_t n = 0; n < kLanes; ++n) {
        float* to = block + (r + n) * kKeyTile + j;
        store(to, load(to) + lanes[n]);
      }
    }
    for (int64_t k = j; k < j + keys; ++k) {
      for (int64_t n = r; n < rows.count; ++n) {
        block[n * kKeyTile + k] +=
            values[key_terms_at(call, tile, rows, stride, n, k) + buckets.at[n * buckets.step + k]];
      }
    }
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
    add_query_terms(call, tile, rows, buckets_of(a, addends.query_buckets, addends, call, tile, rows), block);
  }
  if (const auto& b = call.key_terms; b.values != nullptr) {
    add_key_terms(call, tile, rows, buckets_of(b, addends.key_buckets, addends, call, tile, rows), block);
  }
}

// The addends of row r of a block, or null; with terms, those of the block that was collected.
TINY_INLINE const float* row_of(const Addends& addends, const Attention<float>& call, const Tile& tile,
                                const Rows& rows, int64_t r) {
  if (has_terms(call)) return addends.block + r * kKeyTile;
  return bias_row(addends, call, tile, head_of(rows, r), query_of(rows, r));
}

// From ds of a block [rows, kKeyTile], zero where a pair is not seen, into gradients of queries' terms.
TINY_INLINE void add_query_gradients(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                     const Buckets& buckets, const float* ds, float* gradients) {
  const int64_t stride = call.heads * call.query_terms.buckets;
  for (int64_t r = 0; r < rows.count; ++r, ds += kKeyTile) {
    float* terms = gradients + query_terms_at(call, tile, rows, stride, r);
    const int32_t* at = buckets.at + r * buckets.step;
    if (r + 2 < rows.count) {
      const int32_t* next = at + 2 * buckets.step;
      fetch(gradients + query_terms_at(call, tile, rows, stride, r + 2), next[0], next[tile.keys - 1]);
    }
    for (int64_t j = 0; j < tile.keys; j += kLanes) {
      const bool whole = buckets.falls != nullptr && j + kLanes <= tile.keys;
      if (whole && buckets.falls[j - r] >= kLanes - 1) {
        float* to = terms + at[j] - (kLanes - 1);
        store(to, load(to) + reverse(load(ds + j)));
      } else if (whole && buckets.same[j - r] >= kLanes - 1) {
        terms[at[j]] += reduce_add(load(ds + j));
      } else {
        for (int64_t k = j; k < smaller(j + kLanes, tile.keys); ++k) terms[at[k]] += ds[k];
      }
    }
  }
}

// The same of keys' terms.
TINY_INLINE void add_key_gradients(const Attention<float>& call, const Tile& tile, const Rows& rows,
                                   const Buckets& buckets, const float* ds, float* gradients) {
  const int64_t stride = call.heads * call.key_terms.buckets;
  for (int64_t j = 0; j < tile.keys; j += kLanes) {
    const int64_t keys = smaller(kLanes, tile.keys - j);
    for (int64_t k = j + kLanes; k < smaller(j + 2 * kLanes, tile.keys); ++k) {
      const int32_t* at = buckets.at + k;
      fetch(gradients + key_terms_at(call, tile, rows, stride, 0, k), at[0],
            at[(rows.count - 1) * buckets.step]);
    }
    int64_t r = 0;
    for (; buckets.falls != nullptr && keys == kLanes && r + kLanes <= rows.count; r += kLanes) {
      f32v lanes[kLanes];
      for (int64_t n = 0; n < kLanes; ++n) lanes[n] = load(ds + (r + n) * kKeyTile + j);
      transpose(lanes);
      for (int64_t k = 0; k < kLanes; ++k) {
        float* terms = gradients + key_terms_at(call, tile, rows, stride, r, j + k);
        const int64_t x = j + k - r;
        if (buckets.falls[x - (kLanes - 1)] >= kLanes - 1) {
          float* to = terms + buckets.at[x];
          store(to, load(to) + lanes[k]);
        } else if (buckets.same[x - (kLanes - 1)] >= kLanes - 1) {
          terms[buckets.at[x]] += reduce_add(lanes[k]);
        } else {
          float each[kLanes];
          store(each, lanes[k]);
          for (int64_t n = 0; n < kLanes; ++n) terms[buckets.at[x - n]] += each[n];
        }
      }
    }
    for (int64_t k = j; k < j + keys; ++k) {
      for (int64_t n = r; n < rows.count; ++n) {
        gradients[key_terms_at(call, tile, rows, stride, n, k) + buckets.at[n * buckets.step + k]] +=
            ds[n * kKeyTile + k];
      }
    }
  }
}

void add_term_gradients(const AttentionGradient<float>& gradient, const GradientTile& work, const Tile& tile,
                        const Addends& addends, const Rows& rows, const float* ds) {
  const Attention<float>& call = gradient.forward;
  if (work.dq && gradient.d_query_terms != nullptr) {
    const Buckets buckets = buckets_of(call.query_terms, addends.query_buckets, addends, call, tile, rows);
    add_query_gradients(call, tile, rows, buckets, ds, gradient.d_query_terms);
  }
  if (work.dkv && gradient.d_key_terms != nullptr) {
    const Buckets buckets = buckets_of(call.key_terms, addends.key_buckets, addends, call, tile, rows);
    add_key_gradients(call, tile, rows, buckets, ds, gradient.d_key_terms);
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
