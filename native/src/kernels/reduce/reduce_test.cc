#include "kernels/reduce/reduce.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/reduce/reference.h"

namespace tiny {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kLengths[] = {0, 1, 2, 3, 7, 15, 16, 17, 63, 65, 129, 1000, 4095, 4096, 4097, 12289};

std::vector<float> normals(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(n));
  for (float& value : x) value = normal(generator);
  return x;
}

template <typename Check>
void for_isas(const Check& check) {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    check(reduce_kernels(isa));
  }
}

TEST_CASE("sums are accurate at every length") {
  for_isas([](const ReduceKernels& kernels) {
    for (const int64_t n : kLengths) {
      CAPTURE(n);
      const std::vector<float> x = normals(n, 1);
      const double root = std::sqrt(static_cast<double>(n) + 1);
      CHECK(std::fabs(kernels.sum(x.data(), n) - reference::sum(x.data(), n)) <= 1e-6 * root);
      CHECK(kernels.sum_squares(x.data(), n) ==
            doctest::Approx(reference::sum_squares(x.data(), n)).epsilon(1e-6));
    }
  });
}

TEST_CASE("a sum is made of its chunks' sums") {
  for_isas([](const ReduceKernels& kernels) {
    const std::vector<float> x = normals(3 * kReduceChunk + 5, 2);
    const auto n = static_cast<int64_t>(x.size());
    double sum = 0, squares = 0;
    for (int64_t begin = 0; begin < n; begin += kReduceChunk) {
      sum += kernels.sum(x.data() + begin, std::min(kReduceChunk, n - begin));
      squares += kernels.sum_squares(x.data() + begin, std::min(kReduceChunk, n - begin));
    }
    CHECK(kernels.sum(x.data(), n) == sum);
    CHECK(kernels.sum_squares(x.data(), n) == squares);
  });
}

TEST_CASE("max and argmax find the first of the largest wherever it is") {
  for_isas([](const ReduceKernels& kernels) {
    for (const int64_t n : kLengths) {
      if (n == 0) continue;
      CAPTURE(n);
      std::vector<float> x(static_cast<size_t>(n), -3.0f);
      CHECK(kernels.argmax(x.data(), n) == 0);
      for (int64_t at = 0; at < n; at += 1 + n / 19) {
        CAPTURE(at);
        const float before = x[static_cast<size_t>(at)];
        x[static_cast<size_t>(at)] = x[static_cast<size_t>(n - 1)] = 2.0f;
        CHECK(kernels.argmax(x.data(), n) == at);
        CHECK(kernels.max(x.data(), n) == 2.0f);
        x[static_cast<size_t>(at)] = kNan;
        CHECK(kernels.argmax(x.data(), n) == at);
        CHECK(std::isnan(kernels.max(x.data(), n)));
        x[static_cast<size_t>(n - 1)] = x[static_cast<size_t>(at)] = before;
      }
    }
    const std::vector<float> lowest(19, -kInfinity);
    CHECK(kernels.argmax(lowest.data(), 19) == 0);
    CHECK(kernels.max(lowest.data(), 19) == -kInfinity);
    CHECK(kernels.max(nullptr, 0) == -kInfinity);
  });
}

TEST_CASE("one value that is not finite is found wherever it is") {
  for_isas([](const ReduceKernels& kernels) {
    for (const int64_t n : kLengths) {
      CAPTURE(n);
      std::vector<float> x(static_cast<size_t>(n), std::numeric_limits<float>::max());
      CHECK(kernels.all_finite(x.data(), n));
      for (int64_t at = 0; at < n; at += 1 + n / 19) {
        for (const float bad : {kInfinity, -kInfinity, kNan}) {
          x[static_cast<size_t>(at)] = bad;
          CHECK_FALSE(kernels.all_finite(x.data(), n));
        }
        x[static_cast<size_t>(at)] = -std::numeric_limits<float>::denorm_min();
      }
      CHECK(kernels.all_finite(x.data(), n));
    }
  });
}

TEST_CASE("reductions over rows, and no column knows its neighbours") {
  for_isas([](const ReduceKernels& kernels) {
    for (const int64_t rows : {0, 1, 7, 8, 9, 100, 513, 1030}) {
      for (const int64_t columns : {1, 15, 17, 65, 257}) {
        CAPTURE(rows);
        CAPTURE(columns);
        const int64_t stride = columns + 3;
        const std::vector<float> x = normals(rows * stride + 1, 3);
        const auto width = static_cast<size_t>(columns);
        std::vector<float> sums(width + 1, 42.0f), tops(width + 1, 42.0f), expected(width),
            expected_tops(width);
        kernels.sum_rows(x.data(), stride, rows, columns, sums.data());
        kernels.max_rows(x.data(), stride, rows, columns, tops.data());
        reference::sum_rows(x.data(), stride, rows, columns, expected.data());
        reference::max_rows(x.data(), stride, rows, columns, expected_tops.data());
        const double root = std::sqrt(static_cast<double>(rows) + 1);
        bool close = true, same_tops = true;
        for (size_t j = 0; j < width; ++j) {
          close = close && std::fabs(sums[j] - expected[j]) <= 1e-6 * root;
          same_tops = same_tops && tops[j] == expected_tops[j];
        }
        CHECK(close);
        CHECK(same_tops);
        CHECK(sums[width] == 42.0f);
        CHECK(tops[width] == 42.0f);
        float alone = 0;
        kernels.sum_rows(x.data() + columns - 1, stride, rows, 1, &alone);
        CHECK(alone == sums[width - 1]);
      }
    }
  });
}

}  // namespace

}  // namespace tiny
