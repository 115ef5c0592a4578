#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

OpInstance embedding_of(Draw& draw) {
  const int64_t vocabulary = draw.size(4, 50);
  const Value table = draw.normals({Dim(vocabulary), Dim(draw.size(3, 300))});
  return {{table, draw.integers({Dim(draw.rows(5, 90))}, 0, vocabulary)},
          [](Inputs in) { return apply("embedding", in, {}); }};
}

OpInstance gather_of(Draw& draw) {
  const int64_t rows = draw.size(4, 20);
  const Value x = draw.normals({Dim(rows), Dim(draw.size(3, 40))});
  return {{x, draw.integers({Dim(draw.size(2, 5)), Dim(draw.size(3, 9))}, 0, rows)},
          [](Inputs in) { return apply("gatherRows", in, {}); }};
}

OpInstance pad(Draw& draw) {
  const int64_t tokens = draw.rows(5, 40), sequences = draw.size(3, 7);
  const Value x = draw.normals({Dim(tokens), Dim(draw.size(3, 33))});
  const double length = static_cast<double>(tokens + 2);
  return {{x, draw.offsets(sequences, tokens)}, [=](Inputs in) {
            return apply("padRows", in, op_attributes({{"length", length}}));
          }};
}

OpInstance unpad(Draw& draw) {
  const int64_t tokens = draw.rows(5, 40), sequences = draw.size(3, 7);
  const Value x = draw.normals({Dim(sequences), Dim(tokens + 1), Dim(draw.size(3, 33))});
  const double rows = static_cast<double>(tokens);
  return {{x, draw.offsets(sequences, tokens)}, [=](Inputs in) {
            return apply("unpadRows", in, op_attributes({{"rows", rows}}));
          }};
}

OpInstance shift(Draw& draw) {
  const int64_t tokens = draw.rows(6, 40), sequences = draw.size(3, 7), by = draw.below(5) - 2;
  const Value x = draw.normals({Dim(tokens), Dim(draw.size(3, 33))});
  return {{x, draw.offsets(sequences, tokens)}, [=](Inputs in) {
            return apply("shiftRows", in, op_attributes({{"by", static_cast<double>(by)}}));
          }};
}

// Every third column is missing.
OpInstance shift_with_holes(Draw& draw) {
  const int64_t tokens = draw.rows(7, 40);
  std::vector<int32_t> columns;
  for (int32_t i = 0; i < tokens; ++i) columns.push_back(i + i / 2);
  const Value x = draw.normals({Dim(tokens), Dim(draw.size(3, 33))});
  return {{x, draw.offsets(3, tokens), draw.integers({Dim(tokens)}, columns)}, [=](Inputs in) {
            return apply("shiftRows", in, op_attributes({{"by", -1.0}}));
          }};
}

}  // namespace

std::span<const OpCase> gather_cases() {
  static const OpCase cases[] = {
      {.name = "embedding", .make = embedding_of, .differentiable = {0}, .rowwise = {1}, .strided = {0}},
      {.name = "gatherRows", .make = gather_of, .differentiable = {0}, .strided = {0, 1}},
      {.name = "padRows", .make = pad, .differentiable = {0}, .strided = {0}},
      {.name = "unpadRows", .make = unpad, .differentiable = {0}, .strided = {0}},
      {.name = "shiftRows", .make = shift, .differentiable = {0}, .strided = {0}},
      {.name = "shiftRows with holes", .make = shift_with_holes, .differentiable = {0}, .strided = {0}},
  };
  return cases;
}

}  // namespace tiny
