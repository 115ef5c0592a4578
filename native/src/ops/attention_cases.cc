#include <algorithm>
#include <vector>

#include "ops/attention.h"
#include "ops/op_cases.h"

namespace tiny {

namespace {

using In = AttentionInput;

struct Sizes {
  int64_t heads = 2, kv_heads = 2;
  bool cross = false;     // keys of another length than queries
  int64_t value_dim = 0;  // 0: as the keys'
};

// q, k, v and offsets at random sizes, beyond a key tile of 64 in comparisons.
std::vector<Value> packed(Draw& draw, const Sizes& sizes, Attributes& attributes) {
  const int64_t head_dim = draw.size(3, 37), value_dim = sizes.value_dim > 0 ? sizes.value_dim : head_dim;
  const int64_t sequences = draw.size(2, 3), queries = draw.rows(5, 150);
  const int64_t keys = sizes.cross ? draw.rows(6, 190) : queries;
  attributes.set("heads", static_cast<double>(sizes.heads));
  attributes.set("kvHeads", static_cast<double>(sizes.kv_heads));
  attributes.set("headDim", static_cast<double>(head_dim));
  attributes.set("valueDim", static_cast<double>(value_dim));
  std::vector<Value> inputs(In::Count);
  inputs[In::Q] = draw.normals({Dim(queries), Dim(sizes.heads * head_dim)});
  inputs[In::K] = draw.normals({Dim(keys), Dim(sizes.kv_heads * head_dim)});
  inputs[In::V] = draw.normals({Dim(keys), Dim(sizes.kv_heads * value_dim)});
  inputs[In::QueryOffsets] = draw.offsets(sequences, queries);
  inputs[In::KeyOffsets] = sizes.cross ? draw.offsets(sequences, keys) : inputs[In::QueryOffsets];
  return inputs;
}

// A bias with buckets of distances up to 6, in both directions.
void add_bias(Draw& draw, const Sizes& sizes, std::vector<Value>& inputs) {
  std::vector<int32_t> table;
  for (int32_t distance = -6; distance <= 6; ++distance) {
    table.push_back(std::min(std::abs(distance), 3) + (distance > 0 ? 4 : 0));
  }
  inputs[In::Bias] = draw.normals({Dim(8), Dim(sizes.heads)});
  inputs[In::BucketTable] = draw.integers({Dim(13)}, table);
}

// Terms of as many buckets, of distances up to 4 and 3.
void add_terms(Draw& draw, const Sizes& sizes, std::vector<Value>& inputs) {
  const auto terms = [&](const Value& rows, int64_t buckets) {
    return draw.normals({rows.shape()[0], Dim(sizes.heads * buckets)});
  };
  inputs[In::QueryTerms] = terms(inputs[In::Q], 9);
  inputs[In::QueryTable] = draw.integers({Dim(9)}, std::vector<int32_t>{0, 1, 2, 3, 4, 5, 6, 7, 8});
  inputs[In::KeyTerms] = terms(inputs[In::K], 3);
  inputs[In::KeyTable] = draw.integers({Dim(7)}, std::vector<int32_t>{2, 2, 1, 0, 1, 1, 2});
}

OpInstance attend(std::vector<Value> inputs, Attributes attributes) {
  return {std::move(inputs),
          [attributes](std::span<const Value> given) { return apply("attention", given, attributes); }};
}

// Without lse, which is -inf for a query that sees no key.
OpInstance output_of(OpInstance instance) {
  instance.build = [build = std::move(instance.build)](std::span<const Value> given) {
    return std::vector<Value>{build(given).front()};
  };
  return instance;
}

OpInstance full(Draw& draw) {
  auto attributes = op_attributes({});
  auto inputs = packed(draw, {}, attributes);
  return attend(std::move(inputs), attributes);
}

OpInstance cross(Draw& draw) {
  auto attributes = op_attributes({{"scale", 0.7}});
  auto inputs = packed(draw, {.cross = true, .value_dim = 5}, attributes);
  return output_of(attend(std::move(inputs), attributes));
}

OpInstance causal_grouped(Draw& draw) {
  auto attributes = op_attributes({{"causal", true}});
  auto inputs = packed(draw, {.heads = 4, .kv_heads = 2}, attributes);
  return attend(std::move(inputs), attributes);
}

// Rows without any visible key: later keys than queries by a window that looks back.
OpInstance windowed(Draw& draw) {
  auto attributes = op_attributes({{"windowLeft", 2.0}, {"windowRight", 1.0}});
  auto inputs = packed(draw, {.cross = true}, attributes);
  return output_of(attend(std::move(inputs), attributes));
}

OpInstance softcapped_with_sinks(Draw& draw) {
  auto attributes = op_attributes({{"causal", true}, {"softcap", 1.5}, {"windowLeft", 70.0}});
  const Sizes sizes{.heads = 4, .kv_heads = 1};
  auto inputs = packed(draw, sizes, attributes);
  inputs[In::Sinks] = draw.normals({Dim(sizes.heads)});
  return attend(std::move(inputs), attributes);
}

OpInstance biased(Draw& draw) {
  auto attributes = op_attributes({{"scale", 1.0}});
  auto inputs = packed(draw, {}, attributes);
  add_bias(draw, {}, inputs);
  return attend(std::move(inputs), attributes);
}

OpInstance positioned(Draw& draw) {
  auto attributes = op_attributes({{"causal", true}, {"softcap", 2.0}});
  auto inputs = packed(draw, {.cross = true}, attributes);
  add_bias(draw, {}, inputs);
  inputs[In::PositionsQ] = draw.integers({inputs[In::Q].shape()[0]}, 0, 20);
  inputs[In::PositionsK] = draw.integers({inputs[In::K].shape()[0]}, 0, 20);
  return output_of(attend(std::move(inputs), attributes));
}

OpInstance disentangled(Draw& draw) {
  auto attributes = op_attributes({{"scale", 0.5}});
  auto inputs = packed(draw, {}, attributes);
  add_terms(draw, {}, inputs);
  return attend(std::move(inputs), attributes);
}

// Terms on top of everything else that is added, across sequences of other lengths.
OpInstance disentangled_across(Draw& draw) {
  auto attributes = op_attributes({{"windowLeft", 9.0}, {"softcap", 2.0}});
  const Sizes sizes{.heads = 4, .kv_heads = 2, .cross = true};
  auto inputs = packed(draw, sizes, attributes);
  add_bias(draw, sizes, inputs);
  add_terms(draw, sizes, inputs);
  inputs[In::PositionsQ] = draw.integers({inputs[In::Q].shape()[0]}, 0, 20);
  inputs[In::PositionsK] = draw.integers({inputs[In::K].shape()[0]}, 0, 20);
  return output_of(attend(std::move(inputs), attributes));
}

OpInstance dropped(Draw& draw) {
  auto attributes = op_attributes({{"causal", true}, {"dropout", 0.3}, {"site", 5.0}});
  auto inputs = packed(draw, {.heads = 4, .kv_heads = 2}, attributes);
  inputs[In::Key] = draw.integers({Dim(2)}, std::vector<int32_t>{-7, 11});
  return attend(std::move(inputs), attributes);
}

// Only lse is used: its gradient has no gradient of o beside it.
OpInstance log_sum(Draw& draw) {
  OpInstance instance = full(draw);
  instance.build = [build = std::move(instance.build)](std::span<const Value> given) {
    return std::vector<Value>{build(given)[1]};
  };
  return instance;
}

OpInstance weights(Draw& draw) {
  auto attributes = op_attributes({{"causal", true}, {"queries", 152.0}, {"keys", 191.0}});
  const Sizes sizes{.heads = 4, .kv_heads = 2, .cross = true};
  auto inputs = packed(draw, sizes, attributes);
  attributes.set("valueDim", attributes.number("headDim"));
  add_bias(draw, sizes, inputs);
  add_terms(draw, sizes, inputs);
  inputs.erase(inputs.begin() + In::Key);
  inputs.erase(inputs.begin() + In::V);
  return {std::move(inputs), [attributes](std::span<const Value> given) {
            return apply("attentionWeights", given, attributes);
          }};
}

// Sequences of 0 to 130 keys in shuffled blocks; queries are their last tokens.
OpInstance cached(Draw& draw) {
  const int64_t head_dim = draw.size(3, 37), sequences = draw.size(2, 3), blocks = 11, max_blocks = 3;
  std::vector<int32_t> offsets{0}, lengths, table;
  for (int64_t s = 0; s < sequences; ++s) {
    lengths.push_back(static_cast<int32_t>(draw.rows(130, 130)));
    offsets.push_back(offsets.back() +
                      static_cast<int32_t>(std::min<int64_t>(lengths.back(), draw.size(2, 9))));
    for (int64_t b = 0; b < max_blocks; ++b)
      table.push_back(static_cast<int32_t>((s * max_blocks + b) * 7 % blocks));
  }
  std::vector<Value> inputs{draw.normals({Dim(offsets.back()), Dim(4 * head_dim)}),
                            draw.normals({Dim(blocks * 64), Dim(2 * head_dim)}),
                            draw.normals({Dim(blocks), Dim(64), Dim(2 * head_dim)}),
                            draw.integers({Dim(sequences + 1)}, offsets),
                            draw.integers({Dim(sequences), Dim(max_blocks)}, table),
                            draw.integers({Dim(sequences)}, lengths)};
  const auto attributes = op_attributes(
      {{"heads", 4.0}, {"kvHeads", 2.0}, {"headDim", static_cast<double>(head_dim)}, {"causal", true}});
  return {std::move(inputs),
          [attributes](std::span<const Value> given) { return apply("cachedAttention", given, attributes); }};
}

}  // namespace

std::span<const OpCase> attention_cases() {
  static const OpCase cases[] = {
      {"attention", full, {In::Q, In::K, In::V}, {}, {In::Q, In::K, In::V}},
      {"attention across", cross, {In::Q, In::K, In::V}, {}, {In::Q, In::K, In::V}},
      {"attention, causal and grouped", causal_grouped, {In::Q, In::K, In::V}, {}, {In::Q, In::K, In::V}},
      {"attention in a window", windowed, {In::Q, In::K, In::V}},
      {"attention with softcap and sinks", softcapped_with_sinks, {In::Q, In::K, In::V, In::Sinks}},
      {"attention with a bias", biased, {In::Q, In::K, In::V, In::Bias}, {}, {In::Q, In::Bias}, 1e-5},
      {"attention by positions", positioned, {In::Q, In::K, In::V, In::Bias}, {}, {}, 5e-6},
      {"attention with relative terms",
       disentangled,
       {In::Q, In::K, In::V, In::QueryTerms, In::KeyTerms},
       {},
       {In::Q, In::QueryTerms, In::KeyTerms},
       4e-6},
      {"attention with everything that is added",
       disentangled_across,
       {In::Q, In::K, In::V, In::Bias, In::QueryTerms, In::KeyTerms},
       {},
       {},
       5e-6},
      {"attention with dropout", dropped, {In::Q, In::K, In::V}},
      {"attention's lse", log_sum, {In::Q, In::K}},
      {"attentionWeights", weights, {}, {}, {0, 1}},
      {"cachedAttention", cached, {}, {}, {0, 1}},
  };
  return cases;
}

}  // namespace tiny
