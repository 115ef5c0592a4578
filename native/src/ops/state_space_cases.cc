#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance convolution(Draw& draw, const char* activation, bool bias) {
  const int64_t width = draw.size(3, 37), taps = draw.size(4, 5), tokens = draw.rows(5, 70);
  const Attributes attributes = op_attributes({{"activation", std::string(activation)}});
  return {{draw.normals({Dim(tokens), Dim(width)}), draw.normals({Dim(width), Dim(taps)}, 0.5),
           bias ? draw.normals({Dim(width)}) : Value{}, draw.offsets(draw.size(2, 4), tokens)},
          [=](Inputs in) { return apply("causalConv", in, attributes); }};
}

OpInstance scan(Draw& draw, bool optional, double dt_min, double dt_max) {
  const int64_t groups = draw.size(2, 2), heads = groups * draw.size(2, 9), width = draw.size(3, 37),
                state = draw.size(3, 13), tokens = draw.rows(5, 70);
  const Attributes attributes = op_attributes({{"heads", static_cast<double>(heads)},
                                               {"groups", static_cast<double>(groups)},
                                               {"dtMin", dt_min},
                                               {"dtMax", dt_max}});
  const Dim rows(tokens), entering(groups * state);
  return {{draw.normals({rows, Dim(heads * width)}), draw.normals({rows, Dim(heads)}),
           draw.uniforms({Dim(heads)}, -2, -0.1), draw.normals({rows, entering}),
           draw.normals({rows, entering}), draw.offsets(draw.size(2, 4), tokens),
           optional ? draw.normals({Dim(heads)}) : Value{}, optional ? draw.normals({Dim(heads)}) : Value{}},
          [=](Inputs in) { return apply("stateScan", in, attributes); }};
}

}  // namespace

std::span<const OpCase> state_space_cases() {
  static const OpCase cases[] = {
      {.name = "causalConv with silu",
       .make = [](Draw& draw) { return convolution(draw, "silu", true); },
       .differentiable = {0, 1, 2},
       .strided = {0},
       .tolerance = 4e-6},
      {.name = "causalConv without bias",
       .make = [](Draw& draw) { return convolution(draw, "none", false); },
       .differentiable = {0, 1},
       .strided = {0},
       .tolerance = 4e-6},
      {.name = "stateScan",
       .make = [](Draw& draw) { return scan(draw, true, 0, 1e9); },
       .differentiable = {0, 1, 2, 3, 4, 6, 7},
       .strided = {0, 1, 3, 4},
       .tolerance = 1e-5},
      {.name = "stateScan, steps clamped",
       .make = [](Draw& draw) { return scan(draw, false, 0.4, 1.1); },
       .differentiable = {0, 1, 2, 3, 4},
       .strided = {0, 1, 3, 4},
       .tolerance = 1e-5},
  };
  return cases;
}

}  // namespace tiny
