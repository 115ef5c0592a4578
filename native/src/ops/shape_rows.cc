#include "ops/shape_rows.h"

#include <algorithm>
#include <cstring>

namespace tiny {

namespace {

constexpr int64_t kBlock = 64 << 10;

}  // namespace

void copy_rows(ThreadPool& pool, void* to, int64_t to_stride, const void* from, int64_t from_stride,
               int64_t rows, int64_t bytes) noexcept {
  if (rows <= 0 || bytes <= 0) return;
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  if (rows == 1 || (to_stride == bytes && from_stride == bytes)) {
    pool.ranges(rows * bytes, kBlock, [&](int64_t begin, int64_t end) {
      std::memcpy(target + begin, source + begin, static_cast<size_t>(end - begin));
    });
    return;
  }
  pool.ranges(rows, std::max<int64_t>(1, kBlock / bytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(target + i * to_stride, source + i * from_stride, static_cast<size_t>(bytes));
    }
  });
}

void copy_view(ThreadPool& pool, void* to, const View& from) noexcept {
  const int64_t size = static_cast<int64_t>(size_of(from.dtype)), bytes = from.width() * size;
  copy_rows(pool, to, bytes, from.data, from.row_stride * size, from.rows(), bytes);
}

void fill_zeros(ThreadPool& pool, void* to, int64_t bytes) noexcept {
  pool.ranges(bytes, kBlock, [&](int64_t begin, int64_t end) {
    std::memset(static_cast<char*>(to) + begin, 0, static_cast<size_t>(end - begin));
  });
}

}  // namespace tiny
