#pragma once

#include <cstddef>

namespace tiny {

// The evaluator's working memory: one block, leased to one evaluation at a time and kept between
// evaluations, because giving gigabytes back to the system and faulting them in again costs more
// than many kernels. While leased it counts as live memory, afterwards as cached. The engine gives
// it back after some idle seconds, and so does an allocation that memory.limit would refuse otherwise.
class ArenaLease {
 public:
  // Throws OutOfMemoryError with the bytes asked for and held.
  explicit ArenaLease(size_t bytes);
  ~ArenaLease();
  ArenaLease(const ArenaLease&) = delete;
  ArenaLease& operator=(const ArenaLease&) = delete;

  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

// Gives back the block if nobody leases it.
void trim_arena();

}  // namespace tiny
