#pragma once

#include <algorithm>
#include <cstring>
#include <span>
#include <vector>

#include "graph/node.h"
#include "kernels/reduce/reduce.h"

namespace tiny {

inline int64_t chunks_of(const View& x) { return (x.size() + kReduceChunk - 1) / kReduceChunk; }

// Elements [begin, end) in row-major order: where they are, or copied to `buffer` (of at least as
// many elements) where rows have gaps.
template <typename T>
const T* flat(const View& x, int64_t begin, int64_t end, T* buffer) {
  const int64_t width = x.width();
  if (x.row_stride == width || x.rows() == 1) return x.as<T>() + begin;
  for (int64_t at = begin; at < end;) {
    const int64_t row = at / width, column = at % width, n = std::min(width - column, end - at);
    std::memcpy(buffer + (at - begin), x.as<T>() + row * x.row_stride + column,
                static_cast<size_t>(n) * sizeof(T));
    at += n;
  }
  return buffer;
}

// Calls body(chunk, values, n) for every kReduceChunk elements of every tensor, numbered through.
template <typename T, typename Body>
void for_chunks(ThreadPool& pool, std::span<const View> tensors, const Body& body) {
  std::vector<int64_t> firsts{0};
  for (const View& x : tensors) firsts.push_back(firsts.back() + chunks_of(x));
  constexpr int64_t kGrain = 8;
  pool.ranges(firsts.back(), kGrain, [&](int64_t begin, int64_t end) {
    T buffer[kReduceChunk];
    size_t tensor = std::upper_bound(firsts.begin(), firsts.end(), begin) - firsts.begin() - 1;
    for (int64_t chunk = begin; chunk < end; ++chunk) {
      while (chunk >= firsts[tensor + 1]) ++tensor;
      const int64_t from = (chunk - firsts[tensor]) * kReduceChunk;
      const int64_t to = std::min(from + kReduceChunk, tensors[tensor].size());
      body(chunk, flat(tensors[tensor], from, to, buffer), to - from);
    }
  });
}

}  // namespace tiny
