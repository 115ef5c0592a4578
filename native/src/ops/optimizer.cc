#include "ops/optimizer.h"

#include <array>
#include <string>
#include <utility>

#include "kernels/optimizer/optimizer.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

using Targets = std::vector<std::shared_ptr<Variable>>;

// Updates read what they update from its new place, which holds the old version until they write it.
class Update : public Primitive {
 public:
  explicit Update(Targets targets) : targets_(std::move(targets)) {}
  Effect effect() const override { return Effect::Update; }
  std::span<const std::shared_ptr<Variable>> targets() const override { return targets_; }

 private:
  Targets targets_;
};

class Assign final : public Update {
 public:
  using Update::Update;
  const char* name() const override { return "assign"; }
  void forward(Run& run) const override {
    const View& value = run.input(1);
    if (value.data != run.output(0).data) copy_view(run.pool(), run.output(0).data, value);
  }
};

class AdamW final : public Update {
 public:
  AdamW(Targets targets, const AdamWOptions& options) : Update(std::move(targets)), options_(options) {}
  const char* name() const override { return "adamw"; }

  void forward(Run& run) const override {
    const View& grad = run.input(3);
    AdamWStep step;
    step.lr = run.input(4).as<float>()[0];
    step.clip = run.has(5) ? run.input(5).as<float>()[0] : 1;
    step.step = run.input(6).as<float>()[0];
    step.beta1 = options_.beta1;
    step.beta2 = options_.beta2;
    step.eps = options_.eps;
    step.weight_decay = options_.weight_decay;
    if (grad.dtype == DType::Float64) return update<double>(run, grad, step);
    update<float>(run, grad, step);
  }

 private:
  template <typename T>
  static void update(Run& run, const View& grad, const AdamWStep& step) {
    constexpr int64_t kGrain = 16384;  // elements: four streams of 64 KB
    const auto kernel = optimizer_table<T>().adamw;
    T *p = run.output(0).as<T>(), *m = run.output(1).as<T>(), *v = run.output(2).as<T>();
    const int64_t width = grad.width(), rows = grad.rows();
    if (grad.row_stride == width || rows == 1) {
      run.pool().ranges(grad.size(), kGrain, [&](int64_t begin, int64_t end) {
        kernel(p + begin, m + begin, v + begin, grad.as<T>() + begin, end - begin, step);
      });
      return;
    }
    run.pool().ranges(rows, std::max<int64_t>(1, kGrain / width), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t at = i * width;
        kernel(p + at, m + at, v + at, grad.as<T>() + i * grad.row_stride, width, step);
      }
    });
  }

  AdamWOptions options_;
};

void require_scalar(const char* input, const Value& value) {
  require_dtype("adamw", input, value, DType::Float32);
  if (!value || (value.shape().empty() || value.shape() == Shape{1})) return;
  throw Error(ErrorCode::Shape, "adamw", std::string(input) + " must be a scalar, not " + str(value.shape()));
}

void require_match(const char* op, const char* input, const Value& value, const Value& like) {
  require_dtype(op, input, value, like.dtype());
  if (value.shape() == like.shape()) return;
  throw Error(
      ErrorCode::Shape, op,
      std::string(input) + " has shape " + str(value.shape()) + ", the variable has " + str(like.shape()));
}

}  // namespace

std::shared_ptr<Variable> variable_of(const char* op, const Value& value) {
  if (const VariableRead* read = variable_read(*value.node)) return read->variable;
  const Primitive& primitive = *value.node->primitive;
  if (primitive.effect() == Effect::Update) return primitive.targets()[value.index];
  throw Error(ErrorCode::Option, op,
              std::string("only a variable can be updated, not the result of '") + primitive.name() + "'");
}

Value assign(const Value& variable, const Value& value) {
  Targets targets{variable_of("assign", variable)};
  require_match("assign", "the value", value, variable);
  return make_update(std::make_unique<Assign>(std::move(targets)), {variable, value}).front();
}

std::vector<Value> adamw(const Value& p, const Value& m, const Value& v, const Value& grad, const Value& lr,
                         const Value& clip, const Value& step, const AdamWOptions& options) {
  require_float("adamw", p.dtype());
  require_match("adamw", "m", m, p);
  require_match("adamw", "v", v, p);
  require_match("adamw", "grad", grad, p);
  require_scalar("lr", lr);
  require_scalar("clip", clip);
  require_scalar("step", step);
  const auto in_unit = [](double beta) { return beta >= 0 && beta < 1; };
  if (!in_unit(options.beta1) || !in_unit(options.beta2) || !(options.eps >= 0) ||
      !(options.weight_decay >= 0)) {
    throw Error(ErrorCode::Option, "adamw",
                "beta1 and beta2 must be in [0, 1), eps and weightDecay not negative");
  }
  Targets targets{variable_of("adamw", p), variable_of("adamw", m), variable_of("adamw", v)};
  if (targets[0] == targets[1] || targets[1] == targets[2] || targets[0] == targets[2]) {
    throw Error(ErrorCode::Option, "adamw", "p, m and v must be three variables");
  }
  return make_update(std::make_unique<AdamW>(std::move(targets), options), {p, m, v, grad, lr, clip, step});
}

std::span<const OpEntry> optimizer_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"assign",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         at.finish("assign");  // before the variable is bound
         return {assign(in[0], in[1])};
       }},
      {"adamw",
       [](Inputs in, const Attributes& at) -> Values {
         if (in.size() != 7) {
           throw Error(ErrorCode::Option, "", "takes p, m, v, grad, lr, clip (may be absent) and step");
         }
         for (const size_t i : {0, 1, 2, 3, 4, 6}) {
           if (!in[i]) throw Error(ErrorCode::Option, "", "input " + std::to_string(i) + " is missing");
         }
         const AdamWOptions options{at.number("beta1", 0.9), at.number("beta2", 0.999),
                                    at.number("eps", 1e-8), at.number("weightDecay", 0.01)};
         at.finish("adamw");  // before the variables are bound
         return adamw(in[0], in[1], in[2], in[3], in[4], in[5], in[6], options);
       }},
  };
  return entries;
}

}  // namespace tiny
