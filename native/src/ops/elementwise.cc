#include "ops/elementwise.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <utility>

#include "graph/tiles.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/reduce.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Code = Elementwise;

// What a gradient builder sees: the arriving gradient, the op's inputs, output and parameters.
struct Backward {
  const GradientContext& context;
  double p, q;

  const Value& g() const { return context.gradients[0]; }
  Value in(size_t i) const { return context.input(i); }
  Value out() const { return context.output(0); }
};

using Gradients = std::array<Value, 3>;

struct Row {
  const char* name;
  // Of the inputs, each of the output's shape; null where there is none. Unwanted ones are dropped unbuilt by
  // `want`.
  Gradients (*gradient)(const Backward& b) = nullptr;
  std::array<const char*, 2> parameters = {};
};

template <typename Build>
Value want(const Backward& b, size_t input, const Build& build) {
  return b.context.wants[input] ? build() : Value{};
}

// Both gradients of a binary op.
template <typename A, typename B>
Gradients both(const Backward& b, const A& first, const B& second) {
  return {want(b, 0, first), want(b, 1, second)};
}

// The gradient of a maximum goes where x > other; swapped arguments make a minimum of it.
Value largest(const Backward& b, size_t x, size_t other) {
  return elementwise(Code::MaximumGradient, {b.g(), b.in(x), b.in(other)});
}

template <Code kGradient>
Gradients from_output(const Backward& b) {
  return {elementwise(kGradient, {b.g(), b.out()})};
}

template <Code kGradient>
Gradients from_input(const Backward& b) {
  return {elementwise(kGradient, {b.g(), b.in(0)}, b.p, b.q)};
}

// One row per op, in the order of formulas.inc; those of gradients' own ops have a name only.
constexpr Row kRows[] = {
    {"add",
     [](const Backward& b) {
       return Gradients{b.g(), b.g()};
     }},
    {"sub",
     [](const Backward& b) {
       return both(
           b, [&] { return b.g(); }, [&] { return neg(b.g()); });
     }},
    {"mul",
     [](const Backward& b) {
       return both(
           b, [&] { return mul(b.g(), b.in(1)); }, [&] { return mul(b.g(), b.in(0)); });
     }},
    {"div",
     [](const Backward& b) {
       return both(
           b, [&] { return div(b.g(), b.in(1)); }, [&] { return neg(div(mul(b.g(), b.out()), b.in(1))); });
     }},
    {"maximum",
     [](const Backward& b) {
       return both(
           b, [&] { return largest(b, 0, 1); }, [&] { return largest(b, 1, 0); });
     }},
    {"minimum",
     [](const Backward& b) {
       return both(
           b,
           [&] {
             return elementwise(Code::MaximumGradient, {b.g(), b.in(1), b.in(0)});
           },
           [&] {
             return elementwise(Code::MaximumGradient, {b.g(), b.in(0), b.in(1)});
           });
     }},
    {"neg", [](const Backward& b) { return Gradients{neg(b.g())}; }},
    {"exp", [](const Backward& b) { return Gradients{mul(b.g(), b.out())}; }},
    {"log", [](const Backward& b) { return Gradients{div(b.g(), b.in(0))}; }},
    {"sqrt", [](const Backward& b) { return Gradients{div(scale(b.g(), 0.5), b.out())}; }},
    {"rsqrt",
     [](const Backward& b) { return Gradients{scale(mul(b.g(), mul(b.out(), square(b.out()))), -0.5)}; }},
    {"square", [](const Backward& b) { return Gradients{mul(scale(b.g(), 2), b.in(0))}; }},
    {"abs", from_input<Code::AbsGradient>},
    {"tanh", from_output<Code::TanhGradient>},
    {"sigmoid", from_output<Code::SigmoidGradient>},
    {"relu", from_output<Code::ReluGradient>},
    {"gelu", from_input<Code::GeluGradient>},
    {"geluTanh", from_input<Code::GeluTanhGradient>},
    {"silu", from_input<Code::SiluGradient>},
    {"pow", from_input<Code::PowGradient>, {"exponent"}},
    {"clamp", from_input<Code::ClampGradient>, {"min", "max"}},
    {"where",
     [](const Backward& b) {
       const Value zero = full({}, 0, b.g().dtype());
       return Gradients{Value{}, want(b, 1, [&] { return where(b.in(0), b.g(), zero); }),
                        want(b, 2, [&] { return where(b.in(0), zero, b.g()); })};
     }},
    {"scale", [](const Backward& b) { return Gradients{scale(b.g(), b.p)}; }, {"factor"}},
    {"maximumGradient"},
    {"absGradient"},
    {"tanhGradient"},
    {"sigmoidGradient"},
    {"reluGradient"},
    {"geluGradient"},
    {"geluTanhGradient"},
    {"siluGradient"},
    {"powGradient"},
    {"clampGradient"},
};
static_assert(std::size(kRows) == kElementwiseCount, "a row for every formula");

constexpr const Row& row_of(Code code) { return kRows[static_cast<size_t>(code)]; }

// Whether a tensor of shape `x` can be spread to `shape`, and how.
bool spreads(const Shape& x, const Shape& shape, Spread* how) {
  if (x == shape) {
    *how = Spread::Full;
  } else if (x.empty()) {
    *how = Spread::Scalar;
  } else if (x.size() == 1 && !shape.empty() && shape.back() == x[0]) {
    *how = Spread::Row;
  } else if (x.size() == shape.size() && x.back() == Dim(1) &&
             std::equal(x.begin(), x.end() - 1, shape.begin())) {
    *how = Spread::Column;
  } else {
    return false;
  }
  return true;
}

// The sum over what spreading repeated: the adjoint of spreads().
Value gathered(const Value& gradient, const Shape& shape) {
  Spread how;
  spreads(shape, gradient.shape(), &how);
  switch (how) {
    case Spread::Full:
      return gradient;
    case Spread::Row:
      return sum(gradient, Axis::Rows);
    case Spread::Column:
      return reshape(sum(gradient, Axis::Last), shape);
    case Spread::Scalar:
      return sum(gradient, Axis::All);
    case Spread::Whole:
      break;
  }
  return {};
}

class ElementwiseOp final : public Primitive, public Tiled {
 public:
  ElementwiseOp(Code code, double p, double q, std::span<const Value> inputs, const Type& type)
      : code_(code), p_(p), q_(q), dtype_(type.dtype) {
    for (size_t i = 0; i < inputs.size(); ++i) spreads(inputs[i].shape(), type.shape, &spread_[i]);
    integers_ = inputs[0].dtype() == DType::Int32;
  }

  const char* name() const override { return row_of(code_).name; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t input) const override { return spread_[input]; }
  bool reuses(size_t, size_t input) const override { return spread_[input] == Spread::Full; }
  void forward(Run& run) const override { run_tiles(*this, inputs(), run); }

  void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept override {
    dtype_ == DType::Float64 ? compute<double>(inputs, out, area.n) : compute<float>(inputs, out, area.n);
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const auto build = row_of(code_).gradient;
    if (build == nullptr) return Primitive::gradient(context);
    const Gradients full = build({context, p_, q_});
    std::vector<Value> gradients;
    for (size_t i = 0; i < context.node->inputs.size(); ++i) {
      const bool flows = context.wants[i] && full[i];
      gradients.push_back(flows ? gathered(full[i], context.input(i).shape()) : Value{});
    }
    return gradients;
  }

 private:
  size_t inputs() const { return static_cast<size_t>(kElementwiseInputs[static_cast<size_t>(code_)]); }

  template <typename T>
  void compute(const void* const* inputs, void* out, int64_t n) const noexcept {
    const T* operands[3];
    for (int i = 0; i < 3; ++i) operands[i] = static_cast<const T*>(inputs[i]);
    // Conditions may be int32.
    alignas(64) T condition[kTileBytes / sizeof(T)];
    if (integers_) {
      for (int64_t i = 0; i < n; ++i)
        condition[i] = static_cast<T>(static_cast<const int32_t*>(inputs[0])[i]);
      operands[0] = condition;
    }
    elementwise_kernel<T>(code_)(operands[0], operands[1], operands[2], static_cast<T*>(out), n,
                                 static_cast<T>(p_), static_cast<T>(q_));
  }

  Code code_;
  double p_, q_;
  DType dtype_;
  bool integers_ = false;
  std::array<Spread, 3> spread_ = {};
};

double parameter(const Attributes& attributes, Code code, size_t i) {
  const char* name = row_of(code).parameters[i];
  if (name == nullptr) return 0;
  // A bound that is not given does not bind.
  if (code == Code::Clamp) {
    const double infinity = std::numeric_limits<double>::infinity();
    return attributes.number(name, i == 0 ? -infinity : infinity);
  }
  return attributes.number(name);
}

template <Code kCode>
std::vector<Value> build(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, kElementwiseInputs[static_cast<size_t>(kCode)]);
  return {elementwise(kCode, {inputs.begin(), inputs.end()}, parameter(attributes, kCode, 0),
                      parameter(attributes, kCode, 1))};
}

constexpr size_t kNamed = static_cast<size_t>(Code::MaximumGradient);

template <size_t... kIndex>
constexpr std::array<OpEntry, sizeof...(kIndex)> entries(std::index_sequence<kIndex...>) {
  return {OpEntry{kRows[kIndex].name, build<static_cast<Code>(kIndex)>}...};
}

}  // namespace

Value elementwise(Code code, std::vector<Value> inputs, double p, double q) {
  const char* name = row_of(code).name;
  const size_t first = code == Code::Where ? 1 : 0;
  const DType dtype = inputs[first].dtype();
  require_float(name, dtype);
  Shape shape;
  Spread how;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (i >= first || inputs[i].dtype() != DType::Int32) {
      require_dtype(name, ("input " + std::to_string(i)).c_str(), inputs[i], dtype);
    }
    if (!spreads(inputs[i].shape(), shape, &how)) shape = inputs[i].shape();
  }
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (spreads(inputs[i].shape(), shape, &how)) continue;
    throw Error(
        ErrorCode::Shape, name,
        "input " + std::to_string(i) + " of shape " + str(inputs[i].shape()) + " does not fit " + str(shape) +
            ": shapes must be equal, or one a scalar [], a row [width] or a column [.., 1] of the other",
        {{"shape", str(inputs[i].shape())}, {"other", str(shape)}});
  }
  Type type(dtype, std::move(shape));
  auto op = std::make_unique<ElementwiseOp>(code, p, q, inputs, type);
  return make_value(std::move(op), std::move(inputs), std::move(type));
}

Value add(const Value& a, const Value& b) { return elementwise(Code::Add, {a, b}); }

std::span<const OpEntry> elementwise_ops() {
  static constexpr auto list = entries(std::make_index_sequence<kNamed>());
  return list;
}

}  // namespace tiny
