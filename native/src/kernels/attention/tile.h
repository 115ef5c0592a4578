#pragma once

// A tile of queries against a tile of keys: who sees whom, packed operands, score rows.
#include <stdint.h>
#include <string.h>

#include "kernels/attention/product.h"
#include "kernels/attention/sequence.h"
#include "kernels/simd/math.h"
#include "kernels/simd/philox.h"

namespace tiny {
namespace {

constexpr int64_t kRowBlock = 4 * kBlockRows;  // query rows whose scores are in the works at once

TINY_INLINE int64_t padded(int64_t count) { return (count + kLanes - 1) / kLanes * kLanes; }
TINY_INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
TINY_INLINE int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

// Hands out aligned pieces of a thread's workspace, or only measures it.
struct Pieces {
  float* next;
  size_t used = 0;
  float* take(int64_t count) {
    float* piece = next;
    const size_t rounded = static_cast<size_t>((count + 15) / 16 * 16);
    if (next != nullptr) next += rounded;
    used += rounded * sizeof(float);
    return piece;
  }
};

enum class Cover {
  None,      // no query of the tile sees a key of it
  Full,      // all see all
  Interval,  // each query sees an interval of keys, moving up with the queries
  General,   // by the positions of each pair
};

struct Tile {
  int64_t sequence, first_query, queries, first_key, keys;
  // Where positions go up by one in both directions, the distance of pair (i, j) is offset + j - i.
  bool consecutive;
  int64_t offset;
  int64_t lower, upper;  // distances that are seen, inclusive
  Cover cover;
};

TINY_INLINE Tile make_tile(const Attention<float>& call, int64_t sequence, int64_t first_query,
                           int64_t queries, int64_t first_key, int64_t keys) {
  constexpr int64_t kFar = int64_t{1} << 40;
  Tile tile{sequence, first_query, queries, first_key, keys, true, 0, -kFar, kFar, Cover::None};
  if (call.window_left >= 0) tile.lower = -call.window_left;
  if (call.window_right >= 0) tile.upper = call.window_right;
  if (call.causal && tile.upper > 0) tile.upper = 0;

  const int64_t q0 = query_position(call, sequence, first_query),
                k0 = key_position(call, sequence, first_key);
  int64_t q_min = q0, q_max = q0 + queries - 1, k_min = k0, k_max = k0 + keys - 1;
  tile.offset = k0 - q0;
  if (call.positions_q != nullptr) {
    q_max = q0;
    k_max = k0;
    for (int64_t i = 0; i < queries; ++i) {
      const int64_t position = query_position(call, sequence, first_query + i);
      tile.consecutive = tile.consecutive && position == q0 + i;
      q_min = smaller(q_min, position);
      q_max = larger(q_max, position);
    }
    for (int64_t j = 0; j < keys; ++j) {
      const int64_t position = key_position(call, sequence, first_key + j);
      tile.consecutive = tile.consecutive && position == k0 + j;
      k_min = smaller(k_min, position);
      k_max = larger(k_max, position);
    }
  }
  const int64_t nearest = k_min - q_max, farthest = k_max - q_min;
  if (farthest < tile.lower || nearest > tile.upper) {
    tile.cover = Cover::None;
  } else if (nearest >= tile.lower && farthest <= tile.upper) {
    tile.cover = Cover::Full;
  } else {
    tile.cover = tile.consecutive ? Cover::Interval : Cover::General;
  }
  return tile;
}

// Keys of the tile, [begin, end).
struct Keys {
  int64_t begin, end;
};

TINY_INLINE Keys seen_by(const Tile& tile, int64_t i) {
  if (tile.cover != Cover::Interval) return {0, tile.keys};
  const int64_t begin = larger(0, smaller(tile.keys, i - tile.offset + tile.lower));
  return {begin, larger(begin, smaller(tile.keys, i - tile.offset + tile.upper + 1))};
}

// Keys that any of the rows sees.
TINY_INLINE Keys seen_by(const Tile& tile, int64_t i, int64_t rows) {
  return {seen_by(tile, i).begin, seen_by(tile, i + rows - 1).end};
}

// rows [rows, width] -> to [rows, padded(width)], times `factor`, zeros on the right.
TINY_INLINE void pack_rows(const float* from, int64_t stride, int64_t rows, int64_t width, float factor,
                           float* to) {
  const int64_t whole = width / kLanes * kLanes, to_width = padded(width);
  const f32v factors = splat(factor);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t d = 0; d < whole; d += kLanes) store(to + d, load(from + d) * factors);
    if (whole < width) store(to + whole, load_partial(from + whole, width - whole) * factors);
    from += stride;
    to += to_width;
  }
}

// rows [rows, width] -> to [width, kKeyTile], zeros up to padded(rows) columns.
TINY_INLINE void pack_transposed(const float* from, int64_t stride, int64_t rows, int64_t width, float* to) {
  for (int64_t i = 0; i < rows; i += kLanes) {
    const int64_t count = smaller(kLanes, rows - i);
    for (int64_t d = 0; d < width; d += kLanes) {
      const int64_t columns = smaller(kLanes, width - d);
      f32v block[kLanes];
      for (int64_t r = 0; r < kLanes; ++r) {
        const float* at = from + (i + r) * stride + d;
        block[r] = r >= count ? f32v{} : columns == kLanes ? load(at) : load_partial(at, columns);
      }
      transpose(block);
      for (int64_t c = 0; c < columns; ++c) store(to + (d + c) * kKeyTile + i, block[c]);
    }
  }
}

// Products of `rows` packed queries with the packed keys of [begin, end).
TINY_INLINE void key_products(const Attention<float>& call, const float* q, const float* kt, float* s,
                              int64_t rows, int64_t begin, int64_t end) {
  product({q, padded(call.head_dim), 1, kt + begin, kKeyTile, s + begin, kKeyTile, call.head_dim, false},
          rows, end - begin);
}

// Rows of a block: queries i, i + 1, … of head h, or query 0 of heads h, h + 1, …
struct Rows {
  int64_t h, i, count;
  bool heads;
};
TINY_INLINE int64_t head_of(const Rows& rows, int64_t r) { return rows.heads ? rows.h + r : rows.h; }
TINY_INLINE int64_t query_of(const Rows& rows, int64_t r) { return rows.heads ? 0 : rows.i + r; }
TINY_INLINE Keys seen_by(const Tile& tile, const Rows& rows) {
  return seen_by(tile, rows.i, rows.heads ? 1 : rows.count);
}

constexpr int64_t kDiagonals = kQueryRows + kKeyTile + 16;

// Buckets of a tile's distances, [kDiagonals] each: of distance offset + x - (queries - 1), and for how many
// steps they go on falling by one or staying the same.
struct DiagonalBuckets {
  int32_t* at;
  uint8_t *falls, *same;
};

// What is added to scores by distance: a bias, terms of rows, and -inf for unseen pairs of Cover::General.
struct Addends {
  float* diagonal;  // [kDiagonals]: of distance offset + x - (queries - 1)
  float* row;       // [kKeyTile]
  float* block;     // [kRowBlock, kKeyTile]: all addends, where there are terms
  DiagonalBuckets query_buckets, key_buckets;
  int32_t* pairs;  // [kRowBlock, kKeyTile]: buckets pair by pair
};

TINY_INLINE Addends take_addends(Pieces& pieces) {
  const auto integers = [&](int64_t count) { return reinterpret_cast<int32_t*>(pieces.take(count)); };
  Addends addends;
  addends.diagonal = pieces.take(kDiagonals);
  addends.row = pieces.take(kKeyTile);
  addends.block = pieces.take(kRowBlock * kKeyTile);
  const auto buckets = [&] {
    int32_t* at = integers(kDiagonals);
    uint8_t* runs = reinterpret_cast<uint8_t*>(integers(kDiagonals));
    return DiagonalBuckets{at, runs, runs + kDiagonals};
  };
  addends.query_buckets = buckets();
  addends.key_buckets = buckets();
  addends.pairs = integers(kRowBlock * kKeyTile);
  return addends;
}

// Whether bias rows are windows of one diagonal. A single query may stand for several heads.
TINY_INLINE bool diagonal(const Tile& tile) { return tile.consecutive && tile.queries > 1; }

// Before the rows of head h.
TINY_INLINE void prepare_bias(const Addends& addends, const Attention<float>& call, const Tile& tile,
                              int64_t h) {
  if (call.bias == nullptr || !diagonal(tile)) return;
  for (int64_t x = 0; x < tile.queries + tile.keys - 1; ++x) {
    const int64_t bucket = bucket_of(call, tile.offset + x - (tile.queries - 1));
    addends.diagonal[x] = call.bias[bucket * call.bias_stride + h];
  }
}

// Bias and mask of query i, or null; readable for kKeyTile keys.
TINY_INLINE const float* bias_row(const Addends& addends, const Attention<float>& call, const Tile& tile,
                                  int64_t h, int64_t i) {
  if (call.bias == nullptr && tile.cover != Cover::General) return nullptr;
  if (diagonal(tile)) return addends.diagonal + (tile.queries - 1 - i);
  const int64_t position = query_position(call, tile.sequence, tile.first_query + i);
  for (int64_t j = 0; j < tile.keys; ++j) {
    const int64_t distance = key_position(call, tile.sequence, tile.first_key + j) - position;
    const float bias = call.bias == nullptr ? 0 : call.bias[bucket_of(call, distance) * call.bias_stride + h];
    addends.row[j] = visible(call, distance) ? bias : -__builtin_inff();
  }
  return addends.row;
}

// Products of q and k become scores in place, over whole vectors of [begin, end): softcap, addends, -inf for
// keys that are not seen. Returns the largest per lane. `slope`, unless null, gets the softcap's derivative.
TINY_INLINE f32v finish_scores(float* s, int64_t begin, int64_t end, Keys seen, float softcap,
                               const float* addends, float* slope) {
  const f32v nothing = splat(-__builtin_inff());
  f32v largest = nothing;
  const bool mask = seen.begin > begin || seen.end < end;
  for (int64_t j = begin; j < end; j += kLanes) {
    f32v x = load(s + j);
    if (softcap > 0) {
      const f32v t = tanh_(x * splat(1 / softcap));
      x = t * splat(softcap);
      if (slope != nullptr) store(slope + j, splat(1.0f) - t * t);
    }
    if (addends != nullptr) x += load(addends + j);
    if (mask) {
      const i32v key = lane_index() + splat(static_cast<int32_t>(j));
      const i32v in =
          (key >= splat(static_cast<int32_t>(seen.begin))) & (key < splat(static_cast<int32_t>(seen.end)));
      x = select(in, x, nothing);
    }
    store(s + j, x);
    largest = max(largest, x);
  }
  return largest;
}

// 0 for dropped keys of a tile, 1 / (1 - p) for kept ones; `row` is token * heads + head.
TINY_INLINE void dropout_factors(const Attention<float>& call, int64_t row, int64_t first_key,
                                 float* factors) {
  const u32v threshold = splat(dropout_threshold(call.dropout));
  const f32v keep = splat(static_cast<float>(1 / (1 - call.dropout)));
  for (int64_t lane = 0; lane < 16; lane += kLanes) {
    u32v words[4];
    philox(call.key, dropout_counter(row, first_key + lane), words);
    for (int64_t word = 0; word < 4; ++word) {
      store(factors + word * 16 + lane, select((i32v)(words[word] < threshold), f32v{}, keep));
    }
  }
}

}  // namespace
}  // namespace tiny
