#include "runtime/arena.h"

#include <cstdint>
#include <mutex>
#include <new>

#include "base/aligned.h"
#include "runtime/memory.h"

namespace tiny {

namespace {

struct Block {
  std::mutex mutex;  // held for as long as the block is leased
  AlignedBytes bytes;
};

Block& block() {
  static Block* only = new Block();
  return *only;
}

}  // namespace

ArenaLease::ArenaLease(size_t bytes) : bytes_(bytes) {
  Block& shared = block();
  shared.mutex.lock();
  try {
    check_memory(static_cast<int64_t>(bytes), "the evaluation's working memory");
    if (shared.bytes.size() < bytes) {
      count_cached(-static_cast<int64_t>(shared.bytes.size()));
      shared.bytes = AlignedBytes();
      shared.bytes = AlignedBytes(bytes);
      count_cached(static_cast<int64_t>(bytes));
    }
  } catch (const std::bad_alloc&) {
    shared.mutex.unlock();
    throw system_out_of_memory(static_cast<int64_t>(bytes), "the evaluation's working memory");
  } catch (...) {
    shared.mutex.unlock();
    throw;
  }
  data_ = static_cast<std::byte*>(shared.bytes.data());
  count_live(static_cast<int64_t>(bytes));
}

ArenaLease::~ArenaLease() {
  count_live(-static_cast<int64_t>(bytes_));
  block().mutex.unlock();
}

void trim_arena() {
  Block& shared = block();
  if (!shared.mutex.try_lock()) return;
  count_cached(-static_cast<int64_t>(shared.bytes.size()));
  shared.bytes = AlignedBytes();
  shared.mutex.unlock();
}

}  // namespace tiny
