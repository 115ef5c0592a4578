#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/cpu.h"
#include "runtime/random.h"
#include "runtime/thread_pool.h"

namespace tiny {

// Keys are taken in tiles of this many, counted from the start of their sequence: a row's summation
// order then depends on its own keys only. Equal to a cache block, so both sources tile alike.
inline constexpr int64_t kKeyTile = 64;
// Rows of a forward tile: queries times the heads of a group, which share packed keys.
inline constexpr int64_t kQueryRows = 128;

// Terms of scores that a row has by head and by bucket of a distance.
template <typename T>
struct RelativeTerms {
  const T* values = nullptr;  // [rows, heads * buckets]
  int64_t stride = 0, buckets = 0;
  const int32_t* table = nullptr;  // [2 max_distance + 1], of distances clamped to ±max_distance
  int64_t max_distance = 0;
};

// Attention over packed sequences:
//   score(i, j) = softcap(scale q_i·k_j) + bias[bucket(d)] + A[i, bucket'(d)] + B[j, bucket"(d)]
//   where j is visible to i, d = position_j - position_i
//   o_i = Σ_j dropped(softmax_j(score)) v_j,   lse_i = log(Σ_j exp(score) + exp(sink))
// Query i of a sequence with n queries and m keys has position i + (m - n), key j position j, unless
// positions are given. Strides are in elements; heads lie side by side in a row.
template <typename T>
struct Attention {
  int64_t sequences = 0, heads = 1, kv_heads = 1, head_dim = 0, value_dim = 0;
  T scale = 1;
  T softcap = 0;                           // 0: none
  bool causal = false;                     // keys with position_j <= position_i
  int64_t window_left = -1;                // keys with position_j >= position_i - window_left; -1: all
  int64_t window_right = -1;               // keys with position_j <= position_i + window_right; -1: all
  double dropout = 0;                      // probability in [0, 1)
  RandomKey key;                           // of dropout
  const int32_t* query_offsets = nullptr;  // [sequences + 1]
  const int32_t* key_offsets = nullptr;    // [sequences + 1] for packed keys, null for cached ones
  const int32_t* lengths = nullptr;        // [sequences] for cached keys
  const int32_t* block_table = nullptr;    // [sequences, max_blocks] for cached keys: rows 64 b to 64 b + 63
  int64_t max_blocks = 0;
  const T* q = nullptr;  // [queries, heads * head_dim]
  const T* k = nullptr;  // [keys, kv_heads * head_dim]
  const T* v = nullptr;  // [keys, kv_heads * value_dim]
  int64_t q_stride = 0, k_stride = 0, v_stride = 0;
  const T* bias = nullptr;  // [buckets, heads]
  int64_t bias_stride = 0, buckets = 0;
  const int32_t* bucket_table = nullptr;  // [2 max_distance + 1], of distances clamped to ±max_distance
  int64_t max_distance = 0;
  RelativeTerms<T> query_terms;          // A: of queries
  RelativeTerms<T> key_terms;            // B: of packed keys
  const T* sinks = nullptr;              // [heads]
  const int32_t* positions_q = nullptr;  // [queries]
  const int32_t* positions_k = nullptr;  // [keys]
  T* o = nullptr;                        // [queries, heads * value_dim]; may be null in the forward pass
  int64_t o_stride = 0;
  T* lse = nullptr;  // [queries, heads]; the same
};

// Gradients by recomputation from o and lse. Null outputs are not computed.
template <typename T>
struct AttentionGradient {
  Attention<T> forward;    // o is not written; lse is read
  const T* d_o = nullptr;  // [queries, heads * value_dim]
  int64_t d_o_stride = 0;
  const T* d_lse = nullptr;  // [queries, heads] or null
  int64_t d_lse_stride = 0;
  T* delta = nullptr;  // [queries, heads]: Σ d_o o - d_lse, workspace
  T* bias_parts =
      nullptr;  // [key tiles, heads, buckets], workspace: one owner each, added in order afterwards
  T *dq = nullptr, *dk = nullptr, *dv = nullptr;  // contiguous
  T* d_bias = nullptr;                            // [buckets, heads]
  T* d_sinks = nullptr;                           // [heads]
  T* d_query_terms = nullptr;                     // [queries, heads * buckets], contiguous
  T* d_key_terms = nullptr;                       // [keys, heads * buckets], contiguous
};

// A piece of forward work: some queries of a sequence for some key heads and the heads that share them,
// kQueryRows rows at most (or one query of one key head).
struct QueryTile {
  int64_t sequence;
  int64_t first, count;  // queries, within the sequence
  int64_t kv_head, kv_heads;
};

// A piece of backward work: it owns dq and terms of its queries (if `dq`), and dk, dv, terms and bias parts
// of its keys (if `dkv`), and zeroes what it owns. Every split into pieces gives the same bits.
struct GradientTile {
  int64_t sequence, kv_head;
  int64_t first_query, queries, first_key, keys;  // within the sequence; first_key a multiple of kKeyTile
  int64_t first_part;                             // of the sequence's bias parts
  bool dq, dkv;
};

// One instruction set's kernels. Workspace is per thread and independent of sequence lengths.
template <typename T>
struct AttentionFunctions {
  const char* name;
  size_t (*forward_scratch)(const Attention<T>& call);
  void (*forward)(const Attention<T>& call, const QueryTile& tile, void* scratch);
  // Rows of the probabilities themselves, [sequences, heads, queries, keys]; columns beyond the
  // sequence's keys are left alone. Dropout is not applied. Workspace as forward.
  void (*weights)(const Attention<T>& call, const QueryTile& tile, T* out, int64_t queries, int64_t keys,
                  void* scratch);
  size_t (*backward_scratch)(const Attention<T>& call);
  void (*backward)(const AttentionGradient<T>& call, const GradientTile& tile, void* scratch);
};
using AttentionKernels = AttentionFunctions<float>;

const AttentionKernels& attention_kernels(Isa isa);
// The scalar reference, which is also the float64 path.
template <typename T>
const AttentionFunctions<T>& attention_reference();

// Bytes of workspace, linear in tokens; `queries` and `keys` are totals over the sequences.
template <typename T>
size_t attention_scratch(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries,
                         int threads);
template <typename T>
size_t attention_gradient_scratch(const AttentionFunctions<T>& kernels, const Attention<T>& call,
                                  int64_t queries, int64_t keys, bool bias, int threads);

// The whole call on the pool. Operands are valid: offsets rise from 0 to the rows, blocks exist.
template <typename T>
void attention_forward(const AttentionFunctions<T>& kernels, const Attention<T>& call, ThreadPool& pool,
                       void* scratch) noexcept;
// Probabilities of the unfused path into `out` [sequences, heads, queries, keys], zero where a sequence is
// shorter.
template <typename T>
void attention_weights(const AttentionFunctions<T>& kernels, const Attention<T>& call, T* out,
                       int64_t queries, int64_t keys, ThreadPool& pool, void* scratch) noexcept;
// `call.delta` and `call.bias_parts` are taken from scratch.
template <typename T>
void attention_backward(const AttentionFunctions<T>& kernels, AttentionGradient<T> call, ThreadPool& pool,
                        void* scratch) noexcept;

}  // namespace tiny
