#include "ops/optimizer.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "kernels/optimizer/optimizer.h"
#include "ops/elementwise.h"
#include "ops/gather.h"
#include "ops/op_cases.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make(DType dtype = DType::Float32) { return Draw(dtype, Draw::Purpose::Comparison, 1, 0); }

std::shared_ptr<Variable> variable(const Shape& shape, const Numbers& values, DType dtype = DType::Float32) {
  const Value initial = make(dtype).numbers(shape, values);
  return Variable::create(initial.type(), initial.node->result(0), "v");
}

Numbers contents(Variable& variable) {
  const auto* data = static_cast<const float*>(variable.contents()->data());
  return {data, data + elements(variable.type().shape).value()};
}

Value scalar(double value) { return make().numbers({}, {value}); }

void run(std::vector<Value> updates, int threads = 2) {
  ThreadPool pool(threads);
  evaluate({}, updates, pool);
}

TEST_CASE("assign writes a variable's next version, from a slice too") {
  const auto v = variable({Dim(2), Dim(2)}, {1, 2, 3, 4});
  run({assign(v->read(), add(v->read(), v->read()))});
  CHECK(contents(*v) == Numbers{2, 4, 6, 8});
  const Value wide = make().numbers({Dim(2), Dim(3)}, {1, 2, 3, 4, 5, 6});
  run({assign(v->read(), slice_columns(wide, 1, 2))});
  CHECK(contents(*v) == Numbers{2, 3, 5, 6});
  run({assign(v->read(), v->read())});
  CHECK(contents(*v) == Numbers{2, 3, 5, 6});
}

TEST_CASE("updates follow each other through their outputs") {
  const auto v = variable({Dim(2)}, {1, 2});
  const Value once = assign(v->read(), scale(v->read(), 10));
  const Value twice = assign(once, add(once, once));
  run({twice});
  CHECK(contents(*v) == Numbers{20, 40});
}

TEST_CASE("only variables can be updated, with values that fit") {
  const auto v = variable({Dim(2)}, {1, 2});
  CHECK_THROWS_WITH(assign(make().normals({Dim(2)}), v->read()),
                    doctest::Contains("only a variable can be updated"));
  CHECK_THROWS_WITH(assign(v->read(), make().normals({Dim(3)})),
                    doctest::Contains("[3], the variable has [2]"));
  CHECK_THROWS_AS(assign(v->read(), make().integers({Dim(2)}, 0, 5)), Error);
  CHECK_FALSE(v->pending());
}

TEST_CASE("an unknown attribute is found before the variable is bound") {
  const auto v = variable({Dim(2)}, {1, 2});
  const Value inputs[] = {v->read(), make().normals({Dim(2)})};
  CHECK_THROWS_AS(apply("assign", inputs, op_attributes({{"axis", 1.0}})), Error);
  CHECK_FALSE(v->pending());
}

struct Parameter {
  std::shared_ptr<Variable> p, m, v;
  explicit Parameter(const Shape& shape) {
    const auto size = static_cast<size_t>(elements(shape).value());
    Numbers values(size);
    for (size_t i = 0; i < size; ++i) values[i] = std::sin(static_cast<double>(i));
    p = variable(shape, values);
    m = variable(shape, Numbers(size));
    v = variable(shape, Numbers(size));
  }
  std::vector<Value> step(const Value& grad, double t, const Value& clip = {}) const {
    return adamw(p->read(), m->read(), v->read(), grad, scalar(1e-2), clip, scalar(t), {.weight_decay = 0.1});
  }
};

TEST_CASE("adamw moves the parameter and its moments as its kernel does, whatever threads and strides") {
  const Shape shape{Dim(37), Dim(501)};
  const auto size = static_cast<size_t>(37 * 501);
  const Value wide = make().normals({Dim(37), Dim(503)});
  Parameter one(shape), three(shape);
  std::vector<float> p(size), m(size), v(size);
  std::memcpy(p.data(), one.p->contents()->data(), size * sizeof(float));
  for (int t = 1; t <= 3; ++t) {
    const Value grad = slice_columns(wide, t - 1, 501);
    run(one.step(grad, t, scalar(0.5)), 1);
    run(three.step(contiguous(grad), t, scalar(0.5)), 3);
    const auto* g = static_cast<const float*>(wide.node->result(0)->data());
    for (int64_t row = 0; row < 37; ++row) {
      optimizer_kernels().adamw(p.data() + row * 501, m.data() + row * 501, v.data() + row * 501,
                                g + row * 503 + t - 1, 501,
                                {.lr = 1e-2f, .weight_decay = 0.1, .clip = 0.5, .step = double(t)});
    }
  }
  for (const auto& [found, expected] : {std::pair{one.p, p}, {one.m, m}, {one.v, v}}) {
    CHECK(std::memcmp(found->contents()->data(), expected.data(), size * sizeof(float)) == 0);
  }
  CHECK(contents(*one.p) == contents(*three.p));
  CHECK(contents(*one.v) == contents(*three.v));
}

TEST_CASE("a gradient that fails leaves parameter and moments as they were") {
  Parameter parameter({Dim(4), Dim(3)});
  const Numbers before = contents(*parameter.p);
  const Value ids = make().integers({Dim(2)}, std::vector<int32_t>{1, 4});
  const Value grad = scatter_add(make().normals({Dim(2), Dim(3)}), ids, Dim(4));
  CHECK_THROWS_AS(run(parameter.step(grad, 1)), Error);
  CHECK(contents(*parameter.p) == before);
  CHECK(contents(*parameter.m) == Numbers(12));
  CHECK(contents(*parameter.v) == Numbers(12));
}

TEST_CASE("adamw refuses what does not fit") {
  Parameter parameter({Dim(4)});
  const Value p = parameter.p->read(), m = parameter.m->read(), v = parameter.v->read();
  const Value grad = make().normals({Dim(4)}), one = scalar(1);
  CHECK_THROWS_WITH(adamw(p, m, v, make().normals({Dim(5)}), one, {}, one, {}),
                    doctest::Contains("grad has shape [5]"));
  CHECK_THROWS_WITH(adamw(p, m, m, grad, one, {}, one, {}), doctest::Contains("three variables"));
  CHECK_THROWS_WITH(adamw(p, m, grad, grad, one, {}, one, {}), doctest::Contains("only a variable"));
  CHECK_THROWS_WITH(adamw(p, m, v, grad, grad, {}, one, {}), doctest::Contains("lr must be a scalar"));
  CHECK_THROWS_AS(adamw(p, m, v, grad, one, {}, one, {.beta1 = 1}), Error);
  CHECK_THROWS_AS(adamw(p, m, v, grad, one, {}, one, {.eps = -1}), Error);
  CHECK_THROWS_AS(apply("adamw", std::vector<Value>{p, m, v, grad, one, Value{}}, {}), Error);
  CHECK_FALSE(parameter.p->pending());
}

}  // namespace

}  // namespace tiny
