#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance dropout_of(Draw& draw) {
  const Value x = draw.normals({Dim(draw.rows(4, 40)), Dim(draw.size(9, 150))});
  const Value key = draw.integers({Dim(2)}, 0, 1 << 30);
  return {{x, key}, [](Inputs in) {
            return apply("dropout", in, op_attributes({{"p", 0.3}, {"site", 7.0}}));
          }};
}

}  // namespace

std::span<const OpCase> random_cases() {
  static const OpCase cases[] = {
      {.name = "dropout", .make = dropout_of, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
  };
  return cases;
}

}  // namespace tiny
