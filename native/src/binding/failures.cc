#include "binding/failures.h"

#include <unordered_map>
#include <unordered_set>

namespace tiny::binding {

namespace {

struct Failure {
  std::weak_ptr<const Node> node;  // tells a node from a later one at its address
  std::exception_ptr why;
};

// Never destroyed: the engine's thread may still run while the process exits.
std::unordered_map<const Node*, Failure>& failures() {
  static auto* all = new std::unordered_map<const Node*, Failure>();
  return *all;
}

}  // namespace

void remember_failure(const Value& tensor, const std::exception_ptr& why) {
  std::erase_if(failures(), [](const auto& entry) { return entry.second.node.expired(); });
  failures()[tensor.node.get()] = {tensor.node, why};
}

std::exception_ptr failure_behind(std::span<const Value> values) {
  if (failures().empty()) return nullptr;
  std::vector<const Node*> stack;
  std::unordered_set<const Node*> seen;
  const auto visit = [&](const Value& value) {
    if (value && seen.insert(value.node.get()).second) stack.push_back(value.node.get());
  };
  for (const Value& value : values) visit(value);
  while (!stack.empty()) {
    const Node* node = stack.back();
    stack.pop_back();
    const auto found = failures().find(node);
    if (found != failures().end() && found->second.node.lock().get() == node) return found->second.why;
    for (const Value& input : node->inputs) visit(input);
  }
  return nullptr;
}

}  // namespace tiny::binding
