#include "kernels/softmax/softmax.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace tiny {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST_CASE("softmax of extreme rows on every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    const SoftmaxKernels& kernels = softmax_kernels(isa);
    for (const int64_t width : {1, 2, 17, 100}) {
      CAPTURE(width);
      std::vector<float> x(static_cast<size_t>(width), -kInfinity), y(x.size());
      x.back() = 3e38f;
      kernels.softmax(x.data(), width, y.data(), width, 0, 1);
      CHECK(y.back() == 1);
      for (size_t i = 0; i + 1 < y.size(); ++i) CHECK(y[i] == 0);
      kernels.log_softmax(x.data(), width, y.data(), width, 0, 1);
      CHECK(y.back() == 0);
      for (size_t i = 0; i + 1 < y.size(); ++i) CHECK(y[i] == -kInfinity);
      x.back() = -kInfinity;
      kernels.softmax(x.data(), width, y.data(), width, 0, 1);
      for (const float p : y) CHECK(std::isnan(p));
    }
  }
}

TEST_CASE("loss of one row against its definition, ignored rows, and the gradient's sum") {
  const int64_t width = 37;
  std::vector<float> x(static_cast<size_t>(2 * width));
  for (size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i)) * 5;
  const int32_t labels[] = {36, -100};
  double sum = 0, total = 0;
  for (int64_t i = 0; i < width; ++i) {
    sum += std::exp(static_cast<double>(x[i]));
    total += x[i];
  }
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const float smoothing : {0.0f, 0.2f}) {
      CrossEntropyRows<float> rows{width, x.data(), width, labels, -100, smoothing};
      float loss[2], lse[2];
      softmax_kernels(isa).cross_entropy(rows, loss, lse, 0, 2);
      const double expected = std::log(sum) - (1 - smoothing) * x[36] - smoothing * total / width;
      CHECK(loss[0] == doctest::Approx(expected).epsilon(1e-5));
      CHECK(loss[1] == 0);
      std::vector<float> gradient(x.size(), 7);
      softmax_kernels(isa).cross_entropy_backward(rows, lse, 2, gradient.data(), 0, 2);
      double gradient_sum = 0;
      for (int64_t i = 0; i < width; ++i) gradient_sum += gradient[i];
      CHECK(std::fabs(gradient_sum) < 1e-5);
      for (int64_t i = width; i < 2 * width; ++i) CHECK(gradient[i] == 0);
    }
  }
}

}  // namespace

}  // namespace tiny
