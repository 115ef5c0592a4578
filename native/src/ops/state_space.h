#pragma once

#include <algorithm>
#include <string>

#include "graph/node.h"

namespace tiny {

// A recurrence that goes on from one call to the next keeps its state in rows of a cache: sequence s starts
// from row readSlots[s] (from zeros where that is -1) and leaves what it has come to in row writeSlots[s].
// Rows are written through the cache's memory without a new version, as cacheAppend does: where the two
// differ, a call that fails or is aborted leaves the state it started from intact.
struct RecurrentState {
  Value cache;                    // [slots, width]
  Value read_slots, write_slots;  // int32 [sequences]

  explicit operator bool() const { return static_cast<bool>(cache); }
};

// Depthwise causal convolution over the tokens of packed sequences: y_t = act(bias + Σ_k weight[:, k]
// x_{t-K+1+k}). x [tokens, W], weight [W, K] or [W, 1, K], bias [W] or empty. A state has (K - 1) W elements:
// the last inputs.
Value causal_conv(const Value& x, const Value& weight, const Value& bias, const Value& offsets, bool silu,
                  const RecurrentState& state = {});

// What the state-space duality layer of Mamba-2 (Dao and Gu 2024) scans over: x [tokens, heads * P], dt
// [tokens, heads], a [heads], b and c [tokens, groups * N], d [heads] or empty, dt_bias [heads] or empty.
struct StateScanInputs {
  Value x, dt, a, b, c, offsets, d, dt_bias;
};

struct StateScanOptions {
  int64_t heads = 1, groups = 1;
  double dt_min = 0, dt_max = 0;  // what softplus(dt + dt_bias) is clamped to
};

// y [tokens, heads * P]: with dt' = clamp(softplus(dt + dt_bias)), h_t = exp(dt' a) h_{t-1} + dt' x_t ⊗ b_t
// and y_t = c_t h_t + d x_t for each head of each sequence. A state has heads * N * P elements.
Value state_scan(const StateScanInputs& in, const StateScanOptions& options,
                 const RecurrentState& state = {});

// For both ops: throws unless the state's parts fit.
void require_state(const RecurrentState& state, const Value& x, const Value& offsets, const Dim& width);
// While running: throws IndexError for a slot that the cache does not have.
void check_slots(const char* op, const View& cache, const View& read, const View& write);

// Calls body(s, begin, end) for the parts of sequences that lie in rows [begin, end); begin and end count
// from the sequence's first row.
template <typename Body>
void for_sequences(const View& offsets, int64_t begin, int64_t end, const Body& body) {
  const int32_t *at = offsets.as<int32_t>(), *last = at + offsets.size();
  for (int64_t s = std::upper_bound(at, last, static_cast<int32_t>(begin)) - at - 1; begin < end; ++s) {
    const int64_t stop = std::min<int64_t>(end, at[s + 1]);
    if (begin < stop) body(s, begin - at[s], stop - at[s]);
    begin = std::max(begin, stop);
  }
}

}  // namespace tiny
