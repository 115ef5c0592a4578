#include "kernels/elementwise/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

namespace tiny {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::nanf("");

std::vector<float> apply(Isa isa, Elementwise code, const std::vector<float>& a, float p = 0, float q = 0) {
  std::vector<float> out(a.size());
  elementwise_kernels(isa).of[static_cast<size_t>(code)](a.data(), a.data(), a.data(), out.data(),
                                                         static_cast<int64_t>(a.size()), p, q);
  return out;
}

// Every exponent's worth of floats in [low, high], both signs where the interval has them.
std::vector<float> floats_between(float low, float high) {
  std::vector<float> floats{low, high};
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 20011) {
    for (const uint32_t sign : {0u, 0x80000000u}) {
      const uint32_t word = bits | sign;
      float x;
      std::memcpy(&x, &word, sizeof x);
      if (x >= low && x <= high) floats.push_back(x);
    }
  }
  return floats;
}

// The largest distance from the float64 result, in units in the last place of it as a float (the smallest
// subnormal's near zero).
double worst_ulps(Isa isa, Elementwise code, float low, float high) {
  const std::vector<float> x = floats_between(low, high), y = apply(isa, code, x);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double in = x[i];
    double exact;
    elementwise_kernel<double>(code)(&in, nullptr, nullptr, &exact, 1, 0, 0);
    const auto nearest = static_cast<float>(exact);
    if (y[i] == nearest) continue;
    const double ulp = std::nextafter(std::fabs(nearest), kInfinity) - std::fabs(nearest);
    const double distance = std::fabs(y[i] - exact) / ulp;
    if (distance > worst || std::isnan(distance)) worst = std::isnan(distance) ? 1e30 : distance;
  }
  return worst;
}

struct Accuracy {
  Elementwise code;
  float low, high;
  double ulps;
};

// Where a function multiplies an argument before the exponential, the rounding of that product grows with the
// argument.
constexpr Accuracy kAccuracies[] = {
    {Elementwise::Exp, -150, 100, 1.5},    {Elementwise::Log, 0, 3.4e38f, 2},
    {Elementwise::Tanh, -30, 30, 2.5},     {Elementwise::Sigmoid, -87, 87, 3},
    {Elementwise::Sqrt, 0, 3.4e38f, 0.51}, {Elementwise::Rsqrt, 1e-37f, 3.4e38f, 1.6},
    {Elementwise::Gelu, -5, 1e30f, 14},    {Elementwise::GeluTanh, -4, 1e30f, 16},
    {Elementwise::Silu, -87, 1e30f, 3.5},
};

TEST_CASE("functions are accurate to a few units in the last place on every ISA") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const Accuracy& row : kAccuracies) {
      CAPTURE(static_cast<int>(row.code));
      CHECK(worst_ulps(isa, row.code, row.low, row.high) <= row.ulps);
    }
  }
}

TEST_CASE("infinities, NaN and signed zeros") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    const std::vector<float> x{kInfinity, -kInfinity, kNan, 0.0f, -0.0f, 1e-45f, -2.0f};
    const auto exp = apply(isa, Elementwise::Exp, x);
    CHECK(exp[0] == kInfinity);
    CHECK(exp[1] == 0);
    CHECK(exp[3] == 1);
    const auto log = apply(isa, Elementwise::Log, x);
    CHECK(log[0] == kInfinity);
    CHECK(std::isnan(log[1]));
    CHECK(log[3] == -kInfinity);
    CHECK(log[4] == -kInfinity);
    CHECK(log[5] == doctest::Approx(-103.27893));
    CHECK(std::isnan(log[6]));
    const auto tanh = apply(isa, Elementwise::Tanh, x);
    CHECK(tanh[0] == 1);
    CHECK(tanh[1] == -1);
    CHECK(std::signbit(tanh[4]));
    CHECK(tanh[5] == 1e-45f);
    const auto relu = apply(isa, Elementwise::Relu, x);
    CHECK(relu[0] == kInfinity);
    CHECK(relu[1] == 0);
    CHECK(apply(isa, Elementwise::Gelu, x)[0] == kInfinity);
    CHECK(apply(isa, Elementwise::GeluTanh, x)[0] == kInfinity);
    CHECK(apply(isa, Elementwise::Silu, x)[0] == kInfinity);
    CHECK(apply(isa, Elementwise::Clamp, x, -1, 1)[1] == -1);
    CHECK(apply(isa, Elementwise::Pow, x, 3)[6] == -8);
  }
}

TEST_CASE("NaN comes through every unary op, on every lane") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (size_t code = 0; code < kElementwiseCount; ++code) {
      if (kElementwiseInputs[code] != 1) continue;
      CAPTURE(code);
      const std::vector<float> out =
          apply(isa, static_cast<Elementwise>(code), std::vector<float>(37, kNan), 1, 2);
      for (size_t i = 0; i < out.size(); ++i) {
        CAPTURE(i);
        CHECK(std::isnan(out[i]));
      }
    }
  }
}

TEST_CASE("a kernel writes n elements, in place too, and the tail like the rest") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    std::vector<float> x(70);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i) * 0.11f - 3;
    const auto whole = apply(isa, Elementwise::Gelu, x);
    for (int64_t n = 0; n <= 69; ++n) {
      std::vector<float> y = x;
      const auto kernel = elementwise_kernels(isa).of[static_cast<size_t>(Elementwise::Gelu)];
      kernel(y.data(), nullptr, nullptr, y.data(), n, 0, 0);
      for (size_t i = 0; i < y.size(); ++i) {
        CAPTURE(i);
        CHECK(y[i] == (static_cast<int64_t>(i) < n ? whole[i] : x[i]));
      }
    }
  }
}

// All 16-bit patterns, and floats on and beside the halves between them.
std::vector<float> rounding_cases() {
  std::vector<float> floats;
  for (uint32_t high = 0; high < 0x10000; high += 3) {
    for (const uint32_t low :
         {0u, 1u, 0x0fffu, 0x1000u, 0x1001u, 0x2fffu, 0x3000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) {
      const uint32_t bits = high << 16 | low;
      float x;
      std::memcpy(&x, &bits, sizeof x);
      floats.push_back(x);
    }
  }
  return floats;
}

TEST_CASE("casts of every ISA round like the reference, and back exactly") {
  const std::vector<float> x = rounding_cases();
  const auto n = static_cast<int64_t>(x.size());
  for (const DType half : {DType::BFloat16, DType::Float16}) {
    CAPTURE(std::string(name_of(half)));
    std::vector<uint16_t> expected(x.size());
    cast_kernel(DType::Float32, half, Isa::Scalar)(x.data(), expected.data(), n);
    std::vector<uint16_t> patterns(0x10000);
    for (size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<uint16_t>(i);
    std::vector<float> wide(patterns.size()), found_wide(patterns.size());
    cast_kernel(half, DType::Float32, Isa::Scalar)(patterns.data(), wide.data(), 0x10000);
    for (const Isa isa : usable_isas()) {
      CAPTURE(std::string(name_of(isa)));
      std::vector<uint16_t> found(x.size());
      cast_kernel(DType::Float32, half, isa)(x.data(), found.data(), n);
      size_t different = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        // NaN of any kind is NaN: which payload survives is the instruction's choice.
        if (std::isnan(x[i])) {
          const int mantissa = half == DType::Float16 ? 0x3ff : 0x7f, exponent = 0x7fff & ~mantissa;
          different += (found[i] & exponent) != exponent || (found[i] & mantissa) == 0;
        } else {
          different += found[i] != expected[i];
        }
      }
      CHECK(different == 0);
      cast_kernel(half, DType::Float32, isa)(patterns.data(), found_wide.data(), 0x10000);
      different = 0;
      for (size_t i = 0; i < wide.size(); ++i) different += wide[i] != found_wide[i] && !std::isnan(wide[i]);
      CHECK(different == 0);
    }
  }
}

TEST_CASE("reference casts: known values, double rounding, saturation") {
  const auto as_half = [](double x, DType to) {
    uint16_t bits;
    cast_kernel(DType::Float64, to)(&x, &bits, 1);
    return bits;
  };
  CHECK(as_half(1.0, DType::Float16) == 0x3c00);
  CHECK(as_half(65504.0, DType::Float16) == 0x7bff);
  CHECK(as_half(65520.0, DType::Float16) == 0x7c00);
  CHECK(as_half(-0x1p-24, DType::Float16) == 0x8001);
  CHECK(as_half(0x1p-25, DType::Float16) == 0);
  CHECK(as_half(0x1.8p-25, DType::Float16) == 1);
  CHECK(as_half(1.0, DType::BFloat16) == 0x3f80);
  CHECK(as_half(1e300, DType::BFloat16) == 0x7f80);
  // Just above the half between two: rounding to float first would land on it, and then on the even one
  // below.
  CHECK(as_half(1 + 0x1p-8 + 0x1p-40, DType::BFloat16) == 0x3f81);
  CHECK(as_half(1 + 0x1p-8, DType::BFloat16) == 0x3f80);
  CHECK(as_half(1 + 0x1p-11 + 0x1p-40, DType::Float16) == 0x3c01);

  const double numbers[] = {2.9, -2.9, 3e9, -3e9, NAN};
  int32_t integers[5];
  cast_kernel(DType::Float64, DType::Int32)(numbers, integers, 5);
  CHECK(integers[0] == 2);
  CHECK(integers[1] == -2);
  CHECK(integers[2] == INT32_MAX);
  CHECK(integers[3] == INT32_MIN);
  CHECK(integers[4] == 0);
  const bool none = cast_kernel(DType::Int8, DType::Float32) == nullptr;
  CHECK(none);
}

}  // namespace

}  // namespace tiny
