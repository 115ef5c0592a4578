#include "graph/evaluate.h"

#include <algorithm>
#include <unordered_set>

#include "graph/execute.h"

namespace tiny {

namespace {

// Updates that did not run will not run: each variable is as it was before they were bound, and what needs
// their outcome is told why.
void abandon_updates(std::vector<Value> stack) {
  std::unordered_set<const Node*> seen;
  std::vector<std::shared_ptr<const Node>> abandoned;
  while (!stack.empty()) {
    const Value value = std::move(stack.back());
    stack.pop_back();
    if (!value || value.node->result(value.index) || !seen.insert(value.node.get()).second) continue;
    const Node& node = *value.node;
    if (node.primitive->effect() == Effect::Update && node.versions[0] != kLatest) {
      if (node.failure() || node.primitive->targets()[0]->committed() >= node.versions[0]) continue;
      abandoned.push_back(value.node);
    }
    for (const Value& input : node.inputs) stack.push_back(input);
  }
  std::sort(abandoned.begin(), abandoned.end(),
            [](const auto& a, const auto& b) { return a->order > b->order; });
  for (const auto& node : abandoned) {
    node->set_failure(std::current_exception());
    const auto targets = node->primitive->targets();
    for (size_t i = 0; i < targets.size(); ++i) targets[i]->give_up(node->versions[i]);
  }
}

}  // namespace

void evaluate(std::span<const Value> roots, std::span<const Value> updates, ThreadPool& pool,
              const Cancellation* cancellation) {
  std::vector<Value> missing;
  Call call;
  for (const Value& root : roots) {
    if (root.node->result(root.index) || std::find(missing.begin(), missing.end(), root) != missing.end())
      continue;
    missing.push_back(root);
    call.results.push_back({nullptr, root});
  }
  if (missing.empty() && updates.empty()) return;
  try {
    const auto plan = Plan::compile(missing, {updates.begin(), updates.end()});
    execute(*plan, call, pool, cancellation);
  } catch (...) {
    missing.insert(missing.end(), updates.begin(), updates.end());
    abandon_updates(std::move(missing));
    throw;
  }
}

}  // namespace tiny
