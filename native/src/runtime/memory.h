#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/aligned.h"
#include "base/error.h"

namespace tiny {

// What the process holds: tensors, variables, packed weights, and the evaluator's arena while it is
// in use. Mapped files are the operating system's to keep or drop and are not counted.
struct MemoryStats {
  int64_t live = 0;    // bytes
  int64_t peak = 0;    // bytes, since the last reset
  int64_t limit = 0;   // bytes; 0 is none
  int64_t cached = 0;  // bytes kept for the next evaluation: the arena, also while in use, and spare blocks
};

MemoryStats memory_stats();
void reset_memory_peak();
void set_memory_limit(int64_t bytes);

// Throws OutOfMemoryError when `bytes` more would exceed the limit; otherwise counts nothing.
void check_memory(int64_t bytes, const char* what);
// The error for memory that the system does not give.
Error system_out_of_memory(int64_t bytes, const char* what);

// For owners of memory other than Buffer: adds to what is held (negative: gives back).
void count_live(int64_t bytes);
void count_cached(int64_t bytes);

// A counted block of memory, or a window of memory kept alive by `owner`.
class Buffer {
 public:
  // Throws OutOfMemoryError with the bytes asked for and held.
  static std::shared_ptr<Buffer> allocate(size_t bytes);
  static std::shared_ptr<Buffer> view(void* data, size_t bytes, std::shared_ptr<const void> owner);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // True for a window of somebody else's memory, such as a mapped file: never written as a variable.
  bool mapped() const { return owner_ != nullptr; }

 private:
  Buffer() = default;
  AlignedBytes own_;
  std::shared_ptr<const void> owner_;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tiny
