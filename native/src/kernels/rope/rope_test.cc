#include "kernels/rope/rope.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/rope/reference.h"

namespace tiny {

namespace {

std::vector<float> numbers(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (float& value : values) {
    seed = seed * 1664525u + 1013904223u;
    value = static_cast<float>(seed >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

TEST_CASE("cosines and sines are accurate at every position, on every ISA") {
  const std::vector<float> frequencies = {1.0f, 0.7f, 0.1f, 1.2345e-2f, 1e-4f, 0.0f, 250.5f};
  const auto half = static_cast<int64_t>(frequencies.size());
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    double worst = 0;
    for (const int32_t position : {0, 1, 2, 3, 7, -5, 100, 1023, 8191, 131071, -1000003, 16777215}) {
      std::vector<float> row(static_cast<size_t>(2 * half));
      rope_kernels(isa).angles(static_cast<float>(position), frequencies.data(), half, 1.5f, row.data());
      for (int64_t i = 0; i < half; ++i) {
        const double angle = static_cast<float>(position) * frequencies[static_cast<size_t>(i)];
        worst = std::max(worst, std::fabs(row[static_cast<size_t>(i)] - 1.5 * std::cos(angle)));
        worst = std::max(worst, std::fabs(row[static_cast<size_t>(half + i)] - 1.5 * std::sin(angle)));
      }
    }
    CHECK(worst < 2e-7);
  }
}

TEST_CASE("rotations are the reference's, in place too, and turn back") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t half : {1, 3, 8, 17, 65}) {
      for (const bool interleaved : {false, true}) {
        CAPTURE(half);
        CAPTURE(interleaved);
        const int64_t rows = 3, heads = 2, start = half % 2, head_dim = 2 * half + start + 1;
        const auto size = static_cast<size_t>(rows * heads * head_dim);
        const std::vector<float> x = numbers(size, 5);
        std::vector<float> table, frequencies = numbers(static_cast<size_t>(half), 9);
        for (int64_t row = 0; row < rows; ++row) {
          table.resize(table.size() + static_cast<size_t>(2 * half));
          rope_kernels(isa).angles(static_cast<float>(row + 3), frequencies.data(), half, 1.0f,
                                   table.data() + row * 2 * half);
        }
        std::vector<float> expected(size), found(x);
        Rotation<float> rotation;
        rotation.x = x.data();
        rotation.x_stride = heads * head_dim;
        rotation.table = table.data();
        rotation.table_stride = 2 * half;
        rotation.heads = heads;
        rotation.head_dim = head_dim;
        rotation.start = start;
        rotation.half = half;
        rotation.interleaved = interleaved;
        rotation.y = expected.data();
        rope_reference<float>().rotate(rotation, 0, rows);
        rotation.x = rotation.y = found.data();
        rope_kernels(isa).rotate(rotation, 0, rows);
        for (size_t i = 0; i < size; ++i) CHECK(found[i] == doctest::Approx(expected[i]).epsilon(1e-6));
        rotation.transposed = true;
        rope_kernels(isa).rotate(rotation, 0, rows);
        for (size_t i = 0; i < size; ++i) CHECK(std::fabs(found[i] - x[i]) < 1e-6f);
      }
    }
  }
}

}  // namespace

}  // namespace tiny
