#pragma once

// What all attention kernels share: who sees whom, where a key lies, which probabilities are dropped.
// Internal linkage throughout, since files of every instruction set include it.
#include <stdint.h>

#include "kernels/attention/attention.h"

namespace tiny {

template <typename T>
static inline int64_t query_count(const Attention<T>& call, int64_t sequence) {
  return call.query_offsets[sequence + 1] - call.query_offsets[sequence];
}

template <typename T>
static inline int64_t key_count(const Attention<T>& call, int64_t sequence) {
  if (call.lengths != nullptr) return call.lengths[sequence];
  return call.key_offsets[sequence + 1] - call.key_offsets[sequence];
}

// Row of k and v that holds key j of a sequence.
template <typename T>
static inline int64_t key_row(const Attention<T>& call, int64_t sequence, int64_t j) {
  if (call.block_table == nullptr) return call.key_offsets[sequence] + j;
  return call.block_table[sequence * call.max_blocks + j / kKeyTile] * kKeyTile + j % kKeyTile;
}

template <typename T>
static inline int64_t query_position(const Attention<T>& call, int64_t sequence, int64_t i) {
  if (call.positions_q != nullptr) return call.positions_q[call.query_offsets[sequence] + i];
  return i + key_count(call, sequence) - query_count(call, sequence);
}

template <typename T>
static inline int64_t key_position(const Attention<T>& call, int64_t sequence, int64_t j) {
  return call.positions_k != nullptr ? call.positions_k[call.key_offsets[sequence] + j] : j;
}

// Whether a key at this distance (its position minus the query's) is seen.
template <typename T>
static inline bool visible(const Attention<T>& call, int64_t distance) {
  return !(call.causal && distance > 0) && !(call.window_left >= 0 && distance < -call.window_left) &&
         !(call.window_right >= 0 && distance > call.window_right);
}

// Entry of a table [2 limit + 1] for a distance, which is clamped to ±limit.
static inline int64_t bucket_at(const int32_t* table, int64_t limit, int64_t distance) {
  const int64_t clamped = distance < -limit ? -limit : distance > limit ? limit : distance;
  return table[clamped + limit];
}

template <typename T>
static inline int64_t bucket_of(const Attention<T>& call, int64_t distance) {
  return bucket_at(call.bucket_table, call.max_distance, distance);
}

template <typename T>
static inline int64_t bucket_of(const RelativeTerms<T>& terms, int64_t distance) {
  return bucket_at(terms.table, terms.max_distance, distance);
}

// Keys of a sequence that any of its queries can see by index, as a range: blocks outside it may be gone
// from the cache.
template <typename T>
static inline void seen_keys(const Attention<T>& call, int64_t sequence, int64_t* begin, int64_t* end) {
  const int64_t n = query_count(call, sequence), m = key_count(call, sequence);
  *begin = 0;
  *end = n > 0 ? m : 0;
  if (call.positions_q != nullptr || n == 0) return;
  const int64_t oldest = m - n - call.window_left;
  if (call.window_left >= 0 && oldest > 0) *begin = oldest < m ? oldest : m;
}

// Key heads that a single query may take together: as many rows as a tile has, and 256 KiB of packed keys.
template <typename T>
static inline int64_t heads_together(const Attention<T>& call) {
  const int64_t rows = kQueryRows / (call.heads / call.kv_heads), packed = 1024 / call.head_dim;
  int64_t heads = call.kv_heads < rows ? call.kv_heads : rows;
  if (packed < heads) heads = packed;
  return heads > 1 ? heads : 1;
}

// Dropout's words: those of key j of a row (token * heads + head) are word (j % 64) / 16 of counter
// j / 64 * 16 + j % 16, so that vectors of 4, 8 and 16 lanes use whole counters.
static inline uint64_t dropout_counter(int64_t row, int64_t j) {
  return (uint64_t(row) << 28) | uint64_t(j / 64 * 16 + j % 16);
}

// A probability is dropped when its word is below this.
static inline uint32_t dropout_threshold(double probability) { return uint32_t(probability * 4294967296.0); }

static inline bool dropped(const RandomKey& key, uint32_t threshold, int64_t row, int64_t j) {
  uint32_t words[4];
  philox(key, dropout_counter(row, j), words);
  return words[j % 64 / 16] < threshold;
}

}  // namespace tiny
