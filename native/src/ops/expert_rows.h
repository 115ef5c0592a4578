#pragma once

#include "graph/node.h"

namespace tiny {

// How tokens go to their experts and back: the T * k pairs of a token and an expert, sorted by expert, those
// of one expert by token and choice. No size depends on who chose whom.
struct ExpertOrder {
  Value rows;     // int32 [T * k]: the token of each pair
  Value offsets;  // int32 [experts + 1]: where each expert's pairs begin, and the end
  Value places;   // int32 [T, k]: where among the pairs a token's choices stand
};
// `indices` int32 [T, k]; IndexError for an expert outside [0, experts).
ExpertOrder sort_by_expert(const Value& indices, int64_t experts);

// The sum over j of weights[t, j] y[places[t, j]]: y [R, H], places int32 [T, k], weights [T, k] of y's dtype
// -> [T, H]. IndexError for a place outside [0, R).
Value combine_experts(const Value& y, const Value& places, const Value& weights);

// The sum of each expert's rows of x [R, N], offsets int32 [E + 1]: [E, N], zeros for one that has none.
Value sum_by_expert(const Value& x, const Value& offsets);

}  // namespace tiny
