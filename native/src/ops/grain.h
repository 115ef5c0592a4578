#pragma once

#include <algorithm>
#include <cstdint>

namespace tiny {

// How many items a thread takes at once, for ThreadPool::ranges, where each costs about as much as `elements`
// elements of a sum or a copy: below 16384 of these waking a thread costs more than it brings.
inline int64_t grain_of(int64_t elements) {
  return std::max<int64_t>(1, 16384 / std::max<int64_t>(1, elements));
}

}  // namespace tiny
