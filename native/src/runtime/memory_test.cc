#include "runtime/memory.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>

#include "runtime/arena.h"
#include "runtime/random.h"
#include "runtime/spare_blocks.h"

namespace tiny {

TEST_CASE("buffers are aligned, counted and given back") {
  const int64_t before = memory_stats().live;
  {
    const auto small = Buffer::allocate(10), large = Buffer::allocate(5 << 20), none = Buffer::allocate(0);
    CHECK(reinterpret_cast<uintptr_t>(small->data()) % kAlignment == 0);
    CHECK(reinterpret_cast<uintptr_t>(large->data()) % kAlignment == 0);
    CHECK(memory_stats().live == before + 10 + (5 << 20));
  }
  CHECK(memory_stats().live == before);
  CHECK(memory_stats().peak >= before + (5 << 20));
  reset_memory_peak();
  CHECK(memory_stats().peak == memory_stats().live);
}

TEST_CASE("more than the limit, or than the system has, is OutOfMemoryError") {
  set_memory_limit(memory_stats().live + 100);
  CHECK_NOTHROW(Buffer::allocate(100));
  try {
    Buffer::allocate(101);
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::Memory);
    CHECK(std::get<double>(error.facts().at("requested")) == 101);
  }
  CHECK_THROWS_AS(ArenaLease(1000), Error);
  set_memory_limit(0);
  CHECK_THROWS_AS(Buffer::allocate(size_t{1} << 60), Error);
  CHECK_THROWS_AS(ArenaLease(size_t{1} << 60), Error);
}

TEST_CASE("the arena is kept between leases and counts as live only while leased") {
  trim_arena();
  trim_spare_blocks();
  const MemoryStats before = memory_stats();
  const void* first;
  {
    const ArenaLease lease(1 << 20);
    std::memset(lease.data(), 1, 1 << 20);
    first = lease.data();
    CHECK(memory_stats().live == before.live + (1 << 20));
  }
  CHECK(memory_stats().live == before.live);
  CHECK(memory_stats().cached == 1 << 20);
  {
    const ArenaLease lease(1000);
    CHECK(lease.data() == first);
  }
  trim_arena();
  CHECK(memory_stats().cached == 0);
}

#if !defined(__SANITIZE_ADDRESS__)
TEST_CASE("a block given back serves the next buffer of about its size, and at most 64 MiB are kept") {
  trim_arena();
  trim_spare_blocks();
  const void* first = Buffer::allocate(1 << 20)->data();
  CHECK(memory_stats().cached == 1 << 20);
  {
    const auto larger = Buffer::allocate((1 << 20) + 1), smaller = Buffer::allocate(1 << 19);
    CHECK(larger->data() != first);
    CHECK(smaller->data() != first);
    const auto same = Buffer::allocate((1 << 20) - 1000);
    CHECK(same->data() == first);
    CHECK(memory_stats().cached == 0);
  }
  for (size_t mebibytes = 20; mebibytes < 26; ++mebibytes) Buffer::allocate(mebibytes << 20);
  CHECK(memory_stats().cached <= 64 << 20);
  CHECK(memory_stats().cached >= 40 << 20);
  trim_spare_blocks();
  CHECK(memory_stats().cached == 0);
}
#endif

// Known answers of Philox4x32-10 (Random123's kat_vectors): counter and key of zeros.
TEST_CASE("philox gives the published numbers") {
  uint32_t out[4];
  philox({0, 0, 0}, 0, out);
  CHECK(out[0] == 0x6627e8d5u);
  CHECK(out[1] == 0xe169c58du);
  CHECK(out[2] == 0xbc57ac4cu);
  CHECK(out[3] == 0x9b00dbd8u);
}

}  // namespace tiny
