#pragma once

#include <cstdint>

#include "graph/node.h"

namespace tiny {

// Copies `rows` rows of `bytes` bytes each; strides are in bytes. Rows that lie end to end on both
// sides are copied as one block. At least 64 KB a thread.
void copy_rows(ThreadPool& pool, void* to, int64_t to_stride, const void* from, int64_t from_stride,
               int64_t rows, int64_t bytes) noexcept;

// Copies a view to contiguous memory.
void copy_view(ThreadPool& pool, void* to, const View& from) noexcept;

void fill_zeros(ThreadPool& pool, void* to, int64_t bytes) noexcept;

}  // namespace tiny
