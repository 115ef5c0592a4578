#include <cmath>

#include "ops/op_cases.h"

namespace tiny {

namespace {

Shape matrix(Draw& draw) { return {Dim(draw.rows(3, 70)), Dim(draw.size(5, 1100))}; }

// Numbers at least 0.1 away from `kink`, where a difference quotient would mislead.
Value away_from(Draw& draw, const Shape& shape, double kink) {
  std::vector<double> values(static_cast<size_t>(elements(shape).value()));
  for (double& value : values) {
    const double drawn = draw.uniform(0.1, 4);
    value = static_cast<float>(draw.below(2) ? kink + drawn : kink - drawn);
  }
  return draw.numbers(shape, values);
}

OpInstance with(std::vector<Value> inputs, const char* op, Attributes attributes = {}) {
  return {std::move(inputs),
          [op, attributes](std::span<const Value> in) { return apply(op, in, attributes); }};
}

// The second operand's shape: equal, a scalar, a row or a column, by chance.
Shape spread(Draw& draw, const Shape& shape) {
  switch (draw.below(4)) {
    case 0:
      return {};
    case 1:
      return {shape[1]};
    case 2:
      return {shape[0], Dim(1)};
    default:
      return shape;
  }
}

template <const char* kOp>
OpInstance binary(Draw& draw) {
  const Shape shape = matrix(draw);
  return with({draw.normals(shape), draw.normals(spread(draw, shape))}, kOp);
}

template <const char* kOp>
OpInstance unary(Draw& draw) {
  return with({draw.normals(matrix(draw), 3)}, kOp);
}

template <const char* kOp>
OpInstance positive(Draw& draw) {
  return with({draw.uniforms(matrix(draw), 0.1, 5)}, kOp);
}

template <const char* kOp>
OpInstance kinked(Draw& draw) {
  return with({away_from(draw, matrix(draw), 0)}, kOp);
}

#define NAME(op) constexpr char k_##op[] = #op
NAME(add);
NAME(sub);
NAME(mul);
NAME(maximum);
NAME(minimum);
NAME(neg);
NAME(exp);
NAME(log);
NAME(sqrt);
NAME(rsqrt);
NAME(square);
NAME(abs);
NAME(tanh);
NAME(sigmoid);
NAME(relu);
NAME(gelu);
NAME(geluTanh);
NAME(silu);
#undef NAME

// The gradient of a spread operand sums up to 77,000 terms of either sign.
constexpr double kSummed = 1e-5;

const OpCase kCases[] = {
    {"add", binary<k_add>, {0, 1}, {}, {0, 1}, kSummed},
    {"sub", binary<k_sub>, {0, 1}, {}, {0, 1}, kSummed},
    {"mul", binary<k_mul>, {0, 1}, {}, {0, 1}, kSummed},
    {"maximum", binary<k_maximum>, {0, 1}, {}, {0, 1}, kSummed},
    {"minimum", binary<k_minimum>, {0, 1}, {}, {0, 1}, kSummed},
    {"div",
     [](Draw& draw) {
       const Shape shape = matrix(draw);
       return with({draw.normals(shape), away_from(draw, spread(draw, shape), 0)}, "div");
     },
     {0, 1},
     {},
     {0, 1},
     kSummed},
    {"scalar - x",
     [](Draw& draw) {
       const Shape shape = matrix(draw);
       return with({draw.normals({}), draw.normals(shape)}, "sub");
     },
     {0, 1},
     {1},
     {1},
     kSummed},
    {"rank 3 + row",
     [](Draw& draw) {
       const Dim width(draw.size(4, 33));
       return with({draw.normals({Dim(draw.rows(2, 5)), Dim(draw.size(3, 7)), width}), draw.normals({width})},
                   "add");
     },
     {0, 1},
     {0},
     {0}},
    {"neg", unary<k_neg>, {0}, {0}, {0}},
    {"exp", unary<k_exp>, {0}, {0}, {0}},
    {"log", positive<k_log>, {0}, {0}, {0}},
    {"sqrt", positive<k_sqrt>, {0}, {0}, {0}},
    {"rsqrt", positive<k_rsqrt>, {0}, {0}, {0}},
    {"square", unary<k_square>, {0}, {0}, {0}},
    {"abs", kinked<k_abs>, {0}, {0}, {0}},
    {"tanh", unary<k_tanh>, {0}, {0}, {0}},
    {"sigmoid", unary<k_sigmoid>, {0}, {0}, {0}},
    {"relu", kinked<k_relu>, {0}, {0}, {0}},
    {"gelu", unary<k_gelu>, {0}, {0}, {0}},
    {"geluTanh", unary<k_geluTanh>, {0}, {0}, {0}},
    {"silu", unary<k_silu>, {0}, {0}, {0}},
    {"pow 1.5",
     [](Draw& draw) {
       return with({draw.uniforms(matrix(draw), 0.1, 5)}, "pow", op_attributes({{"exponent", 1.5}}));
     },
     {0},
     {0},
     {0}},
    {"pow 3",
     [](Draw& draw) {
       return with({draw.normals(matrix(draw))}, "pow", op_attributes({{"exponent", 3.0}}));
     },
     {0},
     {0},
     {0}},
    {"clamp",
     [](Draw& draw) {
       return with({away_from(draw, matrix(draw), -1)}, "clamp",
                   op_attributes({{"min", -1.0}, {"max", 100.0}}));
     },
     {0},
     {0},
     {0}},
    {"scale",
     [](Draw& draw) {
       return with({draw.normals(matrix(draw))}, "scale", op_attributes({{"factor", 0.3}}));
     },
     {0},
     {0},
     {0}},
    {"where, int32 condition",
     [](Draw& draw) {
       const Shape shape = matrix(draw);
       const Value condition = draw.integers(spread(draw, shape), -1, 2);
       return with({condition, draw.normals(shape), draw.normals(spread(draw, shape))}, "where");
     },
     {1, 2},
     {},
     {0, 1, 2},
     kSummed},
    {"where, float condition",
     [](Draw& draw) {
       const Shape shape = matrix(draw);
       const std::vector<double> mask{0, 1};
       std::vector<double> values(static_cast<size_t>(elements(shape).value()));
       for (double& value : values) value = mask[static_cast<size_t>(draw.below(2))];
       return with({draw.numbers(shape, values), draw.normals({}), draw.normals(shape)}, "where");
     },
     {1, 2},
     {0, 2},
     {0, 2},
     kSummed},
};

}  // namespace

std::span<const OpCase> elementwise_cases() { return kCases; }

}  // namespace tiny
