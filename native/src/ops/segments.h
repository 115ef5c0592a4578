#pragma once

#include "graph/node.h"

namespace tiny {

// Packed sequences: [tokens, …] and int32 offsets [sequences + 1] that rise from 0 to tokens.

// Throws ShapeError or DTypeError unless `offsets` is int32 of one dimension with at least one element.
void require_offsets(const char* op, const Value& offsets);
// The number of sequences, as a size.
Dim sequences_of(const Value& offsets);
// While running: throws IndexError unless the offsets, the op's input `name`, rise from 0 to `tokens`.
void check_offsets(const char* op, const char* name, const View& offsets, int64_t tokens);

// [tokens, …] -> [sequences, length, …], zeros on the right; of any dtype. IndexError where a sequence
// is longer than `length`.
Value pad_rows(const Value& x, const Value& offsets, const Dim& length);
// [sequences, length, …] -> [rows, …], the inverse.
Value unpad_rows(const Value& x, const Value& offsets, const Dim& rows);

// [tokens, width] -> [sequences, width]: means over each sequence's tokens, zero for one without any.
Value segment_mean(const Value& x, const Value& offsets);
// [tokens, width] -> [sequences, width]: the largest of each sequence's tokens, zero for one without any. The
// gradient goes to the first of equals.
Value segment_max(const Value& x, const Value& offsets);
// [sequences, width] -> [tokens, width]: segment_mean's transpose, each row divided among its sequence's
// tokens.
Value segment_spread(const Value& x, const Value& offsets, const Dim& tokens);

// [tokens, width] -> the same: each row is the row of its sequence that stands `by` further, zeros where
// there is none. Of any dtype. `columns` int32 [tokens], unless empty, are where the rows of a sequence
// stand, rising; without, one follows the other. IndexError where they do not rise.
Value shift_rows(const Value& x, const Value& offsets, int64_t by, const Value& columns = {});

}  // namespace tiny
