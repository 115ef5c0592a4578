#include "kernels/gather/gather.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "kernels/gather/reference.h"

namespace tiny {

namespace {

TEST_CASE("rows are added in order, where they belong and nowhere else") {
  constexpr int64_t kRows = 6, kTableRows = 4, kSkipped = 2;
  const std::vector<int32_t> ids{3, 0, 3, 2, 3, 0};
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t columns : {1, 3, 15, 16, 17, 128, 131}) {
      CAPTURE(columns);
      const int64_t g_stride = columns + 2, stride = columns + 5;
      std::vector<float> g(kRows * g_stride), y(kTableRows * stride), expected;
      // Magnitudes so far apart that another order would round differently.
      for (size_t i = 0; i < g.size(); ++i) {
        const int magnitude = static_cast<int>(i / static_cast<size_t>(g_stride)) % 3 * 8;
        g[i] = static_cast<float>(1 << magnitude) * 1.37f + static_cast<float>(i % 11);
      }
      for (size_t i = 0; i < y.size(); ++i) y[i] = static_cast<float>(i);
      expected = y;
      gather_kernels(isa).scatter_add(g.data(), g_stride, ids.data(), kRows, columns, kSkipped, y.data(),
                                      stride);
      reference::scatter_add(g.data(), g_stride, ids.data(), kRows, columns, kSkipped, expected.data(),
                             stride);
      CHECK(y == expected);
      CHECK(y[stride] == static_cast<float>(stride));
      CHECK(y[2 * stride] == static_cast<float>(2 * stride));
      CHECK(y[0] != 0);
    }
  }
}

}  // namespace

}  // namespace tiny
