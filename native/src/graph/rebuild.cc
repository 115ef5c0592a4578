#include "graph/rebuild.h"

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/variable.h"

namespace tiny {

namespace {

bool is_given(const Node& node) {
  return is_constant(node) || placeholder_argument(node) >= 0 || variable_read(node) != nullptr;
}

// Nodes that `outputs` depend on, oldest first; `inside` says where the walk goes on.
template <typename Inside>
std::vector<std::shared_ptr<const Node>> section(std::span<const Value> outputs, const Inside& inside) {
  std::vector<std::shared_ptr<const Node>> stack, found;
  std::unordered_set<const Node*> seen;
  const auto visit = [&](const Value& value) {
    if (value && inside(*value.node) && seen.insert(value.node.get()).second) stack.push_back(value.node);
  };
  for (const Value& output : outputs) visit(output);
  while (!stack.empty()) {
    auto node = std::move(stack.back());
    stack.pop_back();
    for (const Value& input : node->inputs) visit(input);
    found.push_back(std::move(node));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->order < b->order; });
  return found;
}

}  // namespace

std::vector<Value> boundary(std::span<const Value> outputs, uint64_t since) {
  const auto inside = [since](const Node& node) { return node.order > since && !is_given(node); };
  std::vector<Value> found;
  const auto add = [&](const Value& value) {
    if (value && !inside(*value.node) && std::find(found.begin(), found.end(), value) == found.end())
      found.push_back(value);
  };
  for (const auto& node : section(outputs, inside)) {
    const Primitive& primitive = *node->primitive;
    if (primitive.effect() == Effect::Update || (primitive.effect() == Effect::Alias && primitive.runs())) {
      throw Error(ErrorCode::Option, primitive.name(), "cannot be computed again: it writes a variable");
    }
    for (const Value& input : node->inputs) add(input);
  }
  for (const Value& output : outputs) add(output);
  std::stable_sort(found.begin(), found.end(),
                   [](const Value& a, const Value& b) { return a.node->order < b.node->order; });
  return found;
}

std::vector<Value> rebuild(std::span<const Value> outputs, std::span<const Value> from,
                           std::span<const Value> to) {
  std::unordered_map<const Node*, std::vector<Value>> copies;
  for (size_t i = 0; i < from.size(); ++i) {
    auto& values = copies[from[i].node.get()];
    values.resize(from[i].node->outputs.size());
    values[from[i].index] = to[i];
  }
  const auto copy_of = [&](const Value& value) {
    return value ? copies.at(value.node.get())[value.index] : Value{};
  };
  const auto inside = [&](const Node& node) { return !copies.contains(&node); };
  for (const auto& node : section(outputs, inside)) {
    std::vector<Value> inputs;
    for (const Value& input : node->inputs) inputs.push_back(copy_of(input));
    copies[node.get()] = make_node(node->primitive, std::move(inputs), node->outputs);
  }
  std::vector<Value> rebuilt;
  for (const Value& output : outputs) rebuilt.push_back(copy_of(output));
  return rebuilt;
}

}  // namespace tiny
