#include "ops/op_cases.h"

namespace tiny {

namespace {

struct Operands {
  bool weight, bias, residual;
};

OpInstance layer_norm(Draw& draw, Operands has) {
  const Dim rows(draw.rows(4, 150)), width(draw.size(7, 131));
  const Attributes attributes = op_attributes({{"eps", 1e-3}});
  return {{draw.normals({rows, width}, 2), has.weight ? draw.normals({width}) : Value{},
           has.bias ? draw.normals({width}) : Value{}, has.residual ? draw.normals({rows, width}) : Value{}},
          [=](std::span<const Value> in) { return apply("layerNorm", in, attributes); }};
}

OpInstance rms_norm(Draw& draw, bool weight, bool residual, bool zero_centred) {
  const Dim rows(draw.rows(4, 150)), width(draw.size(7, 131));
  const Attributes attributes = op_attributes({{"eps", 1e-3}, {"zeroCentred", zero_centred}});
  return {{draw.normals({rows, width}, 2), weight ? draw.normals({width}) : Value{},
           residual ? draw.normals({rows, width}) : Value{}},
          [=](std::span<const Value> in) { return apply("rmsNorm", in, attributes); }};
}

// Sums of 150 products and a cancelling difference: a few more roundings than one row's.
constexpr double kTolerance = 1e-5;

const OpCase kCases[] = {
    {"layerNorm",
     [](Draw& draw) {
       return layer_norm(draw, {true, true, false});
     },
     {0, 1, 2},
     {0},
     {0},
     kTolerance},
    {"layerNorm of x + residual",
     [](Draw& draw) {
       return layer_norm(draw, {true, true, true});
     },
     {0, 1, 2, 3},
     {0, 3},
     {0, 3},
     kTolerance},
    {"layerNorm without bias",
     [](Draw& draw) {
       return layer_norm(draw, {true, false, false});
     },
     {0, 1},
     {0},
     {0},
     kTolerance},
    {"layerNorm without weight",
     [](Draw& draw) {
       return layer_norm(draw, {false, false, true});
     },
     {0, 3},
     {0, 3},
     {0, 3},
     kTolerance},
    {"layerNorm of rank 3, y alone",
     [](Draw& draw) {
       const Dim width(draw.size(6, 35));
       const Shape shape{Dim(draw.rows(2, 5)), Dim(draw.size(2, 9)), width};
       const Attributes attributes = op_attributes({{"eps", 1e-3}});
       return OpInstance{
           {draw.normals(shape), draw.normals({width}), draw.normals({width}), draw.normals(shape)},
           [=](std::span<const Value> in) {
             return std::vector<Value>{apply("layerNorm", in, attributes)[0]};
           }};
     },
     {0, 1, 2, 3},
     {0, 3},
     {0, 3},
     kTolerance},
    {"rmsNorm", [](Draw& draw) { return rms_norm(draw, true, false, false); }, {0, 1}, {0}, {0}, kTolerance},
    {"rmsNorm, zero-centred",
     [](Draw& draw) { return rms_norm(draw, true, false, true); },
     {0, 1},
     {0},
     {0},
     kTolerance},
    {"rmsNorm of x + residual",
     [](Draw& draw) { return rms_norm(draw, true, true, false); },
     {0, 1, 2},
     {0, 2},
     {0, 2},
     kTolerance},
    {"rmsNorm without weight",
     [](Draw& draw) { return rms_norm(draw, false, false, false); },
     {0},
     {0},
     {0},
     kTolerance},
};

}  // namespace

std::span<const OpCase> norm_cases() { return kCases; }

}  // namespace tiny
