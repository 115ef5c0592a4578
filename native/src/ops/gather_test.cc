#include "ops/gather.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "ops/accumulate.h"
#include "ops/elementwise.h"
#include "ops/op_cases.h"
#include "ops/reduce.h"
#include "ops/segments.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 1, 0); }

Value ids_of(const std::vector<int32_t>& ids) {
  return make().integers({Dim(static_cast<int64_t>(ids.size()))}, ids);
}

Numbers evaluated(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

Error error_of(const Value& value) {
  try {
    evaluated(value);
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::Internal, "", "no error");
}

Value half_table(DType dtype, const std::vector<uint16_t>& bits, int64_t width) {
  auto buffer = Buffer::allocate(bits.size() * 2);
  std::memcpy(buffer->data(), bits.data(), bits.size() * 2);
  return constant(Type(dtype, {Dim(static_cast<int64_t>(bits.size()) / width), Dim(width)}),
                  std::move(buffer));
}

TEST_CASE("rows are shifted within their sequence, by columns where there are some") {
  const Value x = ids_of({1, 2, 3, 4, 5, 6}), rows = reshape(x, {Dim(6), Dim(1)});
  const Value offsets = ids_of({0, 3, 3, 6});
  CHECK(evaluated(shift_rows(rows, offsets, 1)) == Numbers{2, 3, 0, 5, 6, 0});
  CHECK(evaluated(shift_rows(rows, offsets, -2)) == Numbers{0, 0, 1, 0, 0, 4});
  CHECK(evaluated(shift_rows(rows, offsets, 0)) == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(evaluated(shift_rows(rows, offsets, 9)) == Numbers{0, 0, 0, 0, 0, 0});
  const Value columns = ids_of({0, 2, 3, 5, 6, 8});
  CHECK(evaluated(shift_rows(rows, offsets, 1, columns)) == Numbers{0, 3, 0, 5, 0, 0});
  CHECK(evaluated(shift_rows(rows, offsets, -2, columns)) == Numbers{0, 1, 0, 0, 0, 5});
  const Error error = error_of(shift_rows(rows, offsets, 1, ids_of({0, 0, 1, 0, 1, 2})));
  CHECK(error.code() == ErrorCode::Index);
  CHECK(std::string(error.what()).find("columns[1] is 0 after 0") != std::string::npos);
}

TEST_CASE("half tables give float32 rows") {
  const Value bf16 = half_table(DType::BFloat16, {0x3f80, 0xc000, 0x3e80, 0x7f80}, 2);
  CHECK(embedding(bf16, ids_of({1, 0, 1})).dtype() == DType::Float32);
  CHECK(evaluated(embedding(bf16, ids_of({1, 0}))) == Numbers{0.25, INFINITY, 1, -2});
  const Value f16 = half_table(DType::Float16, {0x3c00, 0xc000, 0x0001, 0x7bff}, 2);
  CHECK(evaluated(embedding(f16, ids_of({1, 0}))) == Numbers{0x1p-24, 65504, 1, -2});
}

TEST_CASE("gatherRows takes rows of any dtype, and a scalar id") {
  const Value x = make().integers({Dim(3), Dim(2)}, std::vector<int32_t>{1, 2, 3, 4, 5, 6});
  CHECK(evaluated(gather_rows(x, ids_of({2, 0}))) == Numbers{5, 6, 1, 2});
  CHECK(evaluated(gather_rows(x, make().integers({}, std::vector<int32_t>{1}))) == Numbers{3, 4});
}

TEST_CASE("an id outside the table names itself, its place and the table's size") {
  const Value table = make().normals({Dim(10), Dim(4)});
  for (const int32_t bad : {10, -1, INT32_MAX, INT32_MIN}) {
    const Error error = error_of(embedding(table, ids_of({0, 9, bad, 3})));
    CHECK(error.code() == ErrorCode::Index);
    CHECK(std::string(error.what()).find("[embedding] id " + std::to_string(bad) + " at position 2") == 0);
    CHECK(std::get<double>(error.facts().at("id")) == bad);
    CHECK(std::get<double>(error.facts().at("position")) == 2);
    CHECK(std::get<double>(error.facts().at("size")) == 10);
    const Value g = make().normals({Dim(4), Dim(4)});
    CHECK(error_of(scatter_add(g, ids_of({0, 9, bad, 3}), Dim(10))).code() == ErrorCode::Index);
  }
  CHECK(evaluated(embedding(table, ids_of({}))).empty());
}

TEST_CASE("shapes and dtypes that do not fit") {
  const Value table = make().normals({Dim(10), Dim(4)});
  CHECK_THROWS_WITH(embedding(table, table), doctest::Contains("ids must be int32"));
  CHECK_THROWS_WITH(embedding(ids_of({1}), ids_of({1})), doctest::Contains("[1]"));
  CHECK_THROWS_AS(embedding(make().integers({Dim(2), Dim(2)}, 0, 9), ids_of({1})), Error);
  CHECK_THROWS_AS(apply("embedding", std::vector<Value>{table}, {}), Error);
  CHECK_THROWS_AS(apply("embedding", std::vector<Value>{table, Value{}}, {}), Error);
}

std::vector<Value> gradient_of(const Value& loss, const Value& wrt) {
  const Value values[] = {wrt};
  return gradients(loss, make().numbers({}, {1}), values, accumulate_gradients);
}

TEST_CASE("the padding row gets no gradient") {
  const Value table = make().normals({Dim(3), Dim(2)});
  const Value loss = sum(embedding(table, ids_of({1, 2, 1, 0}), 1), Axis::All);
  CHECK(evaluated(gradient_of(loss, table)[0]) == Numbers{1, 1, 0, 0, 1, 1});
}

TEST_CASE("a tied table's gradients meet in place") {
  const Value table = make().numbers({Dim(3), Dim(2)}, {1, 2, 3, 4, 5, 6});
  const Value looked_up = sum(embedding(table, ids_of({2, 0, 2})), Axis::All);
  for (const bool first : {false, true}) {
    const Value squares = sum(square(table), Axis::All);
    const Value again = sum(embedding(table, ids_of({1})), Axis::All);
    const Value loss = first ? add(add(again, looked_up), squares) : add(squares, add(looked_up, again));
    const Value gradient = gradient_of(loss, table)[0];
    CHECK(std::string(gradient.node->primitive->name()) == "scatterAdd");
    CHECK(evaluated(gradient) == Numbers{3, 5, 7, 9, 12, 14});
  }
}

TEST_CASE("slices' gradients meet in place") {
  const Value x = make().normals({Dim(2), Dim(4)});
  const Value left = sum(slice_columns(x, 0, 2), Axis::All), right = sum(slice_columns(x, 1, 3), Axis::All);
  const Value gradient = gradient_of(add(left, right), x)[0];
  CHECK(std::string(gradient.node->primitive->name()) == "place");
  CHECK(gradient.node->inputs[1]);
  CHECK(evaluated(gradient) == Numbers{1, 2, 1, 1, 1, 2, 1, 1});
}

TEST_CASE("offsets that do not fit the tokens are errors before anything is written") {
  const Value x = make().normals({Dim(5), Dim(2)});
  for (const std::vector<int32_t>& bad : std::vector<std::vector<int32_t>>{
           {1, 5}, {0, 4}, {0, 6}, {0, 3, 2, 5}, {0, -1, 5}, {0, INT32_MAX, 5}, {0}}) {
    CHECK(error_of(pad_rows(x, ids_of(bad), 5)).code() == ErrorCode::Index);
    CHECK(error_of(segment_mean(x, ids_of(bad))).code() == ErrorCode::Index);
    const Dim sequences(static_cast<int64_t>(bad.size()) - 1);
    CHECK(error_of(unpad_rows(make().normals({sequences, Dim(5), Dim(2)}), ids_of(bad), 5)).code() ==
          ErrorCode::Index);
  }
  const Error error = error_of(pad_rows(x, ids_of({0, 1, 5}), 3));
  CHECK(std::string(error.what()).find("sequence 1 has 4 tokens") != std::string::npos);
  CHECK_THROWS_AS(pad_rows(x, ids_of({}), 3), Error);
  CHECK_THROWS_AS(unpad_rows(x, ids_of({0, 5}), 5), Error);
}

TEST_CASE("padding and its inverse, of numbers and of ids") {
  const Value x = make().numbers({Dim(3), Dim(2)}, {1, 2, 3, 4, 5, 6}), offsets = ids_of({0, 2, 2, 3});
  const Value padded = pad_rows(x, offsets, 2);
  CHECK(evaluated(padded) == Numbers{1, 2, 3, 4, 0, 0, 0, 0, 5, 6, 0, 0});
  CHECK(evaluated(unpad_rows(padded, offsets, 3)) == Numbers{1, 2, 3, 4, 5, 6});
  CHECK(evaluated(pad_rows(ids_of({7, 8, 9}), offsets, 3)) == Numbers{7, 8, 0, 0, 0, 0, 9, 0, 0});
  CHECK(evaluated(segment_mean(x, offsets)) == Numbers{2, 3, 0, 0, 5, 6});
}

}  // namespace

}  // namespace tiny
