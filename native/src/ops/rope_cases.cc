#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance rotation(Draw& draw, bool partial, bool interleaved) {
  const int64_t half = draw.size(3, 19), rest = partial ? draw.size(2, 5) : 0, start = rest / 2;
  const int64_t heads = draw.size(2, 3), head_dim = 2 * half + rest;
  const Dim rows(draw.rows(3, 40));
  const Attributes attributes = op_attributes({{"headDim", static_cast<double>(head_dim)},
                                               {"start", static_cast<double>(start)},
                                               {"interleaved", interleaved}});
  return {{draw.normals({rows, Dim(heads * head_dim)}), draw.normals({rows, Dim(2 * half)})},
          [=](Inputs in) { return apply("rotate", in, attributes); }};
}

// Positions are small: in float32 an angle of thousands is itself uncertain by more than the tolerance.
OpInstance table(Draw& draw, const char* choose, int64_t sets) {
  const int64_t tokens = draw.rows(3, 40), sequences = draw.size(2, 5);
  const double threshold = 6;
  const Attributes attributes = op_attributes({{"choose", std::string(choose)},
                                               {"threshold", threshold},
                                               {"factor", 3.0},
                                               {"base", 100.0},
                                               {"scaling", 1.25}});
  return {{draw.integers({Dim(tokens)}, 0, 9), draw.uniforms({Dim(sets), Dim(1 + draw.size(3, 21))}, 0, 1),
           draw.offsets(sequences, tokens)},
          [=](Inputs in) { return apply("rotaryTable", in, attributes); }};
}

}  // namespace

std::span<const OpCase> rope_cases() {
  static const OpCase cases[] = {
      {.name = "rotate, halves",
       .make = [](Draw& draw) { return rotation(draw, false, false); },
       .differentiable = {0},
       .rowwise = {0, 1},
       .strided = {0, 1}},
      {.name = "rotate, halves of some columns",
       .make = [](Draw& draw) { return rotation(draw, true, false); },
       .differentiable = {0},
       .rowwise = {0, 1},
       .strided = {0, 1}},
      {.name = "rotate, interleaved columns",
       .make = [](Draw& draw) { return rotation(draw, true, true); },
       .differentiable = {0},
       .rowwise = {0, 1},
       .strided = {0, 1}},
      {.name = "rotaryTable", .make = [](Draw& draw) { return table(draw, "first", 1); }},
      {.name = "rotaryTable by length",
       .make = [](Draw& draw) { return table(draw, "length", 2); },
       .strided = {1}},
      {.name = "rotaryTable, dynamic", .make = [](Draw& draw) { return table(draw, "dynamic", 1); }},
  };
  return cases;
}

}  // namespace tiny
