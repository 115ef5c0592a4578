#include <string>

#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance reshape_of(Draw& draw) {
  const int64_t rows = draw.rows(3, 20), width = 3 * draw.size(2, 15);
  return {{draw.normals({Dim(rows), Dim(width)})}, [=](Inputs in) {
            return apply("reshape", in, op_attributes({{"shape", Shape{Dim(3), Dim(rows), Dim(width / 3)}}}));
          }};
}

template <bool kRows>
OpInstance slice_of(Draw& draw) {
  const int64_t start = draw.below(3), length = draw.rows(3, 20), other = draw.size(3, 20);
  const Dim sliced(start + length + 2);
  const Value x = kRows ? draw.normals({sliced, Dim(other)}) : draw.normals({Dim(other), sliced});
  return {{x}, [=](Inputs in) {
            return apply(kRows ? "sliceRows" : "sliceColumns", in,
                         op_attributes({{"start", Dim(start)}, {"length", Dim(length)}}));
          }};
}

OpInstance slice_of_three(Draw& draw) {
  const Value x = draw.normals({Dim(5), Dim(draw.size(3, 5)), Dim(draw.size(3, 9))});
  return {{x}, [](Inputs in) {
            return apply("sliceRows", in, op_attributes({{"start", Dim(1)}, {"length", Dim(3)}}));
          }};
}

// Three slices of one tensor, as of merged query, key and value: their gradients meet in place.
OpInstance thirds(Draw& draw) {
  const int64_t width = draw.size(3, 20);
  return {{draw.normals({Dim(draw.size(3, 20)), Dim(3 * width)})}, [=](Inputs in) {
            std::vector<Value> parts;
            for (int64_t i = 0; i < 3; ++i) {
              parts.push_back(apply("sliceColumns", in,
                                    op_attributes({{"start", Dim(i * width)}, {"length", Dim(width)}}))[0]);
            }
            return parts;
          }};
}

template <bool kRows>
OpInstance concat_of(Draw& draw) {
  const Dim other(draw.size(3, 20));
  std::vector<Value> parts;
  for (int i = 0; i < 3; ++i) {
    const Dim joined(draw.rows(3, 20));
    parts.push_back(kRows ? draw.normals({joined, other}) : draw.normals({other, joined}));
  }
  return {parts, [](Inputs in) {
            return apply("concat", in, op_attributes({{"axis", std::string(kRows ? "rows" : "last")}}));
          }};
}

OpInstance transpose_of(Draw& draw) {
  const Value x = draw.normals({Dim(draw.rows(3, 70)), Dim(draw.size(4, 90))});
  return {{x}, [](Inputs in) { return apply("transpose", in, {}); }};
}

OpInstance contiguous_of(Draw& draw) {
  const Value x = draw.normals({Dim(draw.rows(3, 20)), Dim(draw.size(4, 30))});
  return {{x}, [](Inputs in) { return apply("contiguous", in, {}); }};
}

OpInstance detach_of(Draw& draw) {
  const Value x = draw.normals({Dim(draw.rows(3, 20)), Dim(draw.size(4, 30))});
  return {{x}, [](Inputs in) { return apply("detach", in, {}); }};
}

}  // namespace

std::span<const OpCase> shape_cases() {
  static const OpCase cases[] = {
      {.name = "reshape", .make = reshape_of, .differentiable = {0}, .strided = {0}},
      {.name = "sliceRows", .make = slice_of<true>, .differentiable = {0}, .strided = {0}},
      {.name = "sliceColumns", .make = slice_of<false>, .differentiable = {0}, .strided = {0}},
      {.name = "sliceRows of three dimensions",
       .make = slice_of_three,
       .differentiable = {0},
       .strided = {0}},
      {.name = "three slices", .make = thirds, .differentiable = {0}, .strided = {0}},
      {.name = "concat rows", .make = concat_of<true>, .differentiable = {0, 1, 2}, .strided = {0, 1, 2}},
      {.name = "concat last", .make = concat_of<false>, .differentiable = {0, 1, 2}, .strided = {0, 1, 2}},
      {.name = "transpose", .make = transpose_of, .differentiable = {0}, .strided = {0}},
      {.name = "detach", .make = detach_of, .rowwise = {0}, .strided = {0}},
      {.name = "contiguous", .make = contiguous_of, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
  };
  return cases;
}

}  // namespace tiny
