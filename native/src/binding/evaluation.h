#pragma once

#include <span>
#include <vector>

#include "binding/environment.h"
#include "binding/tensor.h"

namespace tiny::binding {

// evaluate(roots, cancellation), evaluateUpdates(variables, cancellation), read(tensor)
Napi::Value evaluate_roots(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value evaluate_updates(Environment& environment, const Napi::CallbackInfo& info);
Napi::Value read(Environment& environment, const Napi::CallbackInfo& info);

// Resolves with undefined once V8 has been told of what the tensors hold now.
class TensorSettlement : public Settlement {
 public:
  explicit TensorSettlement(std::vector<std::shared_ptr<TensorState>> tensors = {})
      : tensors_(std::move(tensors)) {}
  Napi::Value result(Napi::Env env) override {
    for (const auto& tensor : tensors_) tensor->report(env);
    return env.Undefined();
  }

 protected:
  std::vector<std::shared_ptr<TensorState>> tensors_;
};

// Engine thread: graph/evaluate.h, with the reason behind an empty tensor where there is one.
void evaluate_or_explain(std::span<const Value> roots, std::span<const Value> updates, ThreadPool& pool,
                         const Cancellation* cancellation);

}  // namespace tiny::binding
