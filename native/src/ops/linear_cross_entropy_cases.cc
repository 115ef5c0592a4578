#include "ops/op_cases.h"

namespace tiny {

namespace {

OpInstance tokens(Draw& draw, bool bias, double smoothing, double scale) {
  const int64_t tokens = draw.rows(4, 39), width = draw.size(4, 35), vocabulary = draw.size(5, 71);
  std::vector<int32_t> labels(static_cast<size_t>(tokens));
  for (int32_t& label : labels) {
    label = draw.below(4) == 0 ? -100 : static_cast<int32_t>(draw.below(vocabulary));
  }
  return {{draw.normals({tokens, width}, 0.5), draw.normals({vocabulary, width}, 0.5),
           bias ? draw.normals({vocabulary}) : Value{}, draw.integers({tokens}, labels)},
          [=](std::span<const Value> values) {
            return apply("linearCrossEntropy", values,
                         op_attributes({{"labelSmoothing", smoothing}, {"scale", scale}}));
          }};
}

OpInstance plain(Draw& draw) { return tokens(draw, false, 0, 1); }
OpInstance full(Draw& draw) { return tokens(draw, true, 0.1, 0.7); }

}  // namespace

std::span<const OpCase> linear_cross_entropy_cases() {
  static const std::vector<OpCase> cases{
      {"linearCrossEntropy", plain, {0, 1}, {}, {0, 1}, 4e-6},
      {"linearCrossEntropy with bias, smoothing and scale", full, {0, 1, 2}, {}, {0, 1}, 4e-6},
  };
  return cases;
}

}  // namespace tiny
