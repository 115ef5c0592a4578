#include "ops/score_edits.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/shape.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

constexpr int32_t kEveryColumn = -1;

// A pass over the edits before anything is written.
void check_edits(const char* op, const View& edits, int64_t columns) {
  const int32_t* at = edits.as<int32_t>();
  for (int64_t i = 0; i < edits.rows(); ++i) {
    const int32_t kind = at[2 * i], column = at[2 * i + 1];
    const bool known = kind >= 0 && kind <= static_cast<int32_t>(ScoreEdit::Clean);
    if (known && column >= kEveryColumn && column < columns) continue;
    throw Error(ErrorCode::Index, op,
                "edit " + std::to_string(i) + " (kind " + std::to_string(kind) + ", column " +
                    std::to_string(column) + ") is none of scores with " + std::to_string(columns) +
                    " columns",
                {{"edit", static_cast<double>(i)},
                 {"kind", static_cast<double>(kind)},
                 {"column", static_cast<double>(column)},
                 {"size", static_cast<double>(columns)}});
  }
}

template <typename T>
T edited(ScoreEdit kind, T s, T v) {
  switch (kind) {
    case ScoreEdit::Add:
      return s + v;
    case ScoreEdit::Penalise:
      return s < 0 ? s * v : s / v;
    case ScoreEdit::Set:
      return v;
    case ScoreEdit::Stretch:
      return s + std::abs(s) * v;
    case ScoreEdit::Clean:
      if (std::isnan(s)) return v;
      return std::clamp(s, std::numeric_limits<T>::lowest(), std::numeric_limits<T>::max());
  }
  return s;
}

class EditScores final : public Primitive {
 public:
  const char* name() const override { return "editScores"; }
  int reuse(size_t) const override { return 0; }

  void forward(Run& run) const override {
    const View &scores = run.input(0), &offsets = run.input(1), &edits = run.input(2), &values = run.input(3);
    const View& y = run.output(0);
    check_offsets(name(), "offsets", offsets, edits.rows());
    check_edits(name(), edits, scores.width());
    if (scores.data != y.data) copy_view(run.pool(), y.data, scores);
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(y.rows(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          T* s = y.as<T>() + row * y.width();
          for (int32_t i = offsets.as<int32_t>()[row]; i < offsets.as<int32_t>()[row + 1]; ++i) {
            const auto kind = static_cast<ScoreEdit>(edits.as<int32_t>()[2 * i]);
            const int32_t column = edits.as<int32_t>()[2 * i + 1];
            const T v = values.as<T>()[i];
            const int64_t first = column == kEveryColumn ? 0 : column;
            const int64_t last = column == kEveryColumn ? y.width() : column + 1;
            for (int64_t j = first; j < last; ++j) s[j] = edited(kind, s[j], v);
          }
        }
      });
    });
  }
};

}  // namespace

Value edit_scores(const Value& scores, const Value& offsets, const Value& edits, const Value& values) {
  constexpr const char* kOp = "editScores";
  require_float(kOp, scores.dtype());
  require_offsets(kOp, offsets);
  require_dtype(kOp, "edits", edits, DType::Int32);
  require_dtype(kOp, "values", values, scores.dtype());
  const bool fit = scores.shape().size() == 2 && sequences_of(offsets) == scores.shape()[0] &&
                   values.shape().size() == 1 && edits.shape() == Shape{values.shape()[0], Dim(2)};
  if (!fit) {
    throw Error(ErrorCode::Shape, kOp,
                "takes scores [rows, N], offsets [rows + 1], edits [E, 2] and values [E], not " +
                    str(scores.shape()) + ", " + str(offsets.shape()) + ", " + str(edits.shape()) + " and " +
                    str(values.shape()),
                {{"scores", str(scores.shape())}, {"edits", str(edits.shape())}});
  }
  return make_value(std::make_unique<EditScores>(),
                    {scores, contiguous(offsets), contiguous(edits), contiguous(values)},
                    Type(scores.dtype(), scores.shape()));
}

std::span<const OpEntry> score_edit_ops() {
  static constexpr OpEntry entries[] = {
      {"editScores",
       [](std::span<const Value> inputs, const Attributes&) -> std::vector<Value> {
         require_inputs(inputs, 4);
         return {edit_scores(inputs[0], inputs[1], inputs[2], inputs[3])};
       }},
  };
  return entries;
}

}  // namespace tiny
