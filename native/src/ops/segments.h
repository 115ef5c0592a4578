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
// [sequences, width] -> [tokens, width]: its transpose, each row divided among its sequence's tokens.
Value segment_spread(const Value& x, const Value& offsets, const Dim& tokens);

}  // namespace tiny
