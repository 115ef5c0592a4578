#pragma once

#include "graph/node.h"

namespace tiny {

// What an edit does to a score s, with its number v.
enum class ScoreEdit : int32_t {
  Add = 0,       // s + v
  Penalise = 1,  // s v below zero, s / v from there on (Keskar et al. 2019)
  Set = 2,       // v
  Stretch = 3,   // s + |s| v
  Clean = 4,     // NaN is v, infinities are the largest numbers of their sign
};

// scores [rows, N] with the edits of each row applied in order; row r's are those from offsets[r] to
// offsets[r + 1]: `edits` int32 [E, 2] holds a ScoreEdit and a column, or -1 for every column, and `values`
// [E] their numbers. For choosing tokens: not differentiable. IndexError for a column or a kind that there is
// not.
Value edit_scores(const Value& scores, const Value& offsets, const Value& edits, const Value& values);

}  // namespace tiny
