#include "runtime/spare_blocks.h"

#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/memory.h"

namespace tiny {

namespace {

// malloc keeps smaller ones itself. Under the address sanitizer none is kept, so that it sees every use after
// a free.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kSmallest = SIZE_MAX;
#else
constexpr size_t kSmallest = size_t{64} << 10;
#endif
constexpr size_t kMost = size_t{64} << 20, kCount = 64;

struct Spare {
  std::mutex mutex;
  std::vector<AlignedBytes> blocks;  // oldest first
  size_t bytes = 0;

  AlignedBytes remove(size_t i) {
    AlignedBytes block = std::move(blocks[i]);
    blocks.erase(blocks.begin() + static_cast<ptrdiff_t>(i));
    bytes -= block.size();
    count_cached(-static_cast<int64_t>(block.size()));
    return block;
  }
};

Spare& spare() {
  static Spare* only = [] {
    auto* made = new Spare();
    made->blocks.reserve(kCount + 1);  // so that giving back never allocates
    return made;
  }();
  return *only;
}

}  // namespace

AlignedBytes take_block(size_t bytes) {
  if (bytes >= kSmallest && bytes <= kMost) {
    Spare& kept = spare();
    std::lock_guard lock(kept.mutex);
    size_t best = kept.blocks.size();
    for (size_t i = 0; i < kept.blocks.size(); ++i) {
      const size_t size = kept.blocks[i].size();
      if (size < bytes || size > bytes + bytes / 8) continue;
      if (best == kept.blocks.size() || size <= kept.blocks[best].size()) best = i;
    }
    if (best < kept.blocks.size()) return kept.remove(best);
  }
  try {
    return AlignedBytes(bytes);
  } catch (const std::bad_alloc&) {
    trim_spare_blocks();
    return AlignedBytes(bytes);
  }
}

void give_block(AlignedBytes block) noexcept {
  if (block.size() < kSmallest || block.size() > kMost) return;
  Spare& kept = spare();
  std::lock_guard lock(kept.mutex);
  kept.bytes += block.size();
  count_cached(static_cast<int64_t>(block.size()));
  kept.blocks.push_back(std::move(block));
  while (kept.bytes > kMost || kept.blocks.size() > kCount) kept.remove(0);
}

void trim_spare_blocks() {
  Spare& kept = spare();
  std::lock_guard lock(kept.mutex);
  while (!kept.blocks.empty()) kept.remove(kept.blocks.size() - 1);
}

}  // namespace tiny
