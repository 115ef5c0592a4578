#include "graph/evaluate.h"

#include <algorithm>

#include "graph/execute.h"

namespace tiny {

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
  const auto plan = Plan::compile(std::move(missing), {updates.begin(), updates.end()});
  execute(*plan, call, pool, cancellation);
}

}  // namespace tiny
