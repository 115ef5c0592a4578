#include "ops/checkpoint.h"

#include <memory>
#include <utility>

#include "graph/gradient.h"
#include "graph/rebuild.h"
#include "ops/accumulate.h"
#include "ops/registry.h"

namespace tiny {

namespace {

// A value under a new name, which gradients may be asked of apart.
class Alias final : public Primitive {
 public:
  const char* name() const override { return "alias"; }
  void forward(Run&) const override {}
  Effect effect() const override { return Effect::Alias; }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {context.gradients[0]};
  }
};

Value alias(const Value& x) { return make_value(std::make_unique<Alias>(), {x}, x.type()); }

// Inputs: what it passes on, then what that was computed from.
class Checkpoint final : public Primitive {
 public:
  explicit Checkpoint(size_t outputs) : outputs_(outputs) {}
  const char* name() const override { return "checkpoint"; }
  void forward(Run&) const override {}
  Effect effect() const override { return Effect::Alias; }
  size_t alias_input(size_t output) const override { return output; }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const std::span<const Value> inputs(context.node->inputs);
    const auto outputs = inputs.first(outputs_), from = inputs.subspan(outputs_);
    // Gradients end at what was computed before: one such value may depend on another.
    const uint64_t since = newest_order();
    std::vector<Value> to, wrt;
    std::vector<size_t> places;
    for (size_t i = 0; i < from.size(); ++i) {
      const bool wanted = context.wants[outputs_ + i];
      to.push_back(wanted && !from[i].node->inputs.empty() ? alias(from[i]) : from[i]);
      if (!wanted) continue;
      wrt.push_back(to.back());
      places.push_back(outputs_ + i);
    }
    const std::vector<Value> found =
        gradients(rebuild(outputs, from, to), context.gradients, wrt, accumulate_gradients, since);
    std::vector<Value> flowing(inputs.size());
    for (size_t i = 0; i < places.size(); ++i) flowing[places[i]] = found[i];
    return flowing;
  }

 private:
  const size_t outputs_;
};

}  // namespace

std::vector<Value> checkpoint(std::span<const Value> outputs, uint64_t since) {
  std::vector<Value> inputs(outputs.begin(), outputs.end());
  const std::vector<Value> outside = boundary(outputs, since);
  inputs.insert(inputs.end(), outside.begin(), outside.end());
  std::vector<Type> types;
  for (const Value& output : outputs) types.push_back(output.type());
  return make_node(std::make_unique<Checkpoint>(outputs.size()), std::move(inputs), std::move(types));
}

std::span<const OpEntry> checkpoint_ops() {
  static constexpr OpEntry entries[] = {
      {"checkpoint", [](std::span<const Value> inputs, const Attributes& attributes) -> std::vector<Value> {
         return checkpoint(inputs, static_cast<uint64_t>(attributes.integer("since")));
       }}};
  return entries;
}

}  // namespace tiny
