#include "ops/experts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "graph/variable.h"
#include "ops/accumulate.h"
#include "ops/expert_rows.h"
#include "ops/matmul.h"
#include "ops/op_cases.h"
#include "ops/reduce.h"
#include "ops/shape.h"
#include "ops/top_k.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make(int trial = 0) { return Draw(DType::Float32, Draw::Purpose::Comparison, 1, trial); }

Value indices(const Shape& shape, const std::vector<int32_t>& values) {
  return make().integers(shape, values);
}
Value offsets(const std::vector<int32_t>& values) {
  return indices({Dim(static_cast<int64_t>(values.size()))}, values);
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

Value frozen(const Value& value) {
  static std::vector<std::shared_ptr<Variable>> kept;
  kept.push_back(Variable::create(value.type(), value.node->result(value.index), "weight"));
  return kept.back()->read();
}

TEST_CASE("the largest come first, then the first of equals; NaN is larger than anything") {
  const Value x = make().numbers({2, 5}, {1, 4, 2, 4, 3, -1, INFINITY, NAN, -INFINITY, 0});
  const TopK found = top_k(x, 3);
  CHECK(evaluated(found.indices) == Numbers{1, 3, 4, 2, 1, 4});
  CHECK(evaluated(slice_rows(found.values, 0, 1)) == Numbers{4, 4, 3});
  CHECK(evaluated(top_k(x, 5).indices) == Numbers{1, 3, 4, 2, 0, 2, 1, 4, 0, 3});
  CHECK(evaluated(top_k(x, 0).values).empty());
  CHECK_THROWS_WITH(top_k(x, 6), doctest::Contains("6 elements cannot be chosen of each row of [2, 5]"));
  CHECK_THROWS_AS(top_k(offsets({1, 2}), 1), Error);
}

TEST_CASE("indices outside the columns are errors that name them") {
  const Value x = make().normals({2, 3});
  for (const int32_t bad : {-1, 3, INT32_MAX}) {
    const Value at = indices({2, 2}, {0, 1, bad, 2});
    for (const Value& value :
         {gather_last(x, at), mark_columns(at, 3), scatter_last(make().normals({2, 2}), at, 3)}) {
      const Error error = error_of(value);
      CHECK(error.code() == ErrorCode::Index);
      CHECK(std::string(error.what()).find("index " + std::to_string(bad) + " at position 2") !=
            std::string::npos);
    }
    CHECK(error_of(sort_by_expert(at, 3).rows).code() == ErrorCode::Index);
    CHECK(error_of(combine_experts(make().normals({3, 2}), at, make().normals({2, 2}))).code() ==
          ErrorCode::Index);
  }
  CHECK_THROWS_AS(gather_last(x, indices({3, 1}, {0, 0, 0})), Error);
}

TEST_CASE("marks are ones, however often a column is named") {
  CHECK(evaluated(mark_columns(indices({2, 2}, {1, 1, 2, 0}), 3)) == Numbers{0, 1, 0, 1, 0, 1});
}

TEST_CASE("pairs are sorted by expert, then by token and choice") {
  const ExpertOrder order = sort_by_expert(indices({3, 2}, {2, 0, 0, 3, 2, 0}), 5);
  CHECK(evaluated(order.offsets) == Numbers{0, 3, 3, 5, 6, 6});
  CHECK(evaluated(order.rows) == Numbers{0, 1, 2, 0, 2, 1});
  CHECK(evaluated(order.places) == Numbers{3, 0, 1, 5, 4, 2});
  CHECK(evaluated(sort_by_expert(indices({0, 2}, {}), 2).offsets) == Numbers{0, 0, 0});
  CHECK_THROWS_AS(sort_by_expert(offsets({1}), 2), Error);
}

TEST_CASE("offsets that do not fit the rows are errors before anything is written") {
  const Value x = make().normals({5, 2}), weight = make().normals({2, 3, 2});
  for (const std::vector<int32_t>& bad :
       std::vector<std::vector<int32_t>>{{0, 2, 4}, {1, 2, 5}, {0, 6, 5}, {0, -1, 5}, {0, 5, INT32_MAX}}) {
    CHECK(error_of(expert_matmul(x, offsets(bad), {&weight, 1})).code() == ErrorCode::Index);
    CHECK(error_of(sum_by_expert(x, offsets(bad))).code() == ErrorCode::Index);
  }
}

TEST_CASE("shapes and dtypes that do not fit") {
  const Value x = make().normals({5, 2}), at = offsets({0, 2, 5}), weight = make().normals({2, 3, 2});
  const auto product = [&](const Value& rows, const std::vector<Value>& weights, const Value& bias = {},
                           bool transposed = true) {
    ExpertMatmulOptions options;
    options.transpose_b = transposed;
    return expert_matmul(rows, at, weights, bias, options);
  };
  CHECK(product(x, {weight}).shape() == Shape{5, 3});
  CHECK_THROWS_WITH(product(x, {weight}, {}, false), doctest::Contains("the inner sizes differ"));
  CHECK_THROWS_WITH(product(x, {weight}, make().normals({3})), doctest::Contains("bias must be [2, 3]"));
  CHECK_THROWS_WITH(product(x, {make().normals({3, 3, 2})}), doctest::Contains("not those of 3 experts"));
  CHECK_THROWS_WITH(product(x, {make().normals({3, 2}), make().normals({4, 2})}),
                    doctest::Contains("the weight of expert 1 is [4, 2]"));
  CHECK_THROWS_WITH(product(make().normals({5}), {weight}), doctest::Contains("takes rows"));
  CHECK_THROWS_WITH(product(x, {offsets({1, 2})}), doctest::Contains("not multiplied with weights of int32"));
  CHECK_THROWS_AS(apply("expertMatmul", std::vector<Value>{x, at, {}}, {}), Error);
  CHECK_THROWS_AS(apply("expertMatmul", std::vector<Value>{x, at, {}, weight, {}}, {}), Error);
}

// Of 2-byte floats with the upper bits of small normals.
Value half(const Value& x, DType dtype) {
  return apply("cast", std::vector<Value>{x}, op_attributes({{"dtype", std::string(name_of(dtype))}}))[0];
}

TEST_CASE("a row has the bits of a plain product, whatever the number of its expert's rows; packed or not") {
  const int64_t experts = 3, n = 70, k = 1100;
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
    for (const bool bf16 : {false, true}) {
      CAPTURE(std::string(name_of(dtype)));
      CAPTURE(bf16);
      Draw draw = make(3);
      const Value plain = half(draw.normals({experts, n, k}), dtype),
                  bias = half(draw.normals({experts, n}), dtype);
      const Value x = draw.normals({40, k});
      evaluated(plain);
      evaluated(bias);
      ExpertMatmulOptions options;
      options.bf16 = bf16;
      MatmulOptions single;
      single.transpose_b = true;
      single.bf16 = bf16;
      const Value flat_bias = reshape(bias, {experts * n});
      for (const Value& weight : {plain, frozen(plain)}) {
        const Numbers all =
            evaluated(expert_matmul(x, offsets({0, 33, 33, 40}), {&weight, 1}, bias, options));
        const Numbers split = evaluated(
            expert_matmul(slice_rows(x, 32, 2), offsets({0, 1, 1, 2}), {&weight, 1}, bias, options));
        CHECK(Numbers(all.begin() + 32 * n, all.begin() + 34 * n) == split);
        const Value flat = reshape(plain, {experts * n, k});
        const Numbers first = evaluated(
            matmul(slice_rows(x, 32, 1), slice_rows(flat, 0, n), single, slice_rows(flat_bias, 0, n)));
        CHECK(Numbers(split.begin(), split.begin() + n) == first);
      }
    }
  }
}

TEST_CASE("experts without a row have gradients of exact zeros, as matrices and in a stack") {
  const Value x = make(3).normals({4, 3}), at = offsets({0, 0, 4, 4});
  const auto gradients_of = [&](const std::vector<Value>& weights, const Value& bias) {
    const Value loss = sum(expert_matmul(x, at, weights, bias), Axis::All);
    std::vector<Value> wrt = weights;
    wrt.push_back(bias);
    return gradients(loss, make().numbers({}, {1}), wrt, accumulate_gradients);
  };
  const Numbers sums = evaluated(sum(x, Axis::Rows)), zeros(3);
  const Value bias = make().normals({3, 1});
  std::vector<Value> matrices;
  for (int e = 0; e < 3; ++e) matrices.push_back(make().normals({1, 3}));
  const auto separate = gradients_of(matrices, bias);
  CHECK(evaluated(separate[0]) == zeros);
  CHECK(evaluated(separate[2]) == zeros);
  CHECK(evaluated(separate[3]) == Numbers{0, 4, 0});
  const auto stacked = gradients_of({make().normals({3, 1, 3})}, bias);
  const Numbers whole = evaluated(stacked[0]), middle = evaluated(separate[1]);
  CHECK(Numbers(whole.begin(), whole.begin() + 3) == zeros);
  CHECK(Numbers(whole.begin() + 3, whole.begin() + 6) == middle);
  CHECK(Numbers(whole.begin() + 6, whole.end()) == zeros);
  for (size_t j = 0; j < 3; ++j) CHECK(middle[j] == doctest::Approx(sums[j]));
}

TEST_CASE("half weights get float32 gradients") {
  const Value weight = half(make(3).normals({2, 5, 3}), DType::BFloat16);
  const Value x = make(3).normals({4, 3});
  const Value loss = sum(expert_matmul(x, offsets({0, 1, 4}), {&weight, 1}), Axis::All);
  const Value wrt[] = {weight};
  const auto found = gradients(loss, make().numbers({}, {1}), wrt, accumulate_gradients);
  CHECK(found[0].dtype() == DType::Float32);
  CHECK(evaluated(found[0]).size() == 30);
}

TEST_CASE("no rows at all") {
  const Value weight = make().normals({2, 3, 2});
  CHECK(evaluated(expert_matmul(make().normals({0, 2}), offsets({0, 0, 0}), {&weight, 1})).empty());
  CHECK(evaluated(combine_experts(make().normals({0, 3}), indices({0, 2}, {}), make().normals({0, 2})))
            .empty());
}

}  // namespace

}  // namespace tiny
