#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/node.h"
#include "ops/attributes.h"

namespace tiny {

// How JavaScript (and tests) reach an op: its camelCase name and a builder, which checks shapes,
// makes the node and returns its outputs. Inputs may be empty values where the op says so.
struct OpEntry {
  const char* name;
  std::vector<Value> (*build)(std::span<const Value> inputs, const Attributes& attributes);
};

// One list per file of ops/, collected in registry.cc: an explicit list, since static registration
// is dropped by linkers and runs before main.
std::span<const OpEntry> attention_ops();
std::span<const OpEntry> cast_ops();
std::span<const OpEntry> causal_conv_ops();
std::span<const OpEntry> checkpoint_ops();
std::span<const OpEntry> elementwise_ops();
std::span<const OpEntry> expert_ops();
std::span<const OpEntry> expert_row_ops();
std::span<const OpEntry> gather_ops();
std::span<const OpEntry> head_product_ops();
std::span<const OpEntry> linear_cross_entropy_ops();
std::span<const OpEntry> matmul_ops();
std::span<const OpEntry> norm_ops();
std::span<const OpEntry> optimizer_ops();
std::span<const OpEntry> random_ops();
std::span<const OpEntry> reduce_ops();
std::span<const OpEntry> rope_ops();
std::span<const OpEntry> score_edit_ops();
std::span<const OpEntry> shape_ops();
std::span<const OpEntry> softmax_ops();
std::span<const OpEntry> state_scan_ops();
std::span<const OpEntry> top_k_ops();

// All ops, by name.
std::vector<OpEntry> all_ops();

// Builds by name; OptionError for an unknown op or attribute; errors carry the op's name.
std::vector<Value> apply(std::string_view op, std::span<const Value> inputs, const Attributes& attributes);

}  // namespace tiny
