#include "kernels/random/random.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/random/reference.h"

namespace tiny {

namespace {

// Known answers of Random123 (kat_vectors, philox4x32 10). A key's words are seed and step; the counter's
// third is the site, its fourth 0.
TEST_CASE("Philox gives Random123's known answers") {
  uint32_t words[4];
  philox({0, 0, 0}, 0, words);
  CHECK(words[0] == 0x6627e8d5u);
  CHECK(words[1] == 0xe169c58du);
  CHECK(words[2] == 0xbc57ac4cu);
  CHECK(words[3] == 0x9b00dbd8u);
}

TEST_CASE("dropout is the same bits on every ISA, from every start, in place or not") {
  const Dropout drop{{3, 5, 7}, static_cast<uint32_t>(0.3 * 0x1p32), 1 / 0.7};
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    const auto kernel = random_kernels(isa).dropout;
    for (const int64_t n : {0, 1, 5, 63, 64, 65, 200, 1000}) {
      for (const uint64_t first :
           {uint64_t{0}, uint64_t{1}, uint64_t{63}, uint64_t{64}, (uint64_t{1} << 38) - 3}) {
        CAPTURE(n);
        CAPTURE(first);
        std::vector<float> x(static_cast<size_t>(n)), y(static_cast<size_t>(n) + 1, 9.0f), expected(x.size());
        for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i + 1);
        kernel(x.data(), y.data(), first, n, drop);
        reference::dropout(x.data(), expected.data(), first, n, drop);
        CHECK(std::vector<float>(y.begin(), y.end() - 1) == expected);
        CHECK(y.back() == 9.0f);
        kernel(x.data(), x.data(), first, n, drop);
        CHECK(x == expected);
      }
    }
  }
}

TEST_CASE("dropout drops its share, and every key another one") {
  constexpr int64_t kCount = 1 << 16;
  const std::vector<float> ones(kCount, 1.0f);
  const auto drawn = [&](const RandomKey& key, double p) {
    std::vector<float> y(kCount);
    random_kernels().dropout(ones.data(), y.data(), 0, kCount,
                             {key, static_cast<uint32_t>(p * 0x1p32), 1 / (1 - p)});
    return y;
  };
  for (const double p : {0.1, 0.5, 0.9}) {
    double sum = 0, dropped = 0;
    for (const float y : drawn({1, 2, 3}, p)) {
      sum += y;
      dropped += y == 0;
    }
    const double deviation = std::sqrt(p * (1 - p) / kCount);
    CHECK(std::fabs(dropped / kCount - p) < 4 * deviation);
    CHECK(std::fabs(sum / kCount - 1) < 4 * deviation / (1 - p));
  }
  const std::vector<float> base = drawn({1, 2, 3}, 0.5);
  for (const RandomKey& key : {RandomKey{2, 2, 3}, RandomKey{1, 3, 3}, RandomKey{1, 2, 4}}) {
    const std::vector<float> other = drawn(key, 0.5);
    int64_t equal = 0;
    for (size_t i = 0; i < base.size(); ++i) equal += base[i] == other[i];
    CHECK(std::fabs(static_cast<double>(equal) / kCount - 0.5) < 0.01);
  }
}

TEST_CASE("initial weights have their moments, and any part of a tensor can be drawn alone") {
  constexpr int64_t kCount = 1 << 16;
  const RandomKey key{11, 0, 2};
  std::vector<double> normal(kCount), uniform(kCount);
  random_normal(normal.data(), 0, kCount, key, 1.0, 0.5);
  random_uniform(uniform.data(), 0, kCount, key, -2.0, 4.0);
  double mean = 0, square = 0, fourth = 0, lag = 0, middle = 0, low = 9, high = -9;
  for (int64_t i = 0; i < kCount; ++i) {
    const double z = (normal[i] - 1) / 0.5;
    mean += z / kCount;
    square += z * z / kCount;
    fourth += z * z * z * z / kCount;
    if (i > 0) lag += z * (normal[i - 1] - 1) / 0.5 / kCount;
    middle += uniform[i] / kCount;
    low = std::min(low, uniform[i]);
    high = std::max(high, uniform[i]);
  }
  CHECK(std::fabs(mean) < 0.02);
  CHECK(std::fabs(square - 1) < 0.03);
  CHECK(std::fabs(fourth - 3) < 0.2);
  CHECK(std::fabs(lag) < 0.02);
  CHECK(std::fabs(middle - 1) < 0.03);
  CHECK(low >= -2);
  CHECK(low < -1.99);
  CHECK(high < 4);
  CHECK(high > 3.99);
  for (const uint64_t first : {1u, 2u, 3u, 101u}) {
    std::vector<double> part(50);
    random_normal(part.data(), first, 50, key, 1.0, 0.5);
    CHECK(part == std::vector<double>(normal.begin() + static_cast<int64_t>(first),
                                      normal.begin() + static_cast<int64_t>(first) + 50));
  }
}

}  // namespace

}  // namespace tiny
