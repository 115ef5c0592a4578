#include "kernels/norm/norm.h"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

namespace tiny {

namespace {

// Rows with a large common offset, where a one-pass variance would cancel.
std::vector<float> offset_rows(int64_t rows, int64_t width) {
  std::vector<float> x(static_cast<size_t>(rows * width));
  for (size_t i = 0; i < x.size(); ++i) x[i] = 1000 + static_cast<float>((i * 7919) % 64) / 64;
  return x;
}

TEST_CASE("the variance of rows far from zero is accurate on every ISA") {
  const int64_t rows = 3, width = 769;
  const std::vector<float> x = offset_rows(rows, width);
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    std::vector<float> y(x.size()), rstd(rows);
    NormForward<float> norm;
    norm.width = width;
    norm.x = x.data();
    norm.x_stride = width;
    norm.eps = 1e-12f;
    norm.y = y.data();
    norm.rstd = rstd.data();
    norm_kernels(isa).layer_norm(norm, 0, rows);
    for (int64_t row = 0; row < rows; ++row) {
      double mean = 0, square = 0;
      for (int64_t i = 0; i < width; ++i) mean += static_cast<double>(x[row * width + i]) / width;
      for (int64_t i = 0; i < width; ++i) square += std::pow(x[row * width + i] - mean, 2) / width;
      CHECK(rstd[row] == doctest::Approx(1 / std::sqrt(square)).epsilon(1e-4));
    }
  }
}

TEST_CASE("a constant row is its bias, whatever its size") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t width : {1, 5, 64, 131}) {
      std::vector<float> x(static_cast<size_t>(width), 3.0f), bias(x.size(), 0.5f);
      NormForward<float> norm;
      norm.width = width;
      norm.x = x.data();
      norm.x_stride = width;
      norm.bias = bias.data();
      norm.eps = 1e-5f;
      norm.y = x.data();  // in place
      norm_kernels(isa).layer_norm(norm, 0, 1);
      for (const float y : x) CHECK(y == 0.5f);
    }
  }
}

TEST_CASE("y over x and the sum over the residual are those of memory of their own") {
  const int64_t rows = 4, width = 75;
  std::vector<float> x(static_cast<size_t>(rows * width)), residual(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    x[i] = std::sin(static_cast<float>(i));
    residual[i] = std::cos(static_cast<float>(3 * i));
  }
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const bool centred : {false, true}) {
      const auto kernel = centred ? norm_kernels(isa).layer_norm : norm_kernels(isa).rms_norm;
      std::vector<float> y(x.size()), sum(x.size()), in_place = x, sum_in_place = residual;
      NormForward<float> norm;
      norm.width = norm.x_stride = norm.residual_stride = width;
      norm.eps = 1e-5f;
      norm.x = x.data();
      norm.residual = residual.data();
      norm.y = y.data();
      norm.sum = sum.data();
      kernel(norm, 0, rows);
      norm.x = norm.y = in_place.data();
      norm.residual = norm.sum = sum_in_place.data();
      kernel(norm, 0, rows);
      CHECK(in_place == y);
      CHECK(sum_in_place == sum);
    }
  }
}

}  // namespace

}  // namespace tiny
