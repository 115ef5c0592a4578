#include "graph/fusion.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/execute.h"
#include "graph/gradient.h"
#include "graph/variable.h"
#include "ops/accumulate.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/op_cases.h"
#include "ops/optimizer.h"
#include "ops/random.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/softmax.h"

namespace tiny {

namespace {

using Values = std::vector<Value>;

struct WithoutFusion {
  WithoutFusion() { set_fusion(false); }
  ~WithoutFusion() { set_fusion(true); }
};

// The bytes of the values that `build` gives, computed on a pool of `threads`.
template <typename Build>
std::vector<std::string> bytes_of(const Build& build, int threads) {
  const Values values = build();
  ThreadPool pool(threads);
  evaluate(values, pool);
  std::vector<std::string> bytes;
  for (const Value& value : values) {
    const auto buffer = value.node->result(value.index);
    const auto count = static_cast<size_t>(elements(value.shape()).value()) * size_of(value.dtype());
    bytes.emplace_back(static_cast<const char*>(buffer->data()), count);
  }
  return bytes;
}

template <typename Build>
void check_same_unfused(const Build& build) {
  std::vector<std::string> expected;
  {
    const WithoutFusion off;
    expected = bytes_of(build, 1);
  }
  CHECK(bytes_of(build, 1) == expected);
  CHECK(bytes_of(build, 3) == expected);
}

std::vector<std::string> steps_of(const Values& roots) {
  std::vector<std::string> names;
  const auto plan = Plan::compile(roots);
  for (const PlannedStep& step : plan->steps) names.emplace_back(step.primitive->name());
  return names;
}

using Names = std::vector<std::string>;

// Trees and other graphs of random elementwise ops over inputs of every spread.
class RandomGraph {
 public:
  RandomGraph(DType dtype, uint64_t seed, int64_t rows, int64_t width)
      : draw_(dtype, Draw::Purpose::Comparison, seed, 1) {
    const Shape shape{Dim(rows), Dim(width)};
    const Value wide = draw_.normals({Dim(rows), Dim(width + 3)});
    full_ = {draw_.normals(shape), draw_.normals(shape), slice_columns(wide, 2, Dim(width)),
             draw_.normals(shape)};
    small_ = {draw_.normals({Dim(width)}), draw_.normals({Dim(rows), 1}), draw_.normals({})};
    key_ = draw_.integers({2}, {3, 4});
    made_ = full_;
  }

  Values leaves() const { return {full_[0], full_[1], full_[3], small_[0], small_[1], small_[2]}; }

  Value build(int ops) {
    for (int i = 0; i < ops; ++i) made_.push_back(op(i));
    return made_.back();
  }

 private:
  // Newer values more often, so that chains grow.
  Value any() {
    const auto count = static_cast<int64_t>(made_.size());
    return made_[static_cast<size_t>(draw_.below(2) == 0 ? count - 1 - draw_.below(2) : draw_.below(count))];
  }

  Value op(int i) {
    const Value x = any();
    switch (draw_.below(14)) {
      case 0:
        return add(x, any());
      case 1:
        return mul(any(), x);
      case 2:
        return sub(x, small_[0]);
      case 3:
        return mul(x, small_[1]);
      case 4:
        return elementwise(Elementwise::Maximum, {small_[2], x});
      case 5:
        return elementwise(Elementwise::Gelu, {x});
      case 6:
        return elementwise(Elementwise::Tanh, {x});
      case 7:
        return scale(x, 0.3);
      case 8:
        return where(elementwise(Elementwise::Relu, {any()}), x, any());
      case 9:
        return dropout(x, key_, 0.3, static_cast<uint32_t>(i));
      case 10:
        return cast(cast(x, x.dtype() == DType::Float64 ? DType::Float32 : DType::BFloat16), x.dtype());
      case 11:
        return add(x, broadcast(sum(x, Axis::Rows), x.shape(), Axis::Rows, true));
      case 12:
        return mul(x, broadcast(sum(x, Axis::Last), x.shape(), Axis::Last));
      default:
        return elementwise(Elementwise::Sigmoid, {sub(full(x.shape(), 1, x.dtype()), x)});
    }
  }

  Draw draw_;
  Values full_, small_, made_;
  Value key_;
};

TEST_CASE("random graphs give the same bits fused and unfused, with their gradients") {
  struct Size {
    int64_t rows, width;
  };
  uint64_t seed = 0;
  for (const DType dtype : {DType::Float32, DType::Float64}) {
    for (const auto& [rows, width] :
         {Size{0, 5}, Size{1, 1}, Size{1, 3001}, Size{3, 7}, Size{7, 1030}, Size{5000, 1}, Size{70, 513}}) {
      for (int trial = 0; trial < 6; ++trial) {
        ++seed;
        CAPTURE(seed);
        check_same_unfused([&, seed, rows = rows, width = width] {
          RandomGraph graph(dtype, seed, rows, width);
          Values roots{graph.build(3 + trial * 4)};
          const Value loss = sum(square(roots[0]), Axis::All);
          for (const Value& gradient :
               gradients(loss, full({}, 1, dtype), graph.leaves(), accumulate_gradients)) {
            if (gradient) roots.push_back(gradient);
          }
          return roots;
        });
      }
    }
  }
}

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 5, 1); }

TEST_CASE("a chain is one step, whose inner results have no memory") {
  Draw draw = make();
  const Shape shape{256, 512};
  const Value x = draw.normals(shape), scales = draw.normals({512}), shift = draw.normals(shape);
  const Value y = elementwise(Elementwise::Gelu, {add(mul(x, scales), shift)});
  CHECK(steps_of({y}) == Names{"mul+add+gelu"});
  CHECK(Plan::compile({y})->slots.empty());
  // A tree, and a result read twice inside of it.
  const Value t = mul(x, shift);
  const Value tree = add(t, elementwise(Elementwise::Exp, {t}));
  CHECK(steps_of({add(tree, square(shift))}) == Names{"mul+exp+add+square+add"});
  // The gradient of a sum is repeated where it is needed and nowhere else.
  const Value wrt[] = {x};
  const Value slope = gradients(sum(mul(x, shift), Axis::All), full({}, 1), wrt, accumulate_gradients)[0];
  CHECK(steps_of({slope}) == Names{"full", "broadcast+mul"});
  CHECK(steps_of({dropout(add(x, full(shape, 2)), draw.integers({2}, {1, 2}), 0.5, 0)}) ==
        Names{"full+add+dropout"});
}

TEST_CASE("what others read, or keeps more in memory, stays apart") {
  Draw draw = make();
  const Shape shape{64, 64};
  const Value x = draw.normals(shape), y = draw.normals(shape);
  const Value inner = mul(x, y);
  CHECK(steps_of({add(inner, x), inner}) == Names{"mul", "add"});
  CHECK(steps_of({add(inner, broadcast(sum(inner, Axis::All), shape, Axis::All))}) ==
        Names{"mul", "sum", "broadcast+add"});
  CHECK(steps_of({add(mul(x, draw.normals({64})), sum(x, Axis::Rows))}).size() == 2);
  // Shapes differ: a row is computed once, not once a row.
  CHECK(steps_of({add(x, square(draw.normals({64})))}) == Names{"square", "add"});
  // Two operands would be kept in place of one result.
  const Value a = softmax(x), b = softmax(y), product = mul(a, b);
  const Value between = sum(softmax(square(x)), Axis::Rows);
  CHECK(steps_of({add(product, between)}).size() == 7);
}

TEST_CASE("a fused step works in place and reads a variable before its update") {
  Draw draw = make();
  const Value x = draw.normals({8, 33}), y = draw.normals({8, 33});
  const auto state = Variable::create(x.type(), Buffer::allocate(8 * 33 * 4), "state");
  check_same_unfused([&] {
    std::memset(state->contents()->data(), 0, 8 * 33 * 4);
    const Value before = state->read();
    const Value chain = add(mul(before, y), x);
    const Value after = assign(before, scale(add(before, x), 0.5));
    return Values{sub(chain, before), add(square(after), chain)};
  });
  // Nothing but its result needs memory: the sum's operands are gone when it is written.
  const Value moved = transpose(x);
  const Value placed = transpose(add(scale(moved, 2), transpose(y)));
  const auto plan = Plan::compile({placed});
  CHECK(plan->slots.size() == 2);
}

TEST_CASE("a profile names what was fused") {
  Draw draw = make();
  const Value x = draw.normals({4, 4});
  set_profiling(true);
  bytes_of([&] { return Values{elementwise(Elementwise::Tanh, {add(x, scale(x, 3))})}; }, 1);
  set_profiling(false);
  REQUIRE(profile().size() == 1);
  CHECK(std::string(profile()[0].op) == "scale+add+tanh");
}

}  // namespace

}  // namespace tiny
