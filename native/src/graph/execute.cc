#include "graph/execute.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "graph/layout.h"
#include "runtime/arena.h"

namespace tiny {

namespace {

struct Profile {
  std::atomic<bool> on{false};
  std::mutex mutex;
  std::map<std::string_view, OpTime> times;
};

Profile& profiling() {
  static Profile* only = new Profile();
  return *only;
}

void copy_dense(const View& from, void* to) {
  const size_t size = size_of(from.dtype);
  const size_t row = static_cast<size_t>(from.width()) * size;
  if (from.bytes() == 0) return;
  if (from.dims.size() < 2 || from.row_stride == from.width()) {
    std::memcpy(to, from.data, from.bytes());
    return;
  }
  for (int64_t r = 0; r < from.rows(); ++r) {
    std::memcpy(static_cast<std::byte*>(to) + r * row,
                static_cast<const std::byte*>(from.data) + r * from.row_stride * size, row);
  }
}

}  // namespace

// One run of a plan. Its life: bind (sizes, contents), prepare (packing), reserve (all memory), run
// (kernels, then updates), deliver. Only `run` touches values; what precedes it leaves no trace.
class Execution final : public Run {
 public:
  Execution(const Plan& plan, const Call& call, ThreadPool& pool, const Cancellation* cancellation)
      : plan_(plan), call_(call), cancellation_(cancellation) {
    pool_ = &pool;
    memory_.resize(plan.values.size(), nullptr);
    plain_.resize(plan.values.size(), false);
    held_.resize(plan.values.size());
  }

  void run() {
    stop_if_cancelled();
    check_variables();
    prepare();
    reserve();
    try {
      for (size_t s = 0; s < plan_.steps.size(); ++s) step(s);
    } catch (...) {
      restore();
      throw;
    }
    commit();
    deliver();
  }

 private:
  static Error failure(ErrorCode code, const std::string& what) { return Error(code, "evaluate", what); }

  void stop_if_cancelled() const {
    if (cancellation_ == nullptr || !cancellation_->cancelled()) return;
    throw Error(ErrorCode::Aborted, "evaluate", "the evaluation was cancelled");
  }

  void check_variables() const {
    for (const auto& variable : plan_.read) {
      if (variable->disposed()) {
        throw failure(ErrorCode::Disposed, "the variable '" + variable->name() + "' was disposed of");
      }
    }
    for (const PlannedStep& step : plan_.steps) {
      if (!step.update || !step.primitive) continue;
      for (size_t i = 0; i < step.outputs.size(); ++i) {
        const uint64_t version = step.versions[i];
        if (version == kLatest || step.primitive->targets()[i]->committed() < version) continue;
        throw failure(ErrorCode::Stale,
                      "an update of '" + step.primitive->targets()[i]->name() + "' has run already");
      }
    }
    for (const PlannedValue& value : plan_.values) {
      if (value.storage != Storage::Variable || value.version == kLatest) continue;
      if (value.variable->committed() == value.version) continue;
      throw Error(ErrorCode::Stale, "evaluate",
                  "the graph reads version " + std::to_string(value.version) + " of '" +
                      value.variable->name() + "', which was overwritten by version " +
                      std::to_string(value.variable->committed()) +
                      "; build the graph again, or evaluate it before updating",
                  {{"variable", value.variable->name()}});
    }
  }

  void prepare() {
    for (const auto& variable : plan_.updated) variable->make_writable();
    for (const PlannedStep& step : plan_.steps) {
      if (step.primitive && step.primitive->effect() == Effect::Alias) written_through(step)->make_writable();
    }
    layout_ = &plan_.layouts().get(
        plan_, call_.sizes, [this](const PlannedStep& step, const std::vector<View>& views) {
          if (!step.primitive) return size_t{0};
          gather(step, views);
          const Extent extent{inputs_, outputs_, variables_, pool_->size(), step.wanted};
          step.primitive->prepare(extent, *pool_);
          note_plain_reads(step, extent);
          return step.primitive->scratch(extent);
        });
    let_plain_forms_go();
  }

  void note_plain_reads(const PlannedStep& step, const Extent& extent) {
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      if (step.inputs[i] < 0) continue;
      const int base = plan_.base_of(step.inputs[i]);
      if (plan_.values[base].storage != Storage::Variable) continue;
      if (base != step.inputs[i] || step.primitive->reads(extent, i)) plain_[base] = true;
    }
  }

  // Variables that every step reads in a derived form need not be held twice.
  void let_plain_forms_go() {
    for (const PlannedStep& step : plan_.steps) {
      if (step.primitive && !step.update) continue;
      for (const int number : step.inputs) {
        if (number >= 0) plain_[plan_.base_of(number)] = true;
      }
      for (const int number : step.outputs) plain_[number] = true;
    }
    for (const PlannedRoot& root : plan_.roots) plain_[plan_.base_of(root.value)] = true;
    std::vector<const Variable*> kept;
    for (size_t i = 0; i < plain_.size(); ++i) {
      if (plain_[i]) kept.push_back(plan_.values[i].variable.get());
    }
    for (size_t i = 0; i < plain_.size(); ++i) {
      const auto& variable = plan_.values[i].variable;
      if (plain_[i] || !variable) continue;
      const auto held = variable->held();
      if (!held || held->mapped()) continue;
      if (std::find(kept.begin(), kept.end(), variable.get()) == kept.end()) variable->let_go();
    }
  }

  // The variable that a cache append writes into.
  Variable* written_through(const PlannedStep& step) const {
    int base = step.inputs.front();
    while (plan_.values[base].storage == Storage::Alias) base = plan_.values[base].of;
    if (Variable* variable = variable_of(base)) return variable;
    throw Error(ErrorCode::Option, step.primitive->name(),
                "writes into its first operand, which must be a variable");
  }

  // Fills the operand lists of a step from `views`.
  void gather(const PlannedStep& step, const std::vector<View>& views) {
    static const View absent;
    inputs_.resize(step.inputs.size());
    variables_.resize(step.inputs.size());
    for (size_t i = 0; i < step.inputs.size(); ++i) {
      const int number = step.inputs[i];
      inputs_[i] = number < 0 ? absent : views[number];
      variables_[i] = number < 0 ? nullptr : unchanged(variable_of(number));
    }
    outputs_.resize(step.outputs.size());
    for (size_t i = 0; i < step.outputs.size(); ++i) outputs_[i] = views[step.outputs[i]];
    wanted_ = step.wanted;
  }

  // Null for a variable that may be read after an update within this call: forms derived from its
  // contents before would be out of date.
  Variable* unchanged(Variable* variable) const {
    if (variable == nullptr || plan_.stages == 1) return variable;
    for (const auto& updated : plan_.updated) {
      if (updated.get() == variable) return nullptr;
    }
    return variable;
  }

  Variable* variable_of(int number) const {
    const PlannedValue& value = plan_.values[number];
    if (value.storage == Storage::Variable) return value.variable.get();
    if (value.storage != Storage::Argument) return nullptr;
    const size_t argument = static_cast<size_t>(value.slot);
    return argument < call_.arguments.size() ? call_.arguments[argument].variable.get() : nullptr;
  }

  // Everything that can fail for want of memory happens here.
  void reserve() {
    for (size_t i = 0; i < plan_.roots.size(); ++i) {
      const View& view = layout_->views[plan_.roots[i].value];
      const Destination& destination = call_.results[i];
      if (destination.buffer && destination.buffer->bytes() < view.bytes()) {
        throw failure(ErrorCode::Internal, "the buffer of result " + std::to_string(i) + " is too small");
      }
      results_.push_back(destination.buffer ? destination.buffer : Buffer::allocate(view.bytes()));
    }
    if (plan_.stages > 1) {
      for (const auto& variable : plan_.updated) {
        const auto contents = variable->contents();
        undo_.push_back(Buffer::allocate(contents->bytes()));
        std::memcpy(undo_.back()->data(), contents->data(), contents->bytes());
      }
    }
    arena_.emplace(layout_->arena);
    views_ = layout_->views;
    for (size_t number = 0; number < views_.size(); ++number) place(static_cast<int>(number));
    for (size_t number = 0; number < views_.size(); ++number) place_alias(static_cast<int>(number));
  }

  void place(int number) {
    const PlannedValue& value = plan_.values[number];
    switch (value.storage) {
      case Storage::Arena:
        memory_[number] = arena_->data() + layout_->slot_offsets[value.slot];
        break;
      case Storage::Result:
        memory_[number] = results_[value.slot]->data();
        break;
      case Storage::Constant:
        hold(number, tensor(value.constant), "a tensor");
        break;
      case Storage::Variable:
        // What no step reads may have been let go of.
        if (!plain_[number] && !value.variable->held() && !value.variable->disposed()) return;
        hold(number, value.variable->contents(), value.variable->name().c_str());
        break;
      case Storage::Argument:
        hold(number, argument(value.slot), "an argument");
        break;
      case Storage::Alias:
      case Storage::Unwanted:
        return;
    }
    views_[number].data = memory_[number];
  }

  void place_alias(int number) {
    if (plan_.values[number].storage != Storage::Alias) return;
    int64_t offset = 0;
    int base = number;
    for (; plan_.values[base].storage == Storage::Alias; base = plan_.values[base].of) {
      offset += layout_->alias_offsets[base];
    }
    auto* data = static_cast<std::byte*>(memory_[base]);
    if (data != nullptr)
      views_[number].data = data + offset * static_cast<int64_t>(size_of(views_[number].dtype));
  }

  void hold(int number, std::shared_ptr<Buffer> buffer, const char* what) {
    const View& view = views_[number];
    if (!buffer || buffer->bytes() < view.bytes()) {
      throw Error(ErrorCode::Shape, "evaluate",
                  std::string(what) + " has " + std::to_string(buffer ? buffer->bytes() : 0) +
                      " bytes where " + str(plan_.values[number].type.shape) + " needs " +
                      std::to_string(view.bytes()));
    }
    memory_[number] = buffer->data();
    held_[number] = std::move(buffer);
  }

  static std::shared_ptr<Buffer> tensor(const Value& value) {
    if (auto buffer = value.node->result(value.index)) return buffer;
    if (value.node->disposed()) throw failure(ErrorCode::Disposed, "a tensor was used after dispose()");
    throw failure(ErrorCode::Disposed,
                  "a tensor has no contents: the call that was to compute it failed or was cancelled");
  }

  std::shared_ptr<Buffer> argument(int number) const {
    if (static_cast<size_t>(number) >= call_.arguments.size()) {
      throw failure(ErrorCode::Internal, "argument " + std::to_string(number) + " is missing");
    }
    const Argument& given = call_.arguments[number];
    if (given.buffer) return given.buffer;
    if (given.variable) {
      if (given.variable->disposed()) {
        throw failure(ErrorCode::Disposed, "the variable '" + given.variable->name() + "' was disposed of");
      }
      return given.variable->contents();
    }
    return tensor(given.tensor);
  }

  void step(size_t index) {
    const PlannedStep& step = plan_.steps[index];
    if (!step.update) stop_if_cancelled();
    if (!step.primitive) {
      copy_dense(views_[step.inputs[0]], views_[step.outputs[0]].data);
      return;
    }
    gather(step, views_);
    scratch_ = layout_->scratch[index] > 0 ? arena_->data() + layout_->scratch_offsets[index] : nullptr;
    const bool timed = profiling().on.load(std::memory_order_relaxed);
    const auto start = timed ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    const char* name = step.primitive->name();
    try {
      step.primitive->forward(*this);
    } catch (const Error& error) {
      if (!error.op().empty()) throw;
      throw Error(error.code(), name, error.what(), error.facts());
    }
    if (timed) record(name, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }

  static void record(const char* op, double seconds) {
    std::lock_guard lock(profiling().mutex);
    OpTime& time = profiling().times.try_emplace(op, OpTime{op, 0, 0}).first->second;
    time.calls += 1;
    time.seconds += seconds;
  }

  void restore() {
    for (size_t i = 0; i < undo_.size(); ++i) {
      const auto contents = plan_.updated[i]->contents();
      std::memcpy(contents->data(), undo_[i]->data(), undo_[i]->bytes());
    }
  }

  void commit() {
    for (size_t i = 0; i < call_.versions.size(); ++i) plan_.updated[i]->commit(call_.versions[i]);
    for (const PlannedStep& step : plan_.steps) {
      if (!step.update || !step.primitive) continue;
      const auto targets = step.primitive->targets();
      for (size_t i = 0; i < targets.size(); ++i) {
        if (step.versions[i] != kLatest) targets[i]->commit(step.versions[i]);
      }
    }
    for (const auto& variable : plan_.updated) variable->drop_derived();
  }

  void deliver() {
    for (size_t i = 0; i < plan_.roots.size(); ++i) {
      if (plan_.roots[i].copied) copy_dense(views_[plan_.roots[i].value], results_[i]->data());
      const Value& tensor = call_.results[i].tensor;
      if (tensor) tensor.node->set_result(tensor.index, results_[i]);
    }
  }

  const Plan& plan_;
  const Call& call_;
  const Cancellation* cancellation_;
  const Layout* layout_ = nullptr;
  std::vector<View> views_;
  std::vector<void*> memory_;  // by value: start of its memory
  std::vector<bool> plain_;    // by value: whether a variable's own memory is looked at
  std::vector<std::shared_ptr<Buffer>>
      held_;  // keeps contents alive whatever JavaScript disposes of meanwhile
  std::vector<std::shared_ptr<Buffer>> results_, undo_;
  std::optional<ArenaLease> arena_;
};

void execute(const Plan& plan, const Call& call, ThreadPool& pool, const Cancellation* cancellation) {
  if (call.results.size() != plan.roots.size()) {
    throw Error(ErrorCode::Internal, "evaluate", "as many results as roots are needed");
  }
  try {
    Execution(plan, call, pool, cancellation).run();
  } catch (...) {
    // The claimed versions hold the old contents: what was enqueued after this call reads them.
    for (size_t i = 0; i < call.versions.size(); ++i) plan.updated[i]->commit(call.versions[i]);
    throw;
  }
}

void set_profiling(bool on) {
  std::lock_guard lock(profiling().mutex);
  if (on) profiling().times.clear();
  profiling().on.store(on);
}

std::vector<OpTime> profile() {
  std::lock_guard lock(profiling().mutex);
  std::vector<OpTime> times;
  for (const auto& [name, time] : profiling().times) times.push_back(time);
  std::sort(times.begin(), times.end(),
            [](const OpTime& a, const OpTime& b) { return a.seconds > b.seconds; });
  return times;
}

}  // namespace tiny
