#include "kernels/experts/experts.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include "kernels/experts/reference.h"

namespace tiny {

namespace {

float number(int64_t i) { return static_cast<float>((i * 7919) % 113 - 56) / 37.0f; }

std::vector<float> numbers(int64_t count) {
  std::vector<float> values(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) values[static_cast<size_t>(i)] = number(i);
  return values;
}

void check_close(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  for (size_t i = 0; i < found.size(); ++i) CHECK(std::fabs(found[i] - expected[i]) <= 1e-4f);
}

TEST_CASE(
    "experts' rows are weighted, spread and projected as the reference does, and nothing else is touched") {
  constexpr int64_t kRows = 7, kCount = 3;
  const std::vector<int32_t> places{5, 0, 5};
  const std::vector<float> weights{0.5f, -1.25f, 3.0f};
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    const ExpertKernels& kernels = expert_kernels(isa);
    for (const int64_t columns : {1, 3, 15, 16, 17, 63, 64, 131}) {
      CAPTURE(columns);
      const int64_t stride = columns + 3;
      const std::vector<float> y = numbers(kRows * stride), g = numbers(columns);

      std::vector<float> out(static_cast<size_t>(columns + 1), 9), expected = out;
      kernels.combine(y.data(), stride, places.data(), weights.data(), kCount, columns, out.data());
      reference::combine(y.data(), stride, places.data(), weights.data(), kCount, columns, expected.data());
      check_close(out, expected);

      std::vector<float> spread = y, expected_spread = y;
      kernels.spread(g.data(), places.data(), weights.data(), kCount, columns, spread.data(), stride);
      reference::spread(g.data(), places.data(), weights.data(), kCount, columns, expected_spread.data(),
                        stride);
      check_close(spread, expected_spread);

      std::vector<float> products(kCount + 1, 9), expected_products = products;
      kernels.project(g.data(), y.data(), stride, places.data(), kCount, columns, products.data());
      reference::project(g.data(), y.data(), stride, places.data(), kCount, columns,
                         expected_products.data());
      check_close(products, expected_products);
    }
  }
}

TEST_CASE("no expert at all gives zero") {
  for (const Isa isa : usable_isas()) {
    std::vector<float> out{1, 2, 3};
    expert_kernels(isa).combine(nullptr, 3, nullptr, nullptr, 0, 3, out.data());
    CHECK(out == std::vector<float>{0, 0, 0});
  }
}

}  // namespace

}  // namespace tiny
