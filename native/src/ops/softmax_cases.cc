#include "ops/op_cases.h"

namespace tiny {

namespace {

template <bool kLog>
OpInstance softmax_case(Draw& draw) {
  const Shape shape{Dim(draw.rows(3, 37)), Dim(draw.size(6, 147))};
  return {{draw.normals(shape, 3)},
          [](std::span<const Value> in) { return apply(kLog ? "logSoftmax" : "softmax", in, Attributes()); }};
}

OpInstance cross_entropy_case(Draw& draw, double smoothing) {
  const int64_t rows = draw.rows(4, 37), classes = draw.size(6, 147);
  std::vector<int32_t> labels(static_cast<size_t>(rows));
  for (int32_t& label : labels) label = draw.below(4) ? static_cast<int32_t>(draw.below(classes)) : -7;
  const Attributes attributes = op_attributes({{"ignoreIndex", -7.0}, {"labelSmoothing", smoothing}});
  return {{draw.normals({Dim(rows), Dim(classes)}, 3), draw.integers({Dim(rows)}, labels)},
          [=](std::span<const Value> in) { return apply("crossEntropy", in, attributes); }};
}

const OpCase kCases[] = {
    {"softmax", softmax_case<false>, {0}, {0}, {0}},
    {"logSoftmax", softmax_case<true>, {0}, {0}, {0}, 4e-6},
    {"crossEntropy", [](Draw& draw) { return cross_entropy_case(draw, 0); }, {0}, {}, {0}},
    {"crossEntropy, smoothed", [](Draw& draw) { return cross_entropy_case(draw, 0.1); }, {0}, {}, {0}},
};

}  // namespace

std::span<const OpCase> softmax_cases() { return kCases; }

}  // namespace tiny
