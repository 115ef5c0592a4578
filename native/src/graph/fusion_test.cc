#include "graph/fusion.h"

#include <doctest/doctest.h>

#include <string>

#include "graph/evaluate.h"
#include "graph/test_ops.h"
#include "graph/tiles.h"

namespace tiny {

using namespace test;

namespace {

using Values = std::vector<Value>;

// 2 a + b, where b may be spread.
class Mix final : public Primitive, public Tiled {
 public:
  explicit Mix(Spread spread) : spread_(spread) {}
  const char* name() const override { return "mix"; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t input) const override { return input == 0 ? Spread::Full : spread_; }
  bool reuses(size_t, size_t input) const override { return spread(input) == Spread::Full; }
  void forward(Run& run) const override { run_tiles(*this, 2, run); }
  void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept override {
    const auto *a = static_cast<const float*>(inputs[0]), *b = static_cast<const float*>(inputs[1]);
    for (int64_t i = 0; i < area.n; ++i) static_cast<float*>(out)[i] = 2 * a[i] + b[i];
  }

 private:
  Spread spread_;
};

Value mix(const Value& a, const Value& b, Spread spread = Spread::Full) {
  return make_value(std::make_unique<Mix>(spread), {a, b}, Type(DType::Float32, a.shape()));
}

Value numbers(Shape shape, float first) {
  std::vector<float> data;
  const int64_t count = elements(shape).value();
  for (int64_t i = 0; i < count; ++i) data.push_back(first + static_cast<float>(i % 37));
  return tensor(std::move(data), std::move(shape));
}

std::vector<std::vector<float>> answers(const Values& roots, int threads) {
  ThreadPool pool(threads);
  evaluate(roots, pool);
  std::vector<std::vector<float>> found;
  for (const Value& root : roots) found.push_back(floats(root));
  return found;
}

template <typename Build>
void check_same_unfused(const Build& build) {
  set_fusion(false);
  const auto expected = answers(build(), 1);
  set_fusion(true);
  CHECK(answers(build(), 1) == expected);
  CHECK(answers(build(), 3) == expected);
}

Values graph_of(int64_t rows, int64_t width) {
  const Shape shape{Dim(rows), Dim(width)};
  const Value x = numbers(shape, 1), wide = numbers({Dim(rows), Dim(width + 2)}, 2);
  const Value row = numbers({Dim(width)}, 3), column = numbers({Dim(rows), Dim(1)}, 4),
              scalar = numbers({}, 5);
  const Value a = mix(x, row, Spread::Row), b = mix(a, columns(wide, 1, width)),
              c = mix(b, column, Spread::Column);
  const Value d = mix(mix(c, scalar, Spread::Scalar), b), read_by_another = mix(d, x);
  return {mix(mix(read_by_another, d), a), sum({read_by_another}, 1)};
}

}  // namespace

TEST_CASE("elementwise steps joined give what they give apart, of any size") {
  for (const int64_t rows : {0, 1, 3, 700}) {
    for (const int64_t width : {1, 5, 1030}) {
      CAPTURE(rows);
      CAPTURE(width);
      check_same_unfused([&] { return graph_of(rows, width); });
    }
  }
}

TEST_CASE("groups are as large as a program holds, and the rest follows") {
  const auto chain = [] {
    Value x = numbers({50, 60}, 1);
    for (int i = 0; i < 40; ++i) x = mix(x, numbers({50, 60}, static_cast<float>(i)));
    return Values{x};
  };
  const auto plan = Plan::compile(chain());
  CHECK(plan->steps.size() == 3);
  for (const PlannedStep& step : plan->steps) CHECK(step.inputs.size() <= TileProgram::kReaders);
  check_same_unfused(chain);
}

TEST_CASE("a fused step works in place and holds no inner result") {
  const Value x = numbers({4, 300}, 1), y = sum({x}, 1), z = sum({x}, 2);
  const auto plan = Plan::compile({sum({mix(mix(y, x), z)}, 0)});
  REQUIRE(plan->steps.size() == 4);
  CHECK(std::string(plan->steps[2].primitive->name()) == "mix+mix");
  CHECK(plan->slots.size() == 2);  // of y and z
}

TEST_CASE("a result that a root, a window or a later stage reads is computed apart") {
  const Value x = numbers({8, 40}, 1);
  const Value inner = mix(x, x);
  CHECK(Plan::compile({mix(inner, x), inner})->steps.size() == 2);
  CHECK(Plan::compile({mix(columns(inner, 0, 39), columns(x, 0, 39))})->steps.size() == 2);
  const auto v = variable(std::vector<float>(40, 1));
  const Value old = mix(v->read(), v->read()), now = store(v, old);
  CHECK(Plan::compile({mix(now, old)})->stages == 2);
  check_same_unfused([&] { return graph_of(2, 9); });
}

}  // namespace tiny
