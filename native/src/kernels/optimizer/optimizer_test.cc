#include "kernels/optimizer/optimizer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/optimizer/reference.h"

namespace tiny {

namespace {

// torch.optim.AdamW's single-tensor loop (torch/optim/adamw.py), operation by operation.
void torch_adamw(double& p, double& m, double& v, double g, double lr, double beta1, double beta2, double eps,
                 double weight_decay, double step) {
  p *= 1 - lr * weight_decay;
  m += (g - m) * (1 - beta1);
  v = v * beta2 + (1 - beta2) * g * g;
  const double step_size = lr / (1 - std::pow(beta1, step));
  const double denominator = std::sqrt(v) / std::sqrt(1 - std::pow(beta2, step)) + eps;
  p += -step_size * (m / denominator);
}

TEST_CASE("AdamW in float64 is PyTorch's, over ten steps") {
  double p = 0.5, m = 0, v = 0, tp = 0.5, tm = 0, tv = 0;
  for (int t = 1; t <= 10; ++t) {
    const double g = std::sin(t) * (t % 3 == 0 ? 1e-6 : 1);
    const AdamWStep step{.lr = 1e-2,
                         .beta1 = 0.9,
                         .beta2 = 0.98,
                         .eps = 1e-6,
                         .weight_decay = 0.1,
                         .clip = 0.25,
                         .step = double(t)};
    optimizer_table<double>().adamw(&p, &m, &v, &g, 1, step);
    torch_adamw(tp, tm, tv, 0.25 * g, 1e-2, 0.9, 0.98, 1e-6, 0.1, t);
    CHECK(std::fabs(p - tp) <= 1e-15);
    CHECK(std::fabs(m - tm) <= 1e-15);
    CHECK(std::fabs(v - tv) <= 1e-15);
  }
}

TEST_CASE("the first step moves each parameter by the learning rate, whatever the gradient's size") {
  for (const double g : {1e-3, 1.0, 1e3, -5.0}) {
    double p = 1, m = 0, v = 0;
    optimizer_table<double>().adamw(&p, &m, &v, &g, 1, {.lr = 0.1});
    CHECK(p == doctest::Approx(1 - std::copysign(0.1, g)).epsilon(1e-6));
  }
}

TEST_CASE("AdamW on every ISA agrees with the reference at every length, and writes no further") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t n : {0, 1, 3, 15, 16, 17, 33, 1000}) {
      CAPTURE(n);
      const auto size = static_cast<size_t>(n);
      std::vector<float> p(size + 1, 9.0f), m(size + 1, 9.0f), v(size + 1, 9.0f), g(size);
      std::vector<double> dp(size), dm(size), dv(size), dg(size);
      for (size_t i = 0; i < size; ++i) {
        const auto x = static_cast<float>(i);
        dp[i] = p[i] = std::sin(x);
        dm[i] = m[i] = 0.1f * std::cos(x);
        dv[i] = v[i] = 0.01f * (1 + std::sin(3 * x));
        dg[i] = g[i] = std::cos(5 * x);
      }
      const AdamWStep step{.lr = 1e-3, .weight_decay = 0.01, .clip = 0.5, .step = 7};
      optimizer_kernels(isa).adamw(p.data(), m.data(), v.data(), g.data(), n, step);
      reference::adamw(dp.data(), dm.data(), dv.data(), dg.data(), n, step);
      double worst = 0;
      for (size_t i = 0; i < size; ++i) {
        worst = std::max({worst, std::fabs(p[i] - dp[i]), std::fabs(m[i] - dm[i]), std::fabs(v[i] - dv[i])});
      }
      CHECK(worst <= 2e-7);
      CHECK(p[size] == 9.0f);
      CHECK(m[size] == 9.0f);
      CHECK(v[size] == 9.0f);
    }
  }
}

}  // namespace

}  // namespace tiny
