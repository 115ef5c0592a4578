#include <numeric>
#include <utility>

#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

// Sizes beyond two tiles of every ISA: rows of 14, columns of 32. Some experts have no row.
OpInstance expert_product(Draw& draw, bool stacked, bool transpose_b, bool biased) {
  const int64_t experts = draw.size(3, 6), rows = draw.rows(5, 90), n = draw.size(3, 71),
                k = draw.size(4, 67);
  const double scale = draw.purpose() == Draw::Purpose::Comparison ? 0.3 : 1;
  std::vector<Value> inputs{draw.normals({rows, k}, scale), draw.offsets(experts, rows),
                            biased ? draw.normals({experts, n}) : Value{}};
  const Shape matrix = transpose_b ? Shape{n, k} : Shape{k, n};
  if (stacked) {
    inputs.push_back(draw.normals({Dim(experts), matrix[0], matrix[1]}));
  } else {
    // Three, whatever the size drawn: the table names differentiable inputs by number.
    inputs[1] = draw.offsets(3, rows);
    if (biased) inputs[2] = draw.normals({3, n});
    for (int e = 0; e < 3; ++e) inputs.push_back(draw.normals(matrix));
  }
  return {inputs, [=](Inputs in) {
            return apply("expertMatmul", in, op_attributes({{"transposeB", transpose_b}}));
          }};
}

OpInstance stack(Draw& draw) { return expert_product(draw, true, true, false); }
OpInstance transposed_stack(Draw& draw) { return expert_product(draw, true, false, true); }
OpInstance matrices(Draw& draw) { return expert_product(draw, false, true, true); }
OpInstance transposed_matrices(Draw& draw) { return expert_product(draw, false, false, false); }

OpInstance sort(Draw& draw) {
  const int64_t experts = draw.size(3, 40);
  const double count = static_cast<double>(experts);
  return {{draw.integers({draw.rows(4, 40), draw.size(3, 8)}, 0, experts)}, [=](Inputs in) {
            return apply("sortByExpert", in, op_attributes({{"experts", count}}));
          }};
}

OpInstance combine(Draw& draw) {
  const int64_t tokens = draw.rows(3, 30), k = draw.size(3, 6), rows = tokens * k;
  std::vector<int32_t> places(static_cast<size_t>(rows));
  std::iota(places.begin(), places.end(), 0);
  for (size_t i = places.size(); i > 1; --i) {
    std::swap(places[i - 1], places[static_cast<size_t>(draw.below(static_cast<int64_t>(i)))]);
  }
  return {{draw.normals({rows, draw.size(3, 300)}), draw.integers({tokens, k}, places),
           draw.normals({tokens, k})},
          [](Inputs in) { return apply("combineExperts", in, {}); }};
}

// Places may repeat, and rows may belong to nobody.
OpInstance combine_some(Draw& draw) {
  const int64_t tokens = draw.rows(3, 30), k = draw.size(3, 6), rows = draw.size(5, 40);
  return {{draw.normals({rows, draw.size(3, 33)}), draw.integers({tokens, k}, 0, rows),
           draw.normals({tokens, k})},
          [](Inputs in) { return apply("combineExperts", in, {}); }};
}

}  // namespace

std::span<const OpCase> expert_cases() {
  static const OpCase cases[] = {
      {.name = "expertMatmul of a stack", .make = stack, .differentiable = {0, 3}, .strided = {0, 3}},
      {.name = "expertMatmul of a transposed stack",
       .make = transposed_stack,
       .differentiable = {0, 2, 3},
       .strided = {0, 2, 3}},
      {.name = "expertMatmul of matrices",
       .make = matrices,
       .differentiable = {0, 2, 3, 4, 5},
       .strided = {0, 2, 3, 4, 5}},
      {.name = "expertMatmul of transposed matrices",
       .make = transposed_matrices,
       .differentiable = {0, 3, 4, 5},
       .strided = {0, 3, 4, 5}},
      {.name = "sortByExpert", .make = sort, .strided = {0}},
      {.name = "combineExperts", .make = combine, .differentiable = {0, 2}, .strided = {0, 1, 2}},
      {.name = "combineExperts of some rows",
       .make = combine_some,
       .differentiable = {0, 2},
       .rowwise = {1, 2},
       .strided = {0, 1, 2}},
  };
  return cases;
}

}  // namespace tiny
