#include "runtime/memory.h"

#include <atomic>
#include <new>
#include <string>
#include <utility>

#include "runtime/spare_blocks.h"

namespace tiny {

namespace {

std::atomic<int64_t> live{0};
std::atomic<int64_t> peak{0};
std::atomic<int64_t> limit{0};
std::atomic<int64_t> cached{0};

Error out_of_memory(int64_t bytes, const char* what, const char* cause) {
  const int64_t held = live.load();
  return Error(ErrorCode::Memory, "",
               std::string(what) + " needs " + std::to_string(bytes) + " bytes while " +
                   std::to_string(held) + " are held; " + cause,
               {{"requested", static_cast<double>(bytes)},
                {"held", static_cast<double>(held)},
                {"limit", static_cast<double>(limit.load())}});
}

}  // namespace

MemoryStats memory_stats() { return {live.load(), peak.load(), limit.load(), cached.load()}; }

void reset_memory_peak() { peak.store(live.load()); }

void set_memory_limit(int64_t bytes) { limit.store(bytes); }

void check_memory(int64_t bytes, const char* what) {
  const int64_t most = limit.load();
  if (most > 0 && live.load() + bytes > most) {
    throw out_of_memory(bytes, what, "raise memory.limit, or use smaller batches or a smaller dtype");
  }
}

Error system_out_of_memory(int64_t bytes, const char* what) {
  return out_of_memory(bytes, what, "the system has no more to give");
}

void count_live(int64_t bytes) {
  const int64_t now = live.fetch_add(bytes) + bytes;
  for (int64_t seen = peak.load(); seen < now && !peak.compare_exchange_weak(seen, now);) {
  }
}

void count_cached(int64_t bytes) { cached.fetch_add(bytes); }

std::shared_ptr<Buffer> Buffer::allocate(size_t bytes) {
  check_memory(static_cast<int64_t>(bytes), "a tensor");
  std::shared_ptr<Buffer> buffer(new Buffer());
  try {
    buffer->own_ = take_block(bytes);
  } catch (const std::bad_alloc&) {
    throw system_out_of_memory(static_cast<int64_t>(bytes), "a tensor");
  }
  buffer->data_ = buffer->own_.data();
  buffer->bytes_ = bytes;
  count_live(static_cast<int64_t>(bytes));
  return buffer;
}

std::shared_ptr<Buffer> Buffer::view(void* data, size_t bytes, std::shared_ptr<const void> owner) {
  std::shared_ptr<Buffer> buffer(new Buffer());
  buffer->data_ = data;
  buffer->bytes_ = bytes;
  buffer->owner_ = std::move(owner);
  return buffer;
}

Buffer::~Buffer() {
  if (!own_) return;
  count_live(-static_cast<int64_t>(bytes_));
  give_block(std::move(own_));
}

}  // namespace tiny
