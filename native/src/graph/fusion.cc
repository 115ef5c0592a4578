#include "graph/fusion.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "graph/tiles.h"

namespace tiny {

namespace {

std::atomic<bool> enabled{true};

// Profiles refer to names when the plans are gone.
const char* interned(const std::string& name) {
  static auto* mutex = new std::mutex();
  static auto* names = new std::set<std::string>();
  std::lock_guard lock(*mutex);
  return names->insert(name).first->c_str();
}

class Fused final : public Primitive {
 public:
  Fused(std::vector<std::shared_ptr<const Primitive>> parts, const TileProgram& program)
      : parts_(std::move(parts)), program_(program) {
    std::string name;
    for (const auto& part : parts_) name += (name.empty() ? "" : "+") + std::string(part->name());
    name_ = interned(name);
  }
  const char* name() const override { return name_; }
  void forward(Run& run) const override { run_tiles(program_, run); }

  // A tile is written after everything has read its place.
  bool reuses(size_t, size_t input) const override {
    bool full = true;
    for (int i = 0; i < program_.reader_count; ++i) {
      const TileProgram::Reader& reader = program_.readers[i];
      full = full && (reader.input != static_cast<int>(input) || reader.spread == Spread::Full);
    }
    return full;
  }

 private:
  const std::vector<std::shared_ptr<const Primitive>> parts_;
  const TileProgram program_;
  const char* name_;
};

class Fusion {
 public:
  explicit Fusion(Plan& plan) : plan_(plan), steps_(plan.steps), count_(static_cast<int>(plan.steps.size())) {
    const size_t values = plan.values.size();
    readers_.resize(values);
    elsewhere_.resize(values, false);
    last_.resize(values, -1);
    group_.resize(steps_.size(), -1);
    members_.resize(steps_.size());
    for (int s = 0; s < count_; ++s) {
      for (const int input : steps_[s].inputs) {
        if (input < 0) continue;
        const int base = plan.base_of(input);
        if (base != input) {
          elsewhere_[base] = true;
        } else if (readers_[input].empty() || readers_[input].back() != s) {
          readers_[input].push_back(s);
        }
      }
    }
    for (const PlannedRoot& root : plan.roots) {
      elsewhere_[plan.base_of(root.value)] = true;
      last_[plan.base_of(root.value)] = count_;
    }
  }

  void run() {
    // Newest first: a step joins those that read it.
    for (int s = count_ - 1; s >= 0; --s) {
      int at = s;
      if (tiled(s) != nullptr && steps_[s].outputs.size() == 1) {
        const int root = readers_root(s);
        at = root >= 0 && may_join(s, root) ? root : s;
        group_[s] = at;
        members_[at].insert(members_[at].begin(), s);
      }
      for (const int input : steps_[s].inputs) {
        if (input >= 0) last_[plan_.base_of(input)] = std::max(last_[plan_.base_of(input)], at);
      }
    }
    replace();
  }

 private:
  const Tiled* tiled(int step) const {
    return steps_[step].primitive ? steps_[step].primitive->tiled() : nullptr;
  }
  const Type& type_of(int step) const { return plan_.values[steps_[step].outputs[0]].type; }

  // The last step of the group that alone reads what `step` computes, all of it at the same place, or -1.
  int readers_root(int step) const {
    const int value = steps_[step].outputs[0];
    if (elsewhere_[value] || readers_[value].empty()) return -1;
    const int root = group_[readers_[value].front()];
    for (const int reader : readers_[value]) {
      if (group_[reader] < 0 || group_[reader] != root) return -1;
      for (size_t i = 0; i < steps_[reader].inputs.size(); ++i) {
        if (steps_[reader].inputs[i] == value && tiled(reader)->spread(i) != Spread::Full) return -1;
      }
    }
    return root;
  }

  bool may_join(int step, int root) const {
    if (steps_[step].stage != steps_[root].stage || type_of(step).shape != type_of(root).shape) return false;
    bool adjacent = true;
    for (int s = step + 1; s < root; ++s) {
      const auto& primitive = steps_[s].primitive;
      // A cache append changes what is read before it.
      if (!primitive || primitive->effect() != Effect::None) return false;
      adjacent = adjacent && group_[s] == root;
    }
    if (!adjacent && keeps_more(step, root)) return false;
    std::vector<int> members = members_[root], inputs;
    members.insert(members.begin(), step);
    return program_of(members, inputs).has_value();
  }

  // Whether computing a step as late as `root` keeps more than its result alive until then.
  bool keeps_more(int step, int root) const {
    const size_t size = size_of(type_of(step).dtype);
    std::set<int> kept;
    for (size_t i = 0; i < steps_[step].inputs.size(); ++i) {
      const int input = steps_[step].inputs[i];
      if (input < 0 || tiled(step)->spread(i) != Spread::Full) continue;
      const int base = plan_.base_of(input);
      const PlannedValue& value = plan_.values[base];
      if (value.storage != Storage::Unwanted || last_[base] >= root) continue;
      if (base != input || size_of(value.type.dtype) > size) return true;
      kept.insert(base);
    }
    return kept.size() > 1;
  }

  // The program of steps in their order, and the values that it reads; empty where it would be too large.
  std::optional<TileProgram> program_of(const std::vector<int>& members, std::vector<int>& inputs) const {
    if (members.size() > TileProgram::kMembers) return {};
    TileProgram program;
    std::vector<int> buffers(plan_.values.size(), -1), uses(plan_.values.size(), 0), free;
    for (const int step : members) {
      for (const int input : steps_[step].inputs) uses[std::max(input, 0)] += input >= 0;
    }
    for (const int step : members) {
      const auto size = static_cast<int64_t>(size_of(type_of(step).dtype));
      TileProgram::Member& member = program.members[program.member_count++];
      member.op = tiled(step);
      if (steps_[step].inputs.size() > TileProgram::kOperands) return {};
      std::vector<int> released;
      for (const int input : steps_[step].inputs) {
        const auto place = static_cast<size_t>(member.count);
        int& operand = member.operands[member.count++];
        if (input < 0) return {};
        if (buffers[input] >= 0) {
          operand = ~buffers[input];
          const bool alike = size_of(plan_.values[input].type.dtype) == static_cast<size_t>(size);
          if (--uses[input] == 0) (alike ? free : released).push_back(buffers[input]);
          continue;
        }
        auto known = std::find(inputs.begin(), inputs.end(), input);
        if (known == inputs.end()) known = inputs.insert(known, input);
        operand = program.read(static_cast<int>(known - inputs.begin()), member.op->spread(place),
                               size_of(plan_.values[input].type.dtype));
        if (operand < 0) return {};
      }
      program.widest = std::max(program.widest, size);
      if (step != members.back()) {
        if (free.empty()) {
          member.result = program.buffer();
          if (member.result < 0) return {};
        } else {
          member.result = free.back();
          free.pop_back();
        }
        buffers[steps_[step].outputs[0]] = member.result;
      }
      free.insert(free.end(), released.begin(), released.end());
    }
    return program;
  }

  void replace() {
    std::vector<PlannedStep> steps;
    for (int s = 0; s < count_; ++s) {
      if (group_[s] >= 0 && group_[s] != s) continue;
      if (members_[s].size() > 1) {
        std::vector<int> inputs;
        std::vector<std::shared_ptr<const Primitive>> parts;
        for (const int member : members_[s]) parts.push_back(steps_[member].primitive);
        const TileProgram program = *program_of(members_[s], inputs);
        steps_[s].primitive = std::make_shared<Fused>(std::move(parts), program);
        steps_[s].inputs = std::move(inputs);
      }
      steps.push_back(std::move(steps_[s]));
    }
    steps_ = std::move(steps);
  }

  Plan& plan_;
  std::vector<PlannedStep>& steps_;
  const int count_;
  std::vector<std::vector<int>> readers_;  // by value: the steps that read it as it is
  std::vector<bool> elsewhere_;            // by value: whether windows of it are read, or it is a root
  std::vector<int> last_;                  // by value: the last step that reads its memory, as far as known
  std::vector<int> group_;                 // by step: the last step of its group; -1 for other ops
  std::vector<std::vector<int>> members_;  // by last step, in order
};

}  // namespace

void fuse_elementwise(Plan& plan) {
  if (enabled.load(std::memory_order_relaxed)) Fusion(plan).run();
}

void set_fusion(bool on) { enabled.store(on); }

}  // namespace tiny
