#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph/node.h"
#include "ops/attributes.h"

namespace tiny {

// What all attention ops share; names as in Attention<T> (kernels/attention/attention.h).
struct AttentionOptions {
  int64_t heads = 1, kv_heads = 1, head_dim = 0, value_dim = 0;
  bool causal = false;
  int64_t window_left = -1, window_right = -1;  // -1: unbounded
  double scale = 1, softcap = 0;                // softcap 0: none
  double dropout = 0;
  uint32_t site = 0;

  // Reads heads, kvHeads (heads), headDim, valueDim (headDim), causal (false), windowLeft, windowRight,
  // scale (1 / sqrt(headDim)), softcap and, where `random`, dropout and site. OptionError for a value
  // that makes no sense.
  static AttentionOptions from(const Attributes& attributes, bool random);
};

// Inputs of attention, by place; all but the first five may be absent.
struct AttentionInput {
  enum : size_t {
    Q,             // [queries, heads * headDim], rows may be strided
    K,             // [keys, kvHeads * headDim]
    V,             // [keys, kvHeads * valueDim]
    QueryOffsets,  // int32 [sequences + 1]
    KeyOffsets,    // int32 [sequences + 1]
    Bias,          // [buckets, heads], with
    BucketTable,   // int32 [2 * maxDistance + 1]: buckets of distances clamped to ±maxDistance
    Sinks,         // [heads]
    PositionsQ,    // int32 [queries], with
    PositionsK,    // int32 [keys]
    Key,           // int32 [2]: seed and step of dropout
    QueryTerms,    // [queries, heads * buckets]: added by bucket of distance, with
    QueryTable,    // int32 [2 * maxDistance + 1], as BucketTable
    KeyTerms,      // [keys, heads * buckets], with
    KeyTable,      // int32 [2 * maxDistance + 1]
    Count
  };
};

// Fused attention over packed sequences -> o [queries, heads * valueDim], lse [queries, heads].
// Memory is linear in tokens (Dao et al., FlashAttention, 2022). Differentiable in q, k, v, bias, sinks and
// both terms, from either output.
std::vector<Value> attention(std::span<const Value> inputs, const AttentionOptions& options);

}  // namespace tiny
