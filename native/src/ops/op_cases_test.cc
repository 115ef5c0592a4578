// Checks generated from the table of op cases; see op_cases.h. TINY_OP_CASES=text runs only cases whose name
// has the text.
#include "ops/op_cases.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "ops/accumulate.h"

namespace tiny {

namespace {

constexpr uint64_t kSeed = 20;
constexpr int kGradientTrials = 2;
constexpr int64_t kPerturbed = 8;  // elements of each input

// The sum over float outputs of sum(output * weights): one number whose gradient exercises all of them.
// Inputs are the outputs and as many weights.
class Projection final : public Primitive {
 public:
  explicit Projection(size_t outputs) : outputs_(outputs) {}
  const char* name() const override { return "projection"; }

  void forward(Run& run) const override {
    double total = 0;
    for (size_t k = 0; k < outputs_; ++k) {
      const View &x = run.input(k), &weights = run.input(outputs_ + k);
      for (int64_t i = 0; i < x.size(); ++i) {
        total += at(x, i / x.width() * x.row_stride + i % x.width()) * at(weights, i);
      }
    }
    const View& out = run.output(0);
    if (out.dtype == DType::Float64) *out.as<double>() = total;
    if (out.dtype == DType::Float32) *out.as<float>() = static_cast<float>(total);
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    std::vector<Value> gradients(2 * outputs_);
    for (size_t k = 0; k < outputs_; ++k) gradients[k] = context.input(outputs_ + k);
    return gradients;
  }

 private:
  static double at(const View& x, int64_t i) {
    return x.dtype == DType::Float64 ? x.as<double>()[i] : x.as<float>()[i];
  }
  size_t outputs_;
};

Value project(const std::vector<Value>& outputs, DType dtype) {
  Draw draw(dtype, Draw::Purpose::Comparison, kSeed, 0);
  std::vector<Value> inputs;
  for (const Value& output : outputs) {
    if (output.dtype() == dtype) inputs.push_back(output);
  }
  const size_t count = inputs.size();
  for (size_t i = 0; i < count; ++i) inputs.push_back(draw.normals(inputs[i].shape()));
  return make_value(std::make_unique<Projection>(count), std::move(inputs), Type(dtype, {}));
}

struct Answer {
  std::vector<Value> values;  // outputs, then gradients
  std::vector<std::string> names;
  size_t outputs = 0;
};

// Outputs, and gradients of the differentiable inputs, on a pool of `threads`.
Answer answer(const OpCase& row, const OpInstance& instance, std::span<const Value> inputs, DType dtype,
              int threads) {
  ThreadPool pool(threads);
  Answer answer;
  answer.values = instance.build(inputs);
  answer.outputs = answer.values.size();
  for (size_t i = 0; i < answer.outputs; ++i) answer.names.push_back("output " + std::to_string(i));
  std::vector<Value> wrt;
  for (const size_t i : row.differentiable) {
    if (inputs[i]) wrt.push_back(inputs[i]);
  }
  if (!wrt.empty()) {
    Draw draw(dtype, Draw::Purpose::Comparison, kSeed, 0);
    const auto found =
        gradients(project(answer.values, dtype), draw.numbers({}, {1}), wrt, accumulate_gradients);
    for (size_t i = 0; i < wrt.size(); ++i) {
      REQUIRE_MESSAGE(found[i], "no gradient of differentiable input " << i);
      answer.values.push_back(found[i]);
      answer.names.push_back("gradient " + std::to_string(i));
    }
  }
  evaluate(answer.values, pool);
  return answer;
}

double largest(const std::vector<double>& numbers) {
  double top = 1;
  for (const double x : numbers) top = std::max(top, std::isfinite(x) ? std::fabs(x) : 0);
  return top;
}

// The largest difference, relative to the largest magnitude (at least 1); infinite where only one is NaN or
// infinite.
double worst_error(const std::vector<double>& found, const std::vector<double>& expected) {
  const double scale = largest(expected);
  double worst = found.size() == expected.size() ? 0 : INFINITY;
  for (size_t i = 0; i < std::min(found.size(), expected.size()); ++i) {
    if (found[i] == expected[i] || (std::isnan(found[i]) && std::isnan(expected[i]))) continue;
    const double error = std::fabs(found[i] - expected[i]) / scale;
    worst = std::max(worst, std::isnan(error) ? INFINITY : error);
  }
  return worst;
}

bool same_bits(const Value& a, const Value& b, size_t bytes) {
  return bytes == 0 ||
         std::memcmp(a.node->result(a.index)->data(), b.node->result(b.index)->data(), bytes) == 0;
}

size_t bytes_of(const Value& x, int64_t elements) {
  return static_cast<size_t>(elements) * size_of(x.dtype());
}

// A copy of the first `count` elements under another shape.
Value copy_of(const Value& x, const Shape& shape) {
  const size_t bytes = bytes_of(x, elements(shape).value());
  auto buffer = Buffer::allocate(bytes);
  if (bytes > 0) std::memcpy(buffer->data(), x.node->result(x.index)->data(), bytes);
  return constant(Type(x.dtype(), shape), std::move(buffer));
}

// x as a slice of columns of a wider tensor whose other elements are NaN.
Value as_slice(const Value& x) {
  const int64_t width = x.type().width().value(), rows = x.type().rows().value(), wide = width + 5, start = 2;
  const auto size = static_cast<int64_t>(size_of(x.dtype()));
  auto buffer = Buffer::allocate(bytes_of(x, rows * wide));
  if (rows > 0) std::memset(buffer->data(), 0xff, buffer->bytes());
  for (int64_t row = 0; row < rows; ++row) {
    std::memcpy(static_cast<char*>(buffer->data()) + (row * wide + start) * size,
                static_cast<const char*>(x.node->result(x.index)->data()) + row * width * size,
                static_cast<size_t>(width * size));
  }
  Shape shape = x.shape();
  shape.back() = Dim(wide);
  const Value inputs[] = {constant(Type(x.dtype(), shape), std::move(buffer))};
  return apply("sliceColumns", inputs, op_attributes({{"start", Dim(start)}, {"length", Dim(width)}}))[0];
}

template <typename Check>
void for_cases(const Check& check) {
  const char* only = std::getenv("TINY_OP_CASES");
  int checked = 0;
  for (const OpCase& row : all_op_cases()) {
    if (only != nullptr && std::strstr(row.name, only) == nullptr) continue;
    const std::string name = row.name;
    CAPTURE(name);
    CHECK_NOTHROW(check(row));
    ++checked;
  }
  CHECK_MESSAGE(checked > 0, "no case is named like " << only);
}

double projected(const OpInstance& instance, std::span<const Value> inputs, ThreadPool& pool) {
  const Value roots[] = {project(instance.build(inputs), DType::Float64)};
  evaluate(roots, pool);
  return numbers_of(roots[0])[0];
}

// The central difference quotient of the projection in one element of one input.
double difference(const OpInstance& instance, size_t input, size_t element, ThreadPool& pool) {
  std::vector<Value> inputs = instance.inputs;
  const Value x = inputs[input];
  double ends[2], step = 1e-5 * std::max(1.0, std::fabs(numbers_of(x)[element]));
  for (const int side : {0, 1}) {
    inputs[input] = copy_of(x, x.shape());
    static_cast<double*>(inputs[input].node->result(0)->data())[element] += side == 0 ? -step : step;
    ends[side] = projected(instance, inputs, pool);
  }
  return (ends[1] - ends[0]) / (2 * step);
}

TEST_CASE("op cases: gradients are difference quotients, in float64") {
  ThreadPool pool(1);
  for_cases([&](const OpCase& row) {
    for (int trial = 0; trial < (row.differentiable.empty() ? 0 : kGradientTrials); ++trial) {
      CAPTURE(trial);
      Draw draw(DType::Float64, Draw::Purpose::Gradient, kSeed, trial);
      const OpInstance instance = row.make(draw);
      const Answer exact = answer(row, instance, instance.inputs, DType::Float64, 1);
      size_t at = exact.outputs;
      for (const size_t input : row.differentiable) {
        if (!instance.inputs[input]) continue;
        CAPTURE(input);
        const std::vector<double> gradient = numbers_of(exact.values[at++]);
        for (int64_t i = 0; i < std::min<int64_t>(kPerturbed, static_cast<int64_t>(gradient.size())); ++i) {
          const auto element = static_cast<size_t>(draw.below(static_cast<int64_t>(gradient.size())));
          CAPTURE(element);
          const double quotient = difference(instance, input, element, pool);
          CAPTURE(quotient);
          CAPTURE(gradient[element]);
          CHECK(std::fabs(gradient[element] - quotient) <= row.gradient_tolerance * largest(gradient));
        }
      }
    }
  });
}

TEST_CASE("op cases: float32 on this ISA agrees with float64") {
  for_cases([&](const OpCase& row) {
    for (int trial = 0; trial < Draw::kTrials; ++trial) {
      CAPTURE(trial);
      Draw exact_draw(DType::Float64, Draw::Purpose::Comparison, kSeed, trial);
      Draw draw(DType::Float32, Draw::Purpose::Comparison, kSeed, trial);
      const OpInstance exact_instance = row.make(exact_draw), instance = row.make(draw);
      const Answer exact = answer(row, exact_instance, exact_instance.inputs, DType::Float64, 1);
      const Answer fast = answer(row, instance, instance.inputs, DType::Float32, 1);
      for (size_t i = 0; i < fast.values.size(); ++i) {
        CAPTURE(fast.names[i]);
        CHECK(fast.values[i].shape() == exact.values[i].shape());
        CHECK(worst_error(numbers_of(fast.values[i]), numbers_of(exact.values[i])) <=
              (is_floating(fast.values[i].dtype()) ? row.tolerance : 0));
      }
    }
  });
}

TEST_CASE("op cases: threads, slices and neighbouring rows change no bit") {
  for_cases([&](const OpCase& row) {
    for (const int trial : {1, 3}) {
      CAPTURE(trial);
      Draw draw(DType::Float32, Draw::Purpose::Comparison, kSeed, trial);
      const OpInstance instance = row.make(draw);
      const Answer one = answer(row, instance, instance.inputs, DType::Float32, 1);
      const auto same_as_one = [&](const Answer& other) {
        for (size_t i = 0; i < one.values.size(); ++i) {
          CAPTURE(one.names[i]);
          CHECK(same_bits(one.values[i], other.values[i],
                          bytes_of(one.values[i], elements(one.values[i].shape()).value())));
        }
      };
      {
        CAPTURE("three threads");
        same_as_one(answer(row, instance, instance.inputs, DType::Float32, 3));
      }

      std::vector<Value> sliced = instance.inputs;
      for (const size_t i : row.strided) {
        if (sliced[i] && sliced[i].shape().size() > 1) sliced[i] = as_slice(sliced[i]);
      }
      if (sliced != instance.inputs) {
        CAPTURE("slices of columns");
        same_as_one(answer(row, instance, sliced, DType::Float32, 2));
      }

      if (row.rowwise.empty() || instance.inputs[row.rowwise[0]].shape()[0].value() < 2) continue;
      CAPTURE("the first rows alone");
      const int64_t rows = instance.inputs[row.rowwise[0]].shape()[0].value(), some = rows / 2;
      std::vector<Value> fewer = instance.inputs;
      for (const size_t i : row.rowwise) {
        if (!fewer[i]) continue;
        Shape shape = fewer[i].shape();
        shape[0] = Dim(some);
        fewer[i] = copy_of(fewer[i], shape);
      }
      std::vector<Value> outputs = instance.build(fewer);
      ThreadPool pool(1);
      evaluate(outputs, pool);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const Shape& shape = one.values[i].shape();
        if (shape.empty() || !(shape[0] == Dim(rows))) continue;
        CAPTURE(one.names[i]);
        CHECK(
            same_bits(one.values[i], outputs[i], bytes_of(outputs[i], elements(outputs[i].shape()).value())));
      }
    }
  });
}

}  // namespace

}  // namespace tiny
