#include "ops/random.h"

#include <cmath>
#include <limits>
#include <string>

#include "graph/tiles.h"
#include "kernels/random/random.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 256 * kRandomGroup;

class Drop final : public Primitive, public Tiled {
 public:
  Drop(double p, uint32_t site, DType dtype) : p_(p), site_(site), dtype_(dtype) {}
  const char* name() const override { return "dropout"; }
  int reuse(size_t) const override { return 0; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t input) const override { return input == 0 ? Spread::Full : Spread::Whole; }
  void forward(Run& run) const override { run_tiles(*this, 2, run); }

  void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept override {
    dtype_ == DType::Float64 ? drop<double>(inputs, out, area) : drop<float>(inputs, out, area);
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {dropout(context.gradients[0], context.input(1), p_, site_), Value{}};
  }

 private:
  template <typename T>
  void drop(const void* const* inputs, void* out, const TileArea& area) const noexcept {
    const auto* words = static_cast<const int32_t*>(inputs[1]);
    const Dropout dropout{{static_cast<uint32_t>(words[0]), static_cast<uint32_t>(words[1]), site_},
                          static_cast<uint32_t>(std::min(std::round(p_ * 0x1p32), 0x1p32 - 1)),
                          1 / (1 - p_)};
    random_table<T>().dropout(static_cast<const T*>(inputs[0]), static_cast<T*>(out),
                              static_cast<uint64_t>(area.first), area.n, dropout);
  }

  double p_;
  uint32_t site_;
  DType dtype_;
};

class Draws final : public Primitive {
 public:
  Draws(bool normal, double a, double b, RandomKey key) : normal_(normal), a_(a), b_(b), key_(key) {}
  const char* name() const override { return normal_ ? "randomNormal" : "randomUniform"; }

  void forward(Run& run) const override {
    const View& y = run.output(0);
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto draw = normal_ ? random_normal<T> : random_uniform<T>;
      run.pool().ranges(y.size(), kGrain, [&](int64_t begin, int64_t end) {
        draw(y.as<T>() + begin, static_cast<uint64_t>(begin), end - begin, key_, a_, b_);
      });
    });
  }

 private:
  bool normal_;
  double a_, b_;
  RandomKey key_;
};

Value draws(bool normal, Shape shape, double a, double b, uint64_t seed, uint32_t site, DType dtype) {
  const RandomKey key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32), site};
  auto primitive = std::make_unique<Draws>(normal, a, b, key);
  require_float(primitive->name(), dtype);
  return make_value(std::move(primitive), {}, Type(dtype, std::move(shape)));
}

uint32_t site_of(const Attributes& attributes) {
  const int64_t site = attributes.integer("site");
  if (site < 0 || site > std::numeric_limits<uint32_t>::max()) {
    throw Error(ErrorCode::Option, "", "site must be an unsigned 32-bit number, not " + std::to_string(site));
  }
  return static_cast<uint32_t>(site);
}

template <Value (*builder)(Shape, double, double, uint64_t, uint32_t, DType)>
std::vector<Value> build_draws(std::span<const Value> inputs, const Attributes& at, const char* first,
                               const char* second) {
  require_inputs(inputs, 0);
  return {builder(at.shape("shape"), at.number(first), at.number(second),
                  static_cast<uint64_t>(at.integer("seed")), site_of(at),
                  dtype_from(at.text("dtype", "float32")))};
}

}  // namespace

Value dropout(const Value& x, const Value& key, double p, uint32_t site) {
  require_float("dropout", x.dtype());
  require_dtype("dropout", "key", key, DType::Int32);
  if (key.shape() != Shape{2}) {
    throw Error(ErrorCode::Shape, "dropout", "key must be [2] (seed and step), not " + str(key.shape()));
  }
  if (!(p >= 0 && p < 1))
    throw Error(ErrorCode::Option, "dropout", "p must be in [0, 1), not " + std::to_string(p));
  if (p == 0) return x;
  return make_value(std::make_unique<Drop>(p, site, x.dtype()), {x, key}, Type(x.dtype(), x.shape()));
}

Value random_normal(Shape shape, double mean, double std, uint64_t seed, uint32_t site, DType dtype) {
  return draws(true, std::move(shape), mean, std, seed, site, dtype);
}

Value random_uniform(Shape shape, double min, double max, uint64_t seed, uint32_t site, DType dtype) {
  return draws(false, std::move(shape), min, max, seed, site, dtype);
}

std::span<const OpEntry> random_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"dropout",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         return {dropout(in[0], in[1], at.number("p"), site_of(at))};
       }},
      {"randomNormal",
       [](Inputs in, const Attributes& at) -> Values {
         return build_draws<random_normal>(in, at, "mean", "std");
       }},
      {"randomUniform",
       [](Inputs in, const Attributes& at) -> Values {
         return build_draws<random_uniform>(in, at, "min", "max");
       }},
  };
  return entries;
}

}  // namespace tiny
