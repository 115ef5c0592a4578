#include "graph/plan.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "graph/fusion.h"
#include "graph/layout.h"

namespace tiny {

namespace {

bool is_update(const Node& node) { return node.primitive->effect() == Effect::Update; }

// Updates of graphs built by hand carry versions; one that has run is a read of what it wrote.
bool has_run(const Node& node, uint32_t output) {
  return is_update(node) && node.versions[output] != kLatest &&
         node.primitive->targets()[output]->committed() >= node.versions[output];
}

class Compiler {
 public:
  Compiler(Plan& plan, const std::vector<Value>& roots, const std::vector<Value>& updates)
      : plan_(plan), wanted_(roots) {
    wanted_.insert(wanted_.end(), updates.begin(), updates.end());
    collect();
    order();
    for (const auto& node : nodes_) add_step(node);
    for (const Value& root : roots) plan_.roots.push_back({value_of(root), false});
    drop_unread_steps();
    fuse_elementwise(plan_);
    keep_overwritten_versions();
    place_roots();
    find_lifetimes();
    list_variables();
  }

 private:
  // Whether a value is there before the plan runs.
  static bool is_leaf(const Value& value) {
    const Node& node = *value.node;
    if (is_update(node) && !node.result(value.index)) {
      if (const std::exception_ptr why = node.failure()) std::rethrow_exception(why);
    }
    return is_constant(node) || placeholder_argument(node) >= 0 || variable_read(node) != nullptr ||
           node.result(value.index) != nullptr || has_run(node, value.index);
  }

  // Nodes to be computed, without leaves.
  void collect() {
    std::vector<Value> stack(wanted_);
    std::unordered_set<const Node*> seen;
    while (!stack.empty()) {
      const Value value = std::move(stack.back());
      stack.pop_back();
      if (!value || is_leaf(value) || !seen.insert(value.node.get()).second) continue;
      nodes_.push_back(value.node);
      for (const Value& input : value.node->inputs) stack.push_back(input);
    }
    std::sort(nodes_.begin(), nodes_.end(), [](const auto& a, const auto& b) { return a->order < b->order; });
  }

  // Stage by stage, updates last in each.
  void order() {
    std::unordered_set<const Node*> computed;
    for (const auto& node : nodes_) computed.insert(node.get());
    bool explicit_update = false, symbolic = false;
    for (const auto& node : nodes_) {
      int stage = 0;
      for (const Value& input : node->inputs) {
        if (!input) continue;
        symbolic = symbolic || placeholder_argument(*input.node) >= 0;
        if (const VariableRead* read = variable_read(*input.node))
          symbolic = symbolic || read->version == kLatest;
        if (!computed.contains(input.node.get())) continue;
        stage = std::max(stage, stage_[input.node.get()] + (is_update(*input.node) ? 1 : 0));
      }
      stage_[node.get()] = stage;
      plan_.stages = std::max(plan_.stages, stage + 1);
      if (is_update(*node)) (node->versions.front() == kLatest ? symbolic : explicit_update) = true;
    }
    if (explicit_update && symbolic) {
      throw Error(
          ErrorCode::Option, "compile",
          "the function captures an update of a variable made outside of it; evaluate that update first");
    }
    std::stable_sort(nodes_.begin(), nodes_.end(), [&](const auto& a, const auto& b) {
      return std::pair(stage_[a.get()], is_update(*a)) < std::pair(stage_[b.get()], is_update(*b));
    });
  }

  int add_value(Type type, Storage storage) {
    PlannedValue value;
    value.type = std::move(type);
    value.storage = storage;
    plan_.values.push_back(std::move(value));
    return static_cast<int>(plan_.values.size()) - 1;
  }

  // The number of a value that a step before made, or of a leaf.
  int value_of(const Value& value) {
    auto& numbers = numbers_[value.node.get()];
    numbers.resize(value.node->outputs.size(), -1);
    if (numbers[value.index] >= 0) return numbers[value.index];
    const Node& node = *value.node;
    int number;
    if (node.result(value.index) || is_constant(node)) {
      if (node.disposed()) throw Error(ErrorCode::Disposed, "", "a tensor was used after dispose()");
      number = add_value(value.type(), Storage::Constant);
      plan_.values[number].constant = value;
      // Results are stored densely, whatever the node's own stride was.
      if (!is_constant(node)) plan_.values[number].type = Type(value.dtype(), value.shape());
    } else if (const int argument = placeholder_argument(node); argument >= 0) {
      number = add_value(value.type(), Storage::Argument);
      plan_.values[number].slot = argument;
      if (plan_.arguments.size() <= static_cast<size_t>(argument)) {
        plan_.arguments.resize(argument + 1);
        plan_.argument_used.resize(argument + 1, false);
      }
      plan_.arguments[argument] = value.type();
      plan_.argument_used[argument] = true;
    } else if (const VariableRead* read = variable_read(node)) {
      number = add_variable(read->variable, read->version);
    } else if (has_run(node, value.index)) {
      number = add_variable(node.primitive->targets()[value.index], node.versions[value.index]);
    } else {
      throw Error(ErrorCode::Internal, node.primitive->name(), "a value is used before it is computed");
    }
    numbers_[value.node.get()][value.index] = number;
    return number;
  }

  int add_variable(const std::shared_ptr<Variable>& variable, uint64_t version) {
    const int number = add_value(variable->type(), Storage::Variable);
    plan_.values[number].variable = variable;
    plan_.values[number].version = version;
    return number;
  }

  void add_step(const std::shared_ptr<const Node>& node) {
    PlannedStep step;
    step.primitive = node->primitive;
    step.versions = node->versions;
    step.stage = stage_[node.get()];
    step.update = is_update(*node);
    for (const Value& input : node->inputs) step.inputs.push_back(input ? value_of(input) : -1);
    const Effect effect = node->primitive->effect();
    std::vector<int> numbers;
    for (uint32_t i = 0; i < node->outputs.size(); ++i) {
      if (is_identity(*node, i)) {
        numbers.push_back(step.inputs[node->primitive->alias_input(i)]);
        continue;
      }
      const int number = add_value(node->outputs[i], Storage::Unwanted);
      PlannedValue& value = plan_.values[number];
      if (effect == Effect::Alias) {
        const size_t input = node->primitive->alias_input(i);
        value.storage = Storage::Alias;
        value.of = step.inputs[input];
        value.offset = node->primitive->alias_offset();
        follow_rows(node->inputs[input].type(), plan_.values[value.of].type, value);
      } else if (effect == Effect::Update) {
        value.storage = Storage::Variable;
        value.variable = node->primitive->targets()[i];
      }
      numbers.push_back(number);
    }
    numbers_[node.get()] = numbers;
    step.outputs = std::move(numbers);
    if (effect == Effect::Alias && !node->primitive->runs()) return;
    plan_.steps.push_back(std::move(step));
  }

  // Whether an output is its input under another name, as past a detach(): one value of the plan.
  static bool is_identity(const Node& node, uint32_t output) {
    const Primitive& primitive = *node.primitive;
    if (primitive.effect() != Effect::Alias || primitive.runs()) return false;
    const Type &from = node.inputs[primitive.alias_input(output)].type(), &to = node.outputs[output];
    return primitive.alias_offset() == Dim(0) && from.dtype == to.dtype && from.shape == to.shape &&
           (from.contiguous() ? to.contiguous() : from.row_stride == to.row_stride);
  }

  // An evaluated slice of columns is stored densely: the rows of its windows move closer together.
  static void follow_rows(const Type& built, const Type& stored, PlannedValue& window) {
    if (built.row_stride == stored.row_stride) return;
    const int64_t from = built.row_stride.value(), to = stored.row_stride.value();
    const auto moved = [&](int64_t elements) { return elements / from * to + elements % from; };
    Dim offset(moved(window.offset.constant()));
    for (const auto& [symbol, factor] : window.offset.terms())
      offset = offset + Dim::of(symbol) * moved(factor);
    window.offset = offset;
    if (window.type.row_stride == built.row_stride) window.type.row_stride = stored.row_stride;
  }

  // What only an input of a node asks for that passes others on (a checkpoint) is not computed.
  void drop_unread_steps() {
    std::vector<bool> read(plan_.values.size(), false);
    for (const PlannedRoot& root : plan_.roots) read[plan_.base_of(root.value)] = true;
    std::vector<PlannedStep> kept;
    for (auto step = plan_.steps.rbegin(); step != plan_.steps.rend(); ++step) {
      const bool needed = step->primitive->effect() != Effect::None ||
                          std::any_of(step->outputs.begin(), step->outputs.end(),
                                      [&](int output) { return read[plan_.base_of(output)]; });
      if (!needed) continue;
      for (const int input : step->inputs) {
        if (input >= 0) read[plan_.base_of(input)] = true;
      }
      kept.push_back(std::move(*step));
    }
    plan_.steps.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
  }

  // Last step that reads each base; roots read after the last.
  std::vector<int> last_uses() const {
    std::vector<int> last(plan_.values.size(), -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      for (const int input : plan_.steps[s].inputs) {
        if (input >= 0) last[plan_.base_of(input)] = static_cast<int>(s);
      }
    }
    for (const PlannedRoot& root : plan_.roots)
      last[plan_.base_of(root.value)] = static_cast<int>(plan_.steps.size());
    return last;
  }

  // A version that is read after a later update has written over it becomes a copy of its own.
  void keep_overwritten_versions() {
    const std::vector<int> last = last_uses();
    std::vector<std::pair<int, int>> copies;  // (step before which, value)
    const int count = static_cast<int>(plan_.values.size());
    std::vector<int> made(count, -1);
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      if (!plan_.steps[s].update) continue;
      for (const int output : plan_.steps[s].outputs) made[output] = static_cast<int>(s);
    }
    for (int number = 0; number < count; ++number) {
      const PlannedValue& value = plan_.values[number];
      if (value.storage != Storage::Variable) continue;
      for (size_t s = made[number] + 1; s < plan_.steps.size(); ++s) {
        const PlannedStep& step = plan_.steps[s];
        if (!step.update || last[number] <= static_cast<int>(s)) continue;
        const auto targets = step.primitive->targets();
        if (std::find(targets.begin(), targets.end(), value.variable) != targets.end()) {
          copies.emplace_back(made[number] + 1, number);
          break;
        }
      }
    }
    std::sort(copies.begin(), copies.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [at, number] : copies) {
      const int copy = add_value(plan_.values[number].type, Storage::Unwanted);
      const auto redirect = [&](int& use) {
        if (use == number) use = copy;
      };
      for (size_t s = at; s < plan_.steps.size(); ++s) {
        for (int& input : plan_.steps[s].inputs) redirect(input);
      }
      for (PlannedRoot& root : plan_.roots) redirect(root.value);
      for (PlannedValue& value : plan_.values) {
        if (value.storage == Storage::Alias) redirect(value.of);
      }
      PlannedStep step;
      step.inputs = {number};
      step.outputs = {copy};
      step.wanted = {true};
      step.stage = at == 0 ? 0 : plan_.steps[at - 1].stage;
      // Among the updates of its stage it must not fail either, and a copy cannot.
      step.update = at > 0;
      plan_.steps.insert(plan_.steps.begin() + at, std::move(step));
    }
  }

  // Roots that a kernel computes are written where they are wanted; the others are copied at the end.
  void place_roots() {
    std::vector<bool> computed(plan_.values.size(), false);
    for (const PlannedStep& step : plan_.steps) {
      if (step.update && step.primitive) continue;
      for (const int output : step.outputs) {
        computed[output] =
            plan_.values[output].storage == Storage::Unwanted && plan_.values[output].type.contiguous();
      }
    }
    for (size_t i = 0; i < plan_.roots.size(); ++i) {
      PlannedRoot& root = plan_.roots[i];
      PlannedValue& value = plan_.values[root.value];
      root.copied = !computed[root.value] || value.storage == Storage::Result;
      if (root.copied) continue;
      value.storage = Storage::Result;
      value.slot = static_cast<int>(i);
    }
  }

  // Gives every other computed value that is read a slot; a kernel that may work in place takes over
  // the slot of an input that nothing reads afterwards.
  void find_lifetimes() {
    const std::vector<int> last = last_uses();
    for (size_t s = 0; s < plan_.steps.size(); ++s) {
      PlannedStep& step = plan_.steps[s];
      const int now = static_cast<int>(s);
      for (size_t i = 0; i < step.outputs.size(); ++i) {
        const int output = step.outputs[i];
        PlannedValue& value = plan_.values[output];
        const bool used = last[output] >= 0 || value.storage != Storage::Unwanted;
        if (step.primitive) step.wanted.push_back(used);
        if (!used || value.storage != Storage::Unwanted) continue;
        value.storage = Storage::Arena;
        const int reused = step.primitive ? reusable_input(step, i, now, last) : -1;
        if (reused >= 0) {
          value.slot = plan_.values[reused].slot;
          plan_.slots[value.slot].last = last[output];
        } else {
          value.slot = static_cast<int>(plan_.slots.size());
          plan_.slots.push_back({output, now, last[output]});
        }
      }
    }
  }

  int reusable_input(const PlannedStep& step, size_t output, int now, const std::vector<int>& last) const {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] >= 0 && step.primitive->reuses(output, i) && reusable(step, i, output, now, last))
        return step.inputs[i];
    }
    return -1;
  }

  bool reusable(const PlannedStep& step, size_t index, size_t output, int now,
                const std::vector<int>& last) const {
    const int input = step.inputs[index];
    const PlannedValue& value = plan_.values[input];
    const Type& type = plan_.values[step.outputs[output]].type;
    if (value.storage != Storage::Arena || last[input] != now || plan_.slots[value.slot].last != now)
      return false;
    if (size_of(value.type.dtype) != size_of(type.dtype) || value.type.shape != type.shape) return false;
    if (!value.type.contiguous() || !type.contiguous()) return false;
    // Another operand in the same memory, or another output that took it over, would be overwritten.
    int uses = 0;
    for (const int other : step.inputs) uses += other >= 0 && plan_.base_of(other) == input;
    for (size_t i = 0; i < output; ++i) {
      const PlannedValue& other = plan_.values[step.outputs[i]];
      if (other.storage == Storage::Arena && other.slot == value.slot) return false;
    }
    return uses == 1;
  }

  void list_variables() {
    std::unordered_set<const Variable*> updated, read;
    for (const PlannedStep& step : plan_.steps) {
      if (!step.update || !step.primitive) continue;
      for (const auto& target : step.primitive->targets()) {
        if (updated.insert(target.get()).second) plan_.updated.push_back(target);
      }
    }
    for (const PlannedValue& value : plan_.values) {
      if (value.storage == Storage::Variable && read.insert(value.variable.get()).second) {
        plan_.read.push_back(value.variable);
      }
    }
  }

  Plan& plan_;
  std::vector<Value> wanted_;
  std::vector<std::shared_ptr<const Node>> nodes_;
  std::unordered_map<const Node*, int> stage_;
  std::unordered_map<const Node*, std::vector<int>> numbers_;
};

}  // namespace

Plan::Plan() : layouts_(std::make_unique<Layouts>()) {}

Plan::~Plan() = default;

std::shared_ptr<const Plan> Plan::compile(std::vector<Value> roots, std::vector<Value> updates) {
  auto plan = std::make_shared<Plan>();
  Compiler(*plan, roots, updates);
  return plan;
}

}  // namespace tiny
