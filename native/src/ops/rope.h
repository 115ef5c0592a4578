#pragma once

#include "graph/node.h"

namespace tiny {

// Which frequencies a sequence has.
struct RopeScaling {
  enum class Choose {
    First,    // row 0, whatever the sequence
    Length,   // row 1 where the sequence's largest position + 1 is above `threshold` (longrope)
    Dynamic,  // of a base that grows with the largest position + 1 (NTK-aware; `factor`, `base`, `threshold`)
  };
  Choose choose = Choose::First;
  double threshold = 0;  // positions that the model was trained for
  double factor = 1, base = 10000;
  double scaling = 1;  // of cosines and sines
};

// Cosines and sines [tokens, D] of int32 positions [tokens] and frequencies [n, D / 2], in the frequencies'
// dtype: D / 2 cosines, then D / 2 sines. `offsets` say where sequences begin; needed where a sequence
// chooses. Not differentiable.
Value rotary_table(const Value& positions, const Value& frequencies, const Value& offsets,
                   const RopeScaling& scaling);

struct RotateOptions {
  int64_t head_dim = 0, start = 0;
  bool interleaved = false, transposed = false;
};

// x [tokens, heads * head_dim] with columns start .. start + D of each head rotated by a table [tokens, D].
Value rotate(const Value& x, const Value& table, const RotateOptions& options);

}  // namespace tiny
