#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance top_k_of(Draw& draw) {
  const int64_t width = draw.size(6, 150), k = 1 + draw.below(width);
  const double chosen = static_cast<double>(k);
  return {{draw.normals({Dim(draw.rows(3, 21)), Dim(width)})}, [=](Inputs in) {
            return apply("topK", in, op_attributes({{"k", chosen}}));
          }};
}

OpInstance top_k_of_groups(Draw& draw) {
  const int64_t groups = draw.size(3, 8), width = draw.size(4, 33), k = 1 + draw.below(width);
  const double chosen = static_cast<double>(k);
  return {{draw.normals({Dim(draw.rows(3, 21)), Dim(groups), Dim(width)})}, [=](Inputs in) {
            return apply("topK", in, op_attributes({{"k", chosen}}));
          }};
}

// Indices may repeat.
OpInstance gather_last_of(Draw& draw) {
  const int64_t rows = draw.rows(3, 21), width = draw.size(5, 150), k = draw.size(4, 9);
  return {{draw.normals({Dim(rows), Dim(width)}), draw.integers({Dim(rows), Dim(k)}, 0, width)},
          [](Inputs in) { return apply("gatherLast", in, {}); }};
}

OpInstance mark(Draw& draw) {
  const int64_t rows = draw.rows(3, 21), width = draw.size(5, 150), k = draw.size(4, 9);
  const double columns = static_cast<double>(width);
  return {{draw.integers({Dim(rows), Dim(k)}, 0, width)}, [=](Inputs in) {
            return apply("markColumns", in, op_attributes({{"columns", columns}}));
          }};
}

}  // namespace

std::span<const OpCase> top_k_cases() {
  static const OpCase cases[] = {
      {.name = "topK", .make = top_k_of, .differentiable = {0}, .rowwise = {0}, .strided = {0}},
      {.name = "topK of groups",
       .make = top_k_of_groups,
       .differentiable = {0},
       .rowwise = {0},
       .strided = {0}},
      {.name = "gatherLast",
       .make = gather_last_of,
       .differentiable = {0},
       .rowwise = {0, 1},
       .strided = {0, 1}},
      {.name = "markColumns", .make = mark, .rowwise = {0}, .strided = {0}},
  };
  return cases;
}

}  // namespace tiny
