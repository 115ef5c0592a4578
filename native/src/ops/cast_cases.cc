#include <string>

#include "ops/op_cases.h"

namespace tiny {

namespace {

// Through a narrower type and back: what float32 and float64 agree on, since both start from float32 numbers.
OpInstance through(Draw& draw, const char* dtype) {
  const Shape shape{Dim(draw.rows(3, 37)), Dim(draw.size(6, 71))};
  const Attributes narrow = op_attributes({{"dtype", std::string(dtype)}});
  const Attributes back = op_attributes({{"dtype", std::string(name_of(draw.dtype()))}});
  return {{draw.normals(shape, 1000)},
          [=](std::span<const Value> in) { return apply("cast", apply("cast", in, narrow), back); }};
}

// Steps have no derivative to compare with, so gradients are checked where every value is representable.
const OpCase kCases[] = {
    {"cast to bfloat16", [](Draw& draw) { return through(draw, "bfloat16"); }, {}, {0}, {0}},
    {"cast to float16", [](Draw& draw) { return through(draw, "float16"); }, {}, {0}, {0}},
    {"cast to int32", [](Draw& draw) { return through(draw, "int32"); }, {}, {0}, {0}},
    {"cast to float64", [](Draw& draw) { return through(draw, "float64"); }, {0}, {0}, {0}},
};

}  // namespace

std::span<const OpCase> cast_cases() { return kCases; }

}  // namespace tiny
