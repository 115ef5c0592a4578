#include <string>

#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

template <int kOp>
OpInstance reduction(Draw& draw) {
  static constexpr const char* kNames[] = {"sum", "mean", "max"};
  static constexpr const char* kAxes[] = {"last", "rows", "all"};
  constexpr int op = kOp / 3, axis = kOp % 3;
  // Means and maxima of nothing are NaN and -infinity, which compare with nothing.
  const int64_t rows = op == 0 || axis == 0 ? draw.rows(3, 131) : draw.size(3, 131);
  const Value x = draw.normals({Dim(rows), Dim(draw.size(5, 150))});
  return {{x}, [](Inputs in) {
            return apply(kNames[op], in, op_attributes({{"axis", std::string(kAxes[axis])}}));
          }};
}

// Beyond one chunk of a reduction over everything.
OpInstance long_sum(Draw& draw) {
  const Value x = draw.normals({Dim(draw.size(2, 40)), Dim(draw.size(3, 301))});
  return {{x}, [](Inputs in) { return apply("sum", in, op_attributes({{"axis", std::string("all")}})); }};
}

OpInstance ties(Draw& draw) {
  const int64_t rows = draw.size(3, 9), width = draw.size(5, 40);
  std::vector<double> values;
  for (int64_t i = 0; i < rows * width; ++i) values.push_back(static_cast<double>(draw.below(3)));
  return {{draw.numbers({Dim(rows), Dim(width)}, values)}, [](Inputs in) { return apply("argmax", in, {}); }};
}

OpInstance rank_three(Draw& draw) {
  const Value x = draw.normals({Dim(draw.size(2, 5)), Dim(draw.size(3, 7)), Dim(draw.size(3, 33))});
  return {{x}, [](Inputs in) { return apply("mean", in, op_attributes({{"axis", std::string("last")}})); }};
}

OpInstance sum_squares_of(Draw& draw) {
  const Value a = draw.normals({Dim(draw.rows(3, 70)), Dim(draw.size(4, 90))});
  const Value b = draw.normals({Dim(draw.size(5, 5000))});
  return {{a, b, draw.normals({})}, [](Inputs in) { return apply("sumSquares", in, {}); }};
}

OpInstance all_finite_of(Draw& draw) {
  const Value a = draw.normals({Dim(draw.rows(3, 40)), Dim(draw.size(4, 90))});
  return {{a, draw.normals({Dim(draw.size(3, 9))})}, [](Inputs in) { return apply("allFinite", in, {}); }};
}

template <bool mean>
OpInstance segments(Draw& draw) {
  const int64_t tokens = draw.rows(5, 60), sequences = draw.size(3, 9);
  const Value x = draw.normals({Dim(tokens), Dim(draw.size(4, 70))});
  return {{x, draw.offsets(sequences, tokens)},
          [](Inputs in) { return apply(mean ? "segmentMean" : "segmentMax", in, {}); }};
}

}  // namespace

std::span<const OpCase> reduce_cases() {
  static const OpCase cases[] = {
      {.name = "sum last", .make = reduction<0>, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
      {.name = "sum rows", .make = reduction<1>, .differentiable = {0}, .strided = {0}},
      {.name = "sum all", .make = reduction<2>, .differentiable = {0}, .strided = {0}},
      {.name = "mean last", .make = reduction<3>, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
      {.name = "mean rows", .make = reduction<4>, .differentiable = {0}, .strided = {0}},
      {.name = "mean all", .make = reduction<5>, .differentiable = {0}, .strided = {0}},
      {.name = "max last", .make = reduction<6>, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
      {.name = "max rows", .make = reduction<7>, .differentiable = {0}, .strided = {0}},
      {.name = "max all", .make = reduction<8>, .differentiable = {0}, .strided = {0}},
      {.name = "sum of chunks", .make = long_sum, .differentiable = {0}, .strided = {0}},
      {.name = "mean of three dimensions", .make = rank_three, .differentiable = {0}, .strided = {0}},
      {.name = "argmax with ties", .make = ties, .rowwise = {0}, .strided = {0}},
      {.name = "sumSquares", .make = sum_squares_of, .differentiable = {0, 1, 2}, .strided = {0}},
      {.name = "allFinite", .make = all_finite_of, .strided = {0}},
      {.name = "segmentMean", .make = segments<true>, .differentiable = {0}, .strided = {0}},
      {.name = "segmentMax", .make = segments<false>, .differentiable = {0}, .strided = {0}},
  };
  return cases;
}

}  // namespace tiny
