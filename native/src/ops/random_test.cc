#include "ops/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "ops/accumulate.h"
#include "ops/op_cases.h"
#include "ops/reduce.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 1, 0); }

Numbers evaluated(const Value& value, int threads = 2) {
  ThreadPool pool(threads);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

Value key_of(int32_t seed, int32_t step) {
  return make().integers({Dim(2)}, std::vector<int32_t>{seed, step});
}

TEST_CASE("dropout's gradient has the mask of its value") {
  const Value x = make().uniforms({Dim(40), Dim(50)}, 1, 2), y = dropout(x, key_of(-1, 5), 0.4, 9);
  const Value wrt[] = {x};
  const Value gradient = gradients(sum(y, Axis::All), make().numbers({}, {1}), wrt, accumulate_gradients)[0];
  const Numbers values = evaluated(y), slopes = evaluated(gradient);
  int64_t dropped = 0, differing = 0;
  for (size_t i = 0; i < values.size(); ++i) {
    differing += (values[i] == 0) != (slopes[i] == 0);
    dropped += values[i] == 0;
  }
  CHECK(differing == 0);
  CHECK(dropped > 700);
  CHECK(dropped < 900);
}

TEST_CASE("dropout is a function of seed, step and site") {
  const Value x = make().uniforms({Dim(40), Dim(50)}, 1, 2);
  const Numbers base = evaluated(dropout(x, key_of(1, 2), 0.5, 3));
  CHECK(evaluated(dropout(x, key_of(1, 2), 0.5, 3), 4) == base);
  CHECK(evaluated(dropout(x, key_of(2, 2), 0.5, 3)) != base);
  CHECK(evaluated(dropout(x, key_of(1, 3), 0.5, 3)) != base);
  CHECK(evaluated(dropout(x, key_of(1, 2), 0.5, 4)) != base);
  CHECK(dropout(x, key_of(1, 2), 0, 3) == x);
}

TEST_CASE("dropout refuses what does not fit") {
  const Value x = make().normals({Dim(2)});
  CHECK_THROWS_AS(dropout(x, key_of(1, 2), 1, 0), Error);
  CHECK_THROWS_AS(dropout(x, key_of(1, 2), -0.1, 0), Error);
  CHECK_THROWS_AS(dropout(x, x, 0.1, 0), Error);
  CHECK_THROWS_AS(dropout(x, make().integers({Dim(3)}, 0, 2), 0.1, 0), Error);
  const Value inputs[] = {x, key_of(1, 2)};
  CHECK_THROWS_AS(apply("dropout", inputs, op_attributes({{"p", 0.1}, {"site", -1.0}})), Error);
}

TEST_CASE("initial weights follow from the seed, all 53 bits of it, on any number of threads") {
  const Shape shape{Dim(301), Dim(173)};
  const Numbers base = evaluated(random_normal(shape, 0, 0.02, 7, 1), 1);
  CHECK(evaluated(random_normal(shape, 0, 0.02, 7, 1), 4) == base);
  CHECK(evaluated(random_normal(shape, 0, 0.02, 8, 1)) != base);
  CHECK(evaluated(random_normal(shape, 0, 0.02, 7 + (uint64_t{1} << 40), 1)) != base);
  CHECK(evaluated(random_normal(shape, 0, 0.02, 7, 2)) != base);
  const Numbers uniform = evaluated(random_uniform(shape, -0.5, 0.25, 7, 1));
  CHECK(*std::min_element(uniform.begin(), uniform.end()) >= -0.5);
  CHECK(*std::max_element(uniform.begin(), uniform.end()) <= 0.25);
  CHECK_THROWS_AS(random_normal(shape, 0, 1, 7, 1, DType::Int32), Error);
}

}  // namespace

}  // namespace tiny
