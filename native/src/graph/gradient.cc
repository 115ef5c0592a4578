#include "graph/gradient.h"

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <unordered_set>

namespace tiny {

namespace {

// What `outputs` are computed from, newest first: creation order is a topological order. Nodes older than
// `oldest` are left out.
std::vector<std::shared_ptr<const Node>> ancestors(std::span<const Value> outputs, uint64_t oldest) {
  std::vector<std::shared_ptr<const Node>> stack, found;
  std::unordered_set<const Node*> seen;
  const auto visit = [&](const Value& value) {
    if (value && value.node->order >= oldest && seen.insert(value.node.get()).second)
      stack.push_back(value.node);
  };
  for (const Value& output : outputs) visit(output);
  while (!stack.empty()) {
    auto node = std::move(stack.back());
    stack.pop_back();
    for (const Value& input : node->inputs) visit(input);
    found.push_back(std::move(node));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a->order > b->order; });
  return found;
}

}  // namespace

std::vector<Value> gradients(const Value& of, const Value& seed, std::span<const Value> wrt,
                             Accumulate accumulate) {
  if (!of.shape().empty() && !(elements(of.shape()) == Dim(1))) {
    throw Error(
        ErrorCode::Gradient, "gradients",
        "only a scalar can be differentiated, not a tensor of shape " + str(of.shape()) + "; sum it first");
  }
  return gradients({&of, 1}, {&seed, 1}, wrt, accumulate);
}

std::vector<Value> gradients(std::span<const Value> outputs, std::span<const Value> arriving,
                             std::span<const Value> wrt, Accumulate accumulate, uint64_t since) {
  uint64_t oldest = ~uint64_t{0};
  for (const Value& value : wrt) oldest = std::min(oldest, value.node->order);
  const auto newest_first = ancestors(outputs, std::max(oldest, since + 1));

  // Nodes through which a gradient must flow: those that depend on something in `wrt`.
  std::unordered_set<const Node*> active;
  for (const Value& value : wrt) active.insert(value.node.get());
  for (auto node = newest_first.rbegin(); node != newest_first.rend(); ++node) {
    for (const Value& input : (*node)->inputs) {
      if (input && active.contains(input.node.get())) {
        active.insert(node->get());
        break;
      }
    }
  }

  std::unordered_map<const Node*, std::vector<Value>> arrived;  // per output
  const auto deliver = [&](const Value& to, const Value& gradient) {
    std::vector<Value>& slots = arrived[to.node.get()];
    slots.resize(to.node->outputs.size());
    Value& slot = slots[to.index];
    slot = slot ? accumulate(slot, gradient) : gradient;
  };
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (arriving[i] && active.contains(outputs[i].node.get())) deliver(outputs[i], arriving[i]);
  }

  std::unordered_set<const Node*> leaves;
  for (const Value& value : wrt) leaves.insert(value.node.get());
  for (const auto& node : newest_first) {
    const auto found = arrived.find(node.get());
    if (found == arrived.end() || node->inputs.empty()) continue;
    std::unique_ptr<bool[]> wants(new bool[node->inputs.size()]);
    bool any = false;
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      wants[i] = node->inputs[i] && is_floating(node->inputs[i].dtype()) &&
                 active.contains(node->inputs[i].node.get());
      any = any || wants[i];
    }
    if (!any) continue;
    const std::vector<Value> incoming = found->second;
    const std::vector<Value> flowing =
        node->primitive->gradient({node, incoming, std::span<const bool>(wants.get(), node->inputs.size())});
    for (size_t i = 0; i < flowing.size(); ++i) {
      if (!flowing[i] || !wants[i]) continue;
      if (flowing[i].shape() != node->inputs[i].shape()) {
        throw Error(ErrorCode::Internal, node->primitive->name(),
                    "gradient of input " + std::to_string(i) + " has shape " + str(flowing[i].shape()) +
                        " for " + str(node->inputs[i].shape()));
      }
      deliver(node->inputs[i], flowing[i]);
    }
    if (!leaves.contains(node.get())) arrived.erase(node.get());
  }

  std::vector<Value> result;
  for (const Value& value : wrt) {
    const auto found = arrived.find(value.node.get());
    result.push_back(found == arrived.end() ? Value{} : found->second[value.index]);
  }
  return result;
}

}  // namespace tiny
