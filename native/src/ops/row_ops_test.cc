#include "ops/elementwise.h"

#include <doctest/doctest.h>

#include <string>

#include "graph/evaluate.h"
#include "ops/cast.h"
#include "ops/norm.h"
#include "ops/op_cases.h"
#include "ops/softmax.h"

namespace tiny {

namespace {

Draw draw_of(DType dtype = DType::Float32) { return {dtype, Draw::Purpose::Comparison, 1, 1}; }

std::vector<double> evaluated(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

// The error that building or running `make` ends in.
template <typename Make>
Error error_of(const Make& make) {
  try {
    const Value value = make();
    evaluated(value);
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error was thrown");
  return Error(ErrorCode::Internal, "", "");
}

bool mentions(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

TEST_CASE("operands spread as scalar, row and column, on either side") {
  Draw draw = draw_of();
  const Value x = draw.numbers({2, 3}, {1, 2, 3, 4, 5, 6}), row = draw.numbers({3}, {10, 20, 30});
  const Value column = draw.numbers({2, 1}, {100, 200}), scalar = draw.numbers({}, {1});
  CHECK(evaluated(add(x, row)) == std::vector<double>{11, 22, 33, 14, 25, 36});
  CHECK(evaluated(add(row, x)) == std::vector<double>{11, 22, 33, 14, 25, 36});
  CHECK(evaluated(sub(column, x)) == std::vector<double>{99, 98, 97, 196, 195, 194});
  CHECK(evaluated(sub(x, scalar)) == std::vector<double>{0, 1, 2, 3, 4, 5});
  CHECK(evaluated(sub(scalar, scalar)) == std::vector<double>{0});
}

TEST_CASE("a column spreads over one long row, on several threads") {
  Draw draw = draw_of();
  const Value x = draw.numbers({1, 100000}, std::vector<double>(100000, 1)),
              column = draw.numbers({1, 1}, {41});
  CHECK(evaluated(add(x, column)) == std::vector<double>(100000, 42));
  const Value one = draw.numbers({}, {41});
  CHECK(evaluated(add(one, x)) == std::vector<double>(100000, 42));
}

TEST_CASE("shapes and dtypes that do not fit are named") {
  Draw draw = draw_of(), wide = draw_of(DType::Float64);
  const Value x = draw.normals({2, 3}), y = draw.normals({3, 2}), ids = draw.integers({2, 3}, 0, 9);
  const Error shapes = error_of([&] { return add(x, y); });
  CHECK(shapes.code() == ErrorCode::Shape);
  CHECK(shapes.op() == "add");
  CHECK(mentions(shapes, "[2, 3]"));
  CHECK(mentions(shapes, "[3, 2]"));
  // A row and a column make no matrix of their own.
  CHECK(error_of([&] { return add(draw.normals({3}), draw.normals({2, 1})); }).code() == ErrorCode::Shape);
  CHECK(error_of([&] { return add(x, wide.normals({2, 3})); }).code() == ErrorCode::DType);
  CHECK(error_of([&] { return neg(ids); }).code() == ErrorCode::DType);
  CHECK(error_of([&] { return where(x, ids, ids); }).code() == ErrorCode::DType);
  CHECK(error_of([&] { return neg(cast(x, DType::BFloat16)); }).code() == ErrorCode::DType);
}

TEST_CASE("symbolic sizes: equal ones fit, others do not") {
  const Dim tokens = Dim::of(symbol("tokens")), others = Dim::of(symbol("others"));
  const Value x = placeholder(Type(DType::Float32, {tokens, 8}), 0);
  const Value y = placeholder(Type(DType::Float32, {others, 8}), 1);
  const Value row = placeholder(Type(DType::Float32, {Dim(8)}), 2);
  CHECK(add(x, row).shape() == x.shape());
  CHECK(add(x, placeholder(Type(DType::Float32, {tokens, 1}), 3)).shape() == x.shape());
  CHECK(error_of([&] { return add(x, y); }).code() == ErrorCode::Shape);
}

TEST_CASE("attributes are required, and unknown ones refused") {
  Draw draw = draw_of();
  const Value inputs[] = {draw.normals({3})};
  const auto build = [&](const char* op, const Attributes& attributes) {
    return error_of([&] { return apply(op, inputs, attributes)[0]; }).code();
  };
  CHECK(build("pow", {}) == ErrorCode::Option);
  CHECK(build("relu", op_attributes({{"slope", 0.1}})) == ErrorCode::Option);
  CHECK(build("add", {}) == ErrorCode::Option);
  CHECK(build("layerNorm", {}) == ErrorCode::Option);
}

TEST_CASE("clamp with one bound leaves the other side open") {
  Draw draw = draw_of();
  const Value inputs[] = {draw.numbers({3}, {-1e30, 0, 1e30})};
  CHECK(evaluated(apply("clamp", inputs, op_attributes({{"max", 1.0}}))[0])[0] < -9e29);
  CHECK(evaluated(apply("clamp", inputs, op_attributes({{"min", -1.0}}))[0])[2] > 9e29);
}

TEST_CASE("norms name the operand that does not fit") {
  Draw draw = draw_of();
  const Value x = draw.normals({4, 8}), weight = draw.normals({7});
  const Error error = error_of([&] { return layer_norm(x, weight, {}, {}, 1e-5)[0]; });
  CHECK(error.code() == ErrorCode::Shape);
  CHECK(mentions(error, "weight"));
  CHECK(mentions(error, "[7]"));
  CHECK(error_of([&] {
          return layer_norm(x, {}, {}, draw.normals({8, 4}), 1e-5)[0];
        }).code() == ErrorCode::Shape);
  CHECK(error_of([&] { return rms_norm(x, {}, {}, 1e-5, true)[0]; }).code() == ErrorCode::Option);
  CHECK(layer_norm(x, {}, {}, {}, 1e-5).size() == 1);
  CHECK(layer_norm(x, {}, {}, x, 1e-5).size() == 2);
}

TEST_CASE("labels outside the classes are found while running") {
  Draw draw = draw_of();
  const Value logits = draw.normals({3, 5});
  const Error error = error_of([&] {
    return cross_entropy(logits, draw.integers({3}, std::vector<int32_t>{4, -100, 5})).loss_sum;
  });
  CHECK(error.code() == ErrorCode::Index);
  CHECK(mentions(error, "label 5 of row 2"));
  CHECK(error_of([&] { return cross_entropy(logits, draw.integers({4}, 0, 5)).loss_sum; }).code() ==
        ErrorCode::Shape);
  CHECK(error_of([&] { return cross_entropy(logits, logits).loss_sum; }).code() == ErrorCode::DType);
  CHECK(error_of([&] { return softmax(draw.normals({})); }).code() == ErrorCode::Shape);
}

TEST_CASE("the count of a loss leaves out ignored rows and needs no loss") {
  Draw draw = draw_of();
  const auto loss =
      cross_entropy(draw.normals({4, 5}), draw.integers({4}, std::vector<int32_t>{0, 9, 4, 9}), 9);
  CHECK(evaluated(loss.count) == std::vector<double>{2});
}

TEST_CASE("casts there are none of, and the one that is nothing") {
  Draw draw = draw_of();
  const Value x = draw.normals({2});
  CHECK(cast(x, DType::Float32) == x);
  CHECK(error_of([&] { return cast(x, DType::Int8); }).code() == ErrorCode::DType);
}

}  // namespace

}  // namespace tiny
