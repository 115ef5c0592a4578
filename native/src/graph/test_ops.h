#pragma once

// Small primitives for tests of the graph: the layer itself names no op.

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "graph/node.h"
#include "graph/variable.h"

namespace tiny::test {

inline std::atomic<int> live_primitives{0};

// y[i] = sum of inputs[i] + constant, float32; may run in place; optionally fails or runs a hook.
class Sum final : public Primitive {
 public:
  explicit Sum(float constant, void (*hook)() = nullptr) : constant_(constant), hook_(hook) {
    ++live_primitives;
  }
  ~Sum() override { --live_primitives; }
  const char* name() const override { return "sum"; }
  void forward(Run& run) const override {
    if (hook_ != nullptr) hook_();
    const View& y = run.output(0);
    for (int64_t i = 0; i < y.size(); ++i) {
      float total = constant_;
      for (size_t k = 0; k < count_of(run); ++k) total += at(run.input(k), i);
      y.as<float>()[i] = total;
    }
  }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return std::vector<Value>(context.node->inputs.size(), context.gradients[0]);
  }
  int reuse(size_t) const override { return 0; }
  size_t inputs = 1;

 private:
  size_t count_of(const Run&) const { return inputs; }
  static float at(const View& x, int64_t i) {
    return x.as<float>()[(i / x.width()) * x.row_stride + i % x.width()];
  }
  float constant_;
  void (*hook_)();
};

inline Value sum(std::vector<Value> inputs, float constant = 0, void (*hook)() = nullptr) {
  auto primitive = std::make_unique<Sum>(constant, hook);
  primitive->inputs = inputs.size();
  Type type(DType::Float32, inputs.front().shape());
  return make_value(std::move(primitive), std::move(inputs), std::move(type));
}

// variable = value.
class Store final : public Primitive {
 public:
  explicit Store(Variable& target) : targets_{target.shared_from_this()} {}
  const char* name() const override { return "store"; }
  Effect effect() const override { return Effect::Update; }
  std::span<const std::shared_ptr<Variable>> targets() const override { return targets_; }
  void forward(Run& run) const override {
    const View& y = run.output(0);
    for (int64_t i = 0; i < y.size(); ++i) y.as<float>()[i] = run.input(0).as<float>()[i];
  }

 private:
  std::vector<std::shared_ptr<Variable>> targets_;
};

inline Value store(const std::shared_ptr<Variable>& variable, const Value& value) {
  return make_update(std::make_unique<Store>(*variable), {value}).front();
}

// Columns [start, start + width) of a matrix: a view.
class Columns final : public Primitive {
 public:
  explicit Columns(Dim start) : start_(std::move(start)) {}
  const char* name() const override { return "columns"; }
  Effect effect() const override { return Effect::Alias; }
  Dim alias_offset() const override { return start_; }
  void forward(Run&) const override {}

 private:
  Dim start_;
};

inline Value columns(const Value& x, int64_t start, int64_t width) {
  Shape shape = x.shape();
  shape.back() = Dim(width);
  Type type(DType::Float32, std::move(shape), x.type().row_stride);
  return make_value(std::make_unique<Columns>(Dim(start)), {x}, std::move(type));
}

inline Value tensor(std::vector<float> data, Shape shape) {
  auto buffer = Buffer::allocate(data.size() * sizeof(float));
  std::copy(data.begin(), data.end(), static_cast<float*>(buffer->data()));
  return constant(Type(DType::Float32, std::move(shape)), std::move(buffer));
}

inline std::shared_ptr<Variable> variable(std::vector<float> data, const std::string& name = "v") {
  auto buffer = Buffer::allocate(data.size() * sizeof(float));
  std::copy(data.begin(), data.end(), static_cast<float*>(buffer->data()));
  return Variable::create(Type(DType::Float32, {Dim(static_cast<int64_t>(data.size()))}), buffer, name);
}

inline std::vector<float> floats(const std::shared_ptr<Buffer>& buffer) {
  const auto* data = static_cast<const float*>(buffer->data());
  return {data, data + buffer->bytes() / sizeof(float)};
}

inline std::vector<float> floats(const Value& value) { return floats(value.node->result(value.index)); }

}  // namespace tiny::test
