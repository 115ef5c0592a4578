#include "ops/checkpoint.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "graph/variable.h"
#include "ops/accumulate.h"
#include "ops/elementwise.h"
#include "ops/matmul.h"
#include "ops/op_cases.h"
#include "ops/optimizer.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Values = std::vector<Value>;
using Layer = std::function<Value(const Value& x, const Value& weight)>;

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 11, 1); }

Values checkpointed(const std::function<Values()>& build) {
  const uint64_t since = newest_order();
  return checkpoint(build(), since);
}

Value checkpointed(const Layer& layer, const Value& x, const Value& weight) {
  return checkpointed([&] { return Values{layer(x, weight)}; })[0];
}

// The loss and its gradients, evaluated.
Values trained(const Value& loss, std::span<const Value> wrt) {
  Values roots{loss};
  for (const Value& gradient : gradients(loss, full({}, 1), wrt, accumulate_gradients))
    roots.push_back(gradient);
  ThreadPool pool(2);
  evaluate(roots, pool);
  return roots;
}

void check_same_bits(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    CHECK(numbers_of(a[i]) == numbers_of(b[i]));
  }
}

// For values used inside and outside of a checkpoint: their gradients are added up in another order.
void check_close(const Values& a, const Values& b) {
  REQUIRE(a.size() == b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    CAPTURE(i);
    const std::vector<double> found = numbers_of(a[i]), expected = numbers_of(b[i]);
    double largest = 0, difference = 0;
    for (size_t k = 0; k < expected.size(); ++k) {
      largest = std::fmax(largest, std::fabs(expected[k]));
      difference = std::fmax(difference, std::fabs(found[k] - expected[k]));
    }
    CHECK(difference <= 2e-6 * largest);
  }
}

struct Stack {
  Value x;
  Values weights;
};

Stack stack_of(int64_t rows, int64_t width, size_t layers) {
  Draw draw = make();
  Stack stack{draw.normals({Dim(rows), Dim(width)}), {}};
  for (size_t i = 0; i < layers; ++i) stack.weights.push_back(draw.normals({Dim(width), Dim(width)}, 0.3));
  return stack;
}

Value mlp(const Value& x, const Value& weight) {
  const Value inner = elementwise(Elementwise::Gelu, {matmul(x, weight)});
  return add(x, elementwise(Elementwise::Tanh, {mul(inner, square(inner))}));
}

Value loss_of(const Stack& stack, bool checkpointing, const Layer& layer = mlp) {
  Value x = stack.x;
  for (const Value& weight : stack.weights) {
    x = checkpointing ? checkpointed(layer, x, weight) : layer(x, weight);
  }
  return sum(square(x), Axis::All);
}

Values leaves(const Stack& stack) {
  Values wrt = stack.weights;
  wrt.push_back(stack.x);
  return wrt;
}

TEST_CASE("a checkpoint changes no bit of the gradients") {
  const Stack stack = stack_of(9, 17, 4);
  check_same_bits(trained(loss_of(stack, true), leaves(stack)),
                  trained(loss_of(stack, false), leaves(stack)));
}

TEST_CASE("a stack of checkpoints holds one layer's activations at a time") {
  const int64_t rows = 64, width = 64;
  const Stack stack = stack_of(rows, width, 12);
  const auto peak_of = [&](bool checkpointing) {
    Values roots{loss_of(stack, checkpointing)};
    const Values wrt{stack.x};
    roots.push_back(gradients(roots[0], full({}, 1), wrt, accumulate_gradients)[0]);
    ThreadPool pool(1);
    reset_memory_peak();
    const int64_t before = memory_stats().live;
    evaluate(roots, pool);
    return (memory_stats().peak - before) / (rows * width * int64_t{sizeof(float)});
  };
  const int64_t whole = peak_of(false), checkpoints = peak_of(true);
  CAPTURE(whole);
  CAPTURE(checkpoints);
  // Of each layer its input; of one of them everything.
  CHECK(whole >= 12 * 4);
  CHECK(checkpoints <= 12 + 12);
}

TEST_CASE("dropout drops the same elements when it is computed again") {
  const Value key = make().integers({2}, {7, 3});
  uint32_t site = 0;
  const Layer layer = [&](const Value& x, const Value& weight) {
    return dropout(mlp(x, weight), key, 0.4, site++);
  };
  const Stack stack = stack_of(9, 17, 3);
  const Value plain = loss_of(stack, false, layer);
  site = 0;
  check_same_bits(trained(loss_of(stack, true, layer), leaves(stack)), trained(plain, leaves(stack)));
}

TEST_CASE("checkpoints within a checkpoint, several outputs, an input passed on, something captured") {
  const Stack stack = stack_of(5, 8, 3);
  const auto build = [&](bool checkpointing) {
    const Value captured = square(stack.x);  // depends on what is passed, too
    const auto whole = [&] {
      Value x = stack.x, second;
      for (const Value& weight : stack.weights) {
        second = x;
        x = checkpointing ? checkpointed(mlp, x, weight) : mlp(x, weight);
      }
      return Values{add(x, captured), stack.x, second, scale(x, 2)};
    };
    const Values outputs = checkpointing ? checkpointed(whole) : whole();
    const Value total =
        add(add(mul(outputs[0], outputs[1]), outputs[2]), outputs[1]);  // the last one is not read
    return sum(total, Axis::All);
  };
  check_close(trained(build(true), leaves(stack)), trained(build(false), leaves(stack)));
}

TEST_CASE("one weight in every layer, evaluated in between") {
  const Stack stack = stack_of(5, 8, 1);
  const auto build = [&](bool checkpointing) {
    Value x = stack.x;
    for (int i = 0; i < 3; ++i) {
      x = checkpointing ? checkpointed(mlp, x, stack.weights[0]) : mlp(x, stack.weights[0]);
    }
    ThreadPool pool(1);
    evaluate({&x, 1}, pool);
    return sum(square(x), Axis::All);
  };
  check_same_bits(trained(build(true), leaves(stack)), trained(build(false), leaves(stack)));
}

TEST_CASE("the second derivative goes through a checkpoint") {
  const Stack stack = stack_of(4, 6, 2);
  const auto smooth = [](const Value& x, const Value& weight) { return square(matmul(x, weight)); };
  const auto loss = [&](bool checkpointing) {
    const Values wrt{stack.x};
    const Value first = loss_of(stack, checkpointing, smooth);
    return sum(square(gradients(first, full({}, 1), wrt, accumulate_gradients)[0]), Axis::All);
  };
  check_close(trained(loss(true), leaves(stack)), trained(loss(false), leaves(stack)));
}

TEST_CASE("what writes a variable cannot be computed again") {
  const auto state = Variable::create(Type(DType::Float32, {3}), Buffer::allocate(12), "state");
  const Value x = make().normals({3});
  try {
    checkpointed([&] { return Values{add(assign(state->read(), x), x)}; });
    FAIL("no error was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::Option);
    CHECK(std::string(error.what()).find("writes a variable") != std::string::npos);
  }
}

}  // namespace

}  // namespace tiny
