#include "graph/node.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "graph/variable.h"

namespace tiny {

namespace {

std::atomic<uint64_t> next_order{1};

// One lock for the result slots of all nodes: they are touched a handful of times an evaluation.
std::mutex& results_mutex() {
  static std::mutex* mutex = new std::mutex();
  return *mutex;
}

class Constant final : public Primitive {
 public:
  const char* name() const override { return "constant"; }
  void forward(Run&) const override {}
};

class Placeholder final : public Primitive {
 public:
  explicit Placeholder(int argument) : argument(argument) {}
  const char* name() const override { return "placeholder"; }
  void forward(Run&) const override {}
  const int argument;
};

}  // namespace

Type::Type(DType dtype, Shape shape) : dtype(dtype), shape(std::move(shape)), row_stride(width()) {}

Type::Type(DType dtype, Shape shape, Dim row_stride)
    : dtype(dtype), shape(std::move(shape)), row_stride(std::move(row_stride)) {}

Dim Type::rows() const {
  Dim product(1);
  for (size_t i = 0; i + 1 < shape.size(); ++i) product = product * shape[i];
  return product;
}

const Type& Value::type() const { return node->outputs[index]; }

Value GradientContext::input(size_t i) const { return node->inputs[i]; }

std::vector<Value> Primitive::gradient(const GradientContext&) const {
  throw Error(ErrorCode::Gradient, name(), "no gradient is defined for this op");
}

size_t Primitive::scratch(const Extent&) const { return 0; }

int Primitive::reuse(size_t) const { return -1; }

void Primitive::prepare(const Extent&, ThreadPool&) const {}

Node::Node(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs, std::vector<Type> outputs)
    : primitive(std::move(primitive)),
      inputs(std::move(inputs)),
      outputs(std::move(outputs)),
      order(next_order.fetch_add(1, std::memory_order_relaxed)),
      results_(this->outputs.size()) {}

Node::~Node() {
  // The outermost destructor on this thread drains a list that inner ones only append to.
  thread_local std::vector<std::shared_ptr<const Node>>* draining = nullptr;
  std::vector<std::shared_ptr<const Node>> own;
  auto* list = draining != nullptr ? draining : &own;
  for (Value& input : inputs) {
    if (input.node && input.node.use_count() == 1) list->push_back(std::move(input.node));
  }
  if (draining != nullptr) return;
  draining = &own;
  while (!own.empty()) {
    std::shared_ptr<const Node> next = std::move(own.back());
    own.pop_back();
    next.reset();
  }
  draining = nullptr;
}

std::shared_ptr<Buffer> Node::result(uint32_t output) const {
  std::lock_guard lock(results_mutex());
  return results_[output];
}

void Node::set_result(uint32_t output, std::shared_ptr<Buffer> buffer) const {
  std::lock_guard lock(results_mutex());
  if (!disposed_) results_[output] = std::move(buffer);
}

void Node::dispose(uint32_t output) const {
  std::shared_ptr<Buffer> dropped;
  std::lock_guard lock(results_mutex());
  dropped = std::move(results_[output]);
  if (is_constant(*this)) disposed_ = true;
}

bool Node::disposed() const {
  std::lock_guard lock(results_mutex());
  return disposed_;
}

void Node::set_failure(std::exception_ptr why) const {
  std::lock_guard lock(results_mutex());
  failure_ = std::move(why);
}

std::exception_ptr Node::failure() const {
  std::lock_guard lock(results_mutex());
  return failure_;
}

uint64_t newest_order() { return next_order.load(std::memory_order_relaxed) - 1; }

std::vector<Value> make_node(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs,
                             std::vector<Type> outputs) {
  auto node = std::make_shared<const Node>(std::move(primitive), std::move(inputs), std::move(outputs));
  std::vector<Value> values;
  for (uint32_t i = 0; i < node->outputs.size(); ++i) values.push_back({node, i});
  return values;
}

Value make_value(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs, Type output) {
  std::vector<Type> outputs;
  outputs.push_back(std::move(output));
  return make_node(std::move(primitive), std::move(inputs), std::move(outputs)).front();
}

std::vector<Value> make_update(std::shared_ptr<const Primitive> primitive, std::vector<Value> inputs) {
  const auto targets = primitive->targets();
  std::vector<Type> types;
  for (const auto& target : targets) types.push_back(target->type());
  const size_t count = targets.size();
  auto node = std::make_shared<Node>(std::move(primitive), std::move(inputs), std::move(types));
  Trace* trace = Trace::current();
  for (size_t i = 0; i < count; ++i) {
    node->versions.push_back(trace != nullptr ? kLatest : node->primitive->targets()[i]->claim());
  }
  std::vector<Value> values;
  for (uint32_t i = 0; i < count; ++i) {
    Value value{node, i};
    Variable& target = *node->primitive->targets()[i];
    if (trace != nullptr) {
      trace->bind(target, value);
    } else {
      target.bind(value, node->versions[i]);
    }
    values.push_back(std::move(value));
  }
  return values;
}

Value constant(Type type, std::shared_ptr<Buffer> buffer) {
  Value value = make_value(std::make_unique<Constant>(), {}, std::move(type));
  if (buffer) value.node->set_result(0, std::move(buffer));
  return value;
}

Value placeholder(Type type, int argument) {
  return make_value(std::make_unique<Placeholder>(argument), {}, std::move(type));
}

int placeholder_argument(const Node& node) {
  const auto* primitive = dynamic_cast<const Placeholder*>(node.primitive.get());
  return primitive == nullptr ? -1 : primitive->argument;
}

bool is_constant(const Node& node) { return dynamic_cast<const Constant*>(node.primitive.get()) != nullptr; }

}  // namespace tiny
