#include "ops/op_cases.h"

namespace tiny {

namespace {

using Inputs = std::span<const Value>;

// Several edits of one column follow each other.
OpInstance edits_of(Draw& draw) {
  const int64_t rows = draw.rows(3, 21), width = draw.size(5, 150);
  const int64_t count = rows == 0 ? 0 : draw.size(4, 90);
  std::vector<int32_t> edits;
  for (int64_t i = 0; i < count; ++i) {
    edits.push_back(static_cast<int32_t>(draw.below(5)));
    edits.push_back(static_cast<int32_t>(draw.below(width + 1)) - 1);
  }
  const Value offsets =
      rows == 0 ? draw.integers({Dim(1)}, std::vector<int32_t>{0}) : draw.offsets(rows, count);
  return {{draw.normals({Dim(rows), Dim(width)}), offsets, draw.integers({Dim(count), Dim(2)}, edits),
           draw.uniforms({Dim(count)}, 0.5, 1.5)},
          [](Inputs in) { return apply("editScores", in, {}); }};
}

}  // namespace

std::span<const OpCase> score_edit_cases() {
  static const OpCase cases[] = {{.name = "editScores", .make = edits_of, .strided = {0}, .tolerance = 1e-5}};
  return cases;
}

}  // namespace tiny
