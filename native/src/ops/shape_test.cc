#include "ops/shape.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/execute.h"
#include "graph/gradient.h"
#include "ops/accumulate.h"
#include "ops/op_cases.h"
#include "ops/reduce.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 1, 0); }

Numbers evaluated(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

const Dim kTokens = Dim::of(symbol("tokens")), kSequences = Dim::of(symbol("sequences"));

Value symbolic(const Shape& shape) { return placeholder(Type(DType::Float32, shape), 0); }

TEST_CASE("reshape works out the open size, symbolic or not") {
  CHECK(reshape(make().normals({Dim(4), Dim(6)}), {Dim(-1), Dim(3)}).shape() == Shape{Dim(8), Dim(3)});
  CHECK(reshape(make().normals({Dim(4), Dim(6)}), {Dim(24)}).shape() == Shape{Dim(24)});
  CHECK(reshape(make().normals({}), {Dim(1), Dim(-1)}).shape() == Shape{Dim(1), Dim(1)});
  CHECK(reshape(make().normals({Dim(0), Dim(3)}), {Dim(3), Dim(-1)}).shape() == Shape{Dim(3), Dim(0)});
  CHECK(reshape(symbolic({kTokens, Dim(12)}), {Dim(-1), Dim(3)}).shape() == Shape{kTokens * 4, Dim(3)});
  CHECK(reshape(symbolic({kTokens * 4, Dim(3)}), {kTokens, Dim(-1)}).shape() == Shape{kTokens, Dim(12)});
  CHECK(reshape(symbolic({kTokens * 4, Dim(3)}), {kTokens, Dim(4), Dim(3)}).shape().size() == 3);
  CHECK(reshape(symbolic({kSequences, kTokens, Dim(6)}), {kSequences, kTokens, Dim(2), Dim(-1)})
            .shape()
            .back() == Dim(3));
}

TEST_CASE("reshape refuses what does not fit, naming both shapes") {
  const Value x = make().normals({Dim(4), Dim(6)});
  CHECK_THROWS_WITH(reshape(x, {Dim(5), Dim(5)}),
                    doctest::Contains("[4, 6] does not have as many elements as [5, 5]"));
  CHECK_THROWS_AS(reshape(x, {Dim(5), Dim(-1)}), Error);
  CHECK_THROWS_AS(reshape(x, {Dim(-1), Dim(-1)}), Error);
  CHECK_THROWS_AS(reshape(x, {Dim(-2), Dim(-12)}), Error);
  CHECK_THROWS_AS(reshape(symbolic({kTokens, Dim(12)}), {kSequences, Dim(12)}), Error);
  CHECK_THROWS_AS(reshape(symbolic({kTokens, Dim(2)}), {Dim(-1), Dim(3)}), Error);
}

TEST_CASE("slices of slices are windows of one tensor") {
  const Value x = make().numbers({Dim(3), Dim(4)}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11});
  const Value inner = slice_rows(slice_columns(x, 1, 3), 1, 2);
  CHECK_FALSE(inner.type().contiguous());
  CHECK(evaluated(inner) == Numbers{5, 6, 7, 9, 10, 11});
  // Of the evaluated slice, whose rows lie end to end now.
  CHECK(evaluated(slice_columns(inner, 2, 1)) == Numbers{7, 11});
  CHECK(evaluated(slice_rows(slice_columns(inner, 1, 2), 1, 1)) == Numbers{10, 11});
  CHECK(evaluated(reshape(inner, {Dim(6)})) == Numbers{5, 6, 7, 9, 10, 11});
  CHECK(evaluated(transpose(inner)) == Numbers{5, 9, 6, 10, 7, 11});
  CHECK(evaluated(slice_rows(reshape(x, {Dim(12)}), 10, 2)) == Numbers{10, 11});
  CHECK(contiguous(x) == x);
}

TEST_CASE("slices outside are errors") {
  const Value x = make().normals({Dim(3), Dim(4)});
  CHECK_THROWS_WITH(slice_rows(x, 2, 2), doctest::Contains("2 to 4 are not in [3, 4]"));
  CHECK_THROWS_AS(slice_rows(x, -1, 2), Error);
  CHECK_THROWS_AS(slice_columns(x, 0, 5), Error);
  CHECK_THROWS_AS(slice_columns(x, 0, -1), Error);
  CHECK_THROWS_AS(slice_rows(make().normals({}), 0, 1), Error);
  CHECK_THROWS_AS(slice_rows(symbolic({kTokens, Dim(2)}), kTokens, 1), Error);
}

TEST_CASE("concat joins any dtype and refuses shapes that do not") {
  const Value a = make().integers({Dim(2)}, std::vector<int32_t>{1, 2});
  const Value b = make().integers({Dim(1)}, std::vector<int32_t>{3});
  const Value both[] = {a, b};
  CHECK(evaluated(concat(both, ConcatAxis::Rows)) == Numbers{1, 2, 3});
  CHECK(evaluated(concat(both, ConcatAxis::Last)) == Numbers{1, 2, 3});
  const Value mixed[] = {a, make().normals({Dim(1)})};
  CHECK_THROWS_AS(concat(mixed, ConcatAxis::Rows), Error);
  const Value misfits[] = {make().normals({Dim(2), Dim(3)}), make().normals({Dim(2), Dim(4)})};
  CHECK_THROWS_WITH(concat(misfits, ConcatAxis::Rows), doctest::Contains("[2, 4] does not join [2, 3]"));
  CHECK_THROWS_AS(concat({}, ConcatAxis::Rows), Error);
}

TEST_CASE("full of each dtype") {
  CHECK(evaluated(full({Dim(2), Dim(2)}, 1.5)) == Numbers{1.5, 1.5, 1.5, 1.5});
  CHECK(evaluated(full({Dim(2)}, -7, DType::Int32)) == Numbers{-7, -7});
  CHECK(evaluated(full({}, 0.1, DType::Float64)) == Numbers{0.1});
  CHECK(evaluated(full({Dim(0)}, 1)).empty());
  CHECK_THROWS_AS(full({Dim(2)}, 0.5, DType::Int32), Error);
  CHECK_THROWS_AS(full({Dim(-1)}, 0), Error);
  CHECK_THROWS_AS(full({Dim(2)}, 0, DType::BFloat16), Error);
}

TEST_CASE("a slice at a symbolic place has a gradient") {
  const Value x = symbolic({kTokens, Dim(2)}), last = slice_rows(x, kTokens - Dim(1), 1);
  const Value wrt[] = {x};
  const Value gradient = gradients(sum(last, Axis::All), full({}, 3), wrt, accumulate_gradients)[0];
  const auto plan = Plan::compile({last, gradient});
  for (const int64_t tokens : {1, 2, 5}) {
    Call call;
    call.sizes.set(symbol("tokens"), tokens);
    const auto size = static_cast<size_t>(tokens) * 2 * sizeof(float);
    call.arguments.push_back({Buffer::allocate(size), {}, nullptr});
    for (int64_t i = 0; i < 2 * tokens; ++i)
      static_cast<float*>(call.arguments[0].buffer->data())[i] = float(i);
    call.results = {{Buffer::allocate(2 * sizeof(float)), {}}, {Buffer::allocate(size), {}}};
    ThreadPool pool(1);
    execute(*plan, call, pool, nullptr);
    const auto* row = static_cast<const float*>(call.results[0].buffer->data());
    CHECK(row[0] == float(2 * tokens - 2));
    CHECK(row[1] == float(2 * tokens - 1));
    const auto* found = static_cast<const float*>(call.results[1].buffer->data());
    for (int64_t i = 0; i < 2 * tokens; ++i) CHECK(found[i] == (i < 2 * tokens - 2 ? 0.0f : 3.0f));
  }
}

}  // namespace

}  // namespace tiny
