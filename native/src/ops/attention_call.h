#pragma once

// What the attention ops have in common: checks of their inputs, and views bound to a kernel's call.
#include <span>
#include <string>
#include <vector>

#include "graph/node.h"
#include "kernels/attention/attention.h"
#include "ops/attention.h"
#include "ops/registry.h"
#include "ops/segments.h"

namespace tiny {

// Builders of the other files' ops; the list is in attention.cc.
std::vector<Value> build_cached_attention(std::span<const Value> inputs, const Attributes& attributes);
std::vector<Value> build_cache_append(std::span<const Value> inputs, const Attributes& attributes);
std::vector<Value> build_attention_weights(std::span<const Value> inputs, const Attributes& attributes);

// Inputs filled up with absent ones to `count`; OptionError for more.
std::vector<Value> padded_inputs(std::span<const Value> inputs, size_t count);

// Shape and dtype checks while a graph is built. Errors name the input and both shapes.
void require_matrix(const char* name, const Value& value, DType dtype, int64_t width);
void require_integers(const char* name, const Value& value, const Shape& shape);
// bias [buckets, heads] with its bucket table [2 * maxDistance + 1]: both or neither.
void require_bias(const Value& bias, const Value& bucket_table, DType dtype, int64_t heads);
void require_sinks(const Value& sinks, DType dtype, int64_t heads);
// terms [rows, heads * buckets] with their table [2 * maxDistance + 1]: both or neither.
void require_terms(const char* name, const char* table_name, const Value& terms, const Value& table,
                   DType dtype, const Dim& rows, int64_t heads);

// q, k, offsets, bias, sinks, positions and terms of inputs in AttentionInput's places; v is the caller's.
void check_attention_inputs(std::span<const Value> inputs, const AttentionOptions& options);

// While a graph runs: IndexError names the first offender.
void check_buckets(const char* op, const char* name, const View& table, int64_t buckets);

// The call's numbers; operands are bound by the functions below.
template <typename T>
Attention<T> attention_call(const AttentionOptions& options, int64_t sequences) {
  Attention<T> call;
  call.sequences = sequences;
  call.heads = options.heads;
  call.kv_heads = options.kv_heads;
  call.head_dim = options.head_dim;
  call.value_dim = options.value_dim;
  call.scale = static_cast<T>(options.scale);
  call.softcap = static_cast<T>(options.softcap);
  call.causal = options.causal;
  call.window_left = options.window_left;
  call.window_right = options.window_right;
  call.dropout = options.dropout;
  call.key.site = options.site;
  return call;
}

template <typename T>
void bind_bias(Attention<T>& call, const View& bias, const View& bucket_table) {
  call.bias = bias.as<T>();
  call.bias_stride = bias.row_stride;
  call.buckets = bias.dims[0];
  call.bucket_table = bucket_table.as<int32_t>();
  call.max_distance = bucket_table.width() / 2;
}

template <typename T>
RelativeTerms<T> bound_terms(const View& terms, const View& table, int64_t heads) {
  return {terms.as<T>(), terms.row_stride, terms.width() / heads, table.as<int32_t>(), table.width() / 2};
}

// Binds inputs in AttentionInput's places, after the checks that need their contents.
template <typename T>
Attention<T> attention_from_run(const AttentionOptions& options, const char* op, const Run& run) {
  using In = AttentionInput;
  check_offsets(op, "queryOffsets", run.input(In::QueryOffsets), run.input(In::Q).dims[0]);
  check_offsets(op, "keyOffsets", run.input(In::KeyOffsets), run.input(In::K).dims[0]);
  auto call = attention_call<T>(options, run.input(In::QueryOffsets).width() - 1);
  call.query_offsets = run.input(In::QueryOffsets).as<int32_t>();
  call.key_offsets = run.input(In::KeyOffsets).as<int32_t>();
  call.q = run.input(In::Q).as<T>();
  call.q_stride = run.input(In::Q).row_stride;
  call.k = run.input(In::K).as<T>();
  call.k_stride = run.input(In::K).row_stride;
  call.v = run.input(In::V).as<T>();
  call.v_stride = run.input(In::V).row_stride;
  if (run.has(In::Bias)) {
    check_buckets(op, "bucketTable", run.input(In::BucketTable), run.input(In::Bias).dims[0]);
    bind_bias(call, run.input(In::Bias), run.input(In::BucketTable));
  }
  if (run.has(In::QueryTerms)) {
    call.query_terms = bound_terms<T>(run.input(In::QueryTerms), run.input(In::QueryTable), options.heads);
    check_buckets(op, "queryTable", run.input(In::QueryTable), call.query_terms.buckets);
  }
  if (run.has(In::KeyTerms)) {
    call.key_terms = bound_terms<T>(run.input(In::KeyTerms), run.input(In::KeyTable), options.heads);
    check_buckets(op, "keyTable", run.input(In::KeyTable), call.key_terms.buckets);
  }
  if (run.has(In::Sinks)) call.sinks = run.input(In::Sinks).as<T>();
  if (run.has(In::PositionsQ)) {
    call.positions_q = run.input(In::PositionsQ).as<int32_t>();
    call.positions_k = run.input(In::PositionsK).as<int32_t>();
  }
  if (options.dropout > 0) {
    const int32_t* key = run.input(In::Key).as<int32_t>();
    call.key.seed = static_cast<uint32_t>(key[0]);
    call.key.step = static_cast<uint32_t>(key[1]);
  }
  return call;
}

// The sizes alone, for workspace.
template <typename T>
Attention<T> attention_from_extent(const AttentionOptions& options, const Extent& extent) {
  using In = AttentionInput;
  auto call = attention_call<T>(options, extent.inputs[In::QueryOffsets].width() - 1);
  if (!extent.inputs[In::Bias].dims.empty()) call.buckets = extent.inputs[In::Bias].dims[0];
  return call;
}

// The kernels of this process's ISA, or the reference in float64.
template <typename T>
const AttentionFunctions<T>& attention_functions() {
  if constexpr (std::is_same_v<T, float>) {
    return attention_kernels(isa());
  } else {
    return attention_reference<T>();
  }
}

}  // namespace tiny
