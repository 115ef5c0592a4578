#include "ops/registry.h"

#include <map>
#include <string>

namespace tiny {

namespace {

const std::map<std::string_view, OpEntry>& table() {
  static const auto* entries = [] {
    auto* by_name = new std::map<std::string_view, OpEntry>();
    for (const auto& list : {attention_ops(),    cast_ops(),
                             causal_conv_ops(),  checkpoint_ops(),
                             elementwise_ops(),  expert_ops(),
                             expert_row_ops(),   gather_ops(),
                             head_product_ops(), linear_cross_entropy_ops(),
                             matmul_ops(),       norm_ops(),
                             optimizer_ops(),    random_ops(),
                             reduce_ops(),       rope_ops(),
                             score_edit_ops(),   shape_ops(),
                             softmax_ops(),      state_scan_ops(),
                             top_k_ops()}) {
      for (const OpEntry& entry : list) by_name->emplace(entry.name, entry);
    }
    return by_name;
  }();
  return *entries;
}

}  // namespace

std::vector<OpEntry> all_ops() {
  std::vector<OpEntry> entries;
  for (const auto& [name, entry] : table()) entries.push_back(entry);
  return entries;
}

std::vector<Value> apply(std::string_view op, std::span<const Value> inputs, const Attributes& attributes) {
  const auto found = table().find(op);
  if (found == table().end()) throw Error(ErrorCode::Option, "", "there is no op '" + std::string(op) + "'");
  try {
    std::vector<Value> outputs = found->second.build(inputs, attributes);
    attributes.finish(op);
    return outputs;
  } catch (const Error& error) {
    if (!error.op().empty()) throw;
    throw Error(error.code(), std::string(op), error.what(), error.facts());
  }
}

}  // namespace tiny
