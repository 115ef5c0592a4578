#include "ops/score_edits.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "graph/evaluate.h"
#include "ops/op_cases.h"

namespace tiny {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Edit {
  ScoreEdit kind;
  int32_t column;
  double value;
};

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 1, 0); }

Value edited(const std::vector<double>& scores, const std::vector<Edit>& edits) {
  std::vector<int32_t> places;
  std::vector<double> values;
  for (const Edit& edit : edits) {
    places.insert(places.end(), {static_cast<int32_t>(edit.kind), edit.column});
    values.push_back(edit.value);
  }
  const auto count = static_cast<int64_t>(edits.size());
  return edit_scores(make().numbers({Dim(1), Dim(static_cast<int64_t>(scores.size()))}, scores),
                     make().integers({Dim(2)}, std::vector<int32_t>{0, static_cast<int32_t>(count)}),
                     make().integers({Dim(count), Dim(2)}, places), make().numbers({Dim(count)}, values));
}

std::vector<double> run(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

}  // namespace

TEST_CASE("edits of scores apply in order") {
  const auto y = run(edited({-2, 3, 4}, {{ScoreEdit::Penalise, 0, 2},
                                         {ScoreEdit::Penalise, 1, 2},
                                         {ScoreEdit::Add, 1, 1},
                                         {ScoreEdit::Stretch, 0, 0.5}}));
  CHECK(y == std::vector<double>{-2, 2.5, 4});
}

TEST_CASE("an edit of every column forces what is set after it") {
  const auto y = run(edited({5, 6, 7}, {{ScoreEdit::Set, -1, -kInfinity}, {ScoreEdit::Set, 1, 0}}));
  CHECK(y == std::vector<double>{-kInfinity, 0, -kInfinity});
}

TEST_CASE("cleaned scores are finite") {
  const auto y = run(edited({NAN, kInfinity, -kInfinity, 1}, {{ScoreEdit::Clean, -1, 0}}));
  constexpr double largest = std::numeric_limits<float>::max();
  CHECK(y == std::vector<double>{0, largest, -largest, 1});
}

TEST_CASE("a column or a kind that there is not is named") {
  CHECK_THROWS_WITH_AS(run(edited({1, 2}, {{ScoreEdit::Add, 2, 1}})),
                       "[editScores] edit 0 (kind 0, column 2) is none of scores with 2 columns", Error);
  CHECK_THROWS_AS(run(edited({1, 2}, {{static_cast<ScoreEdit>(5), 0, 1}})), Error);
}

}  // namespace tiny
