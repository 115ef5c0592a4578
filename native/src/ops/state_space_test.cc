#include "ops/state_space.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "graph/variable.h"
#include "ops/accumulate.h"
#include "ops/op_cases.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

constexpr int64_t kHeads = 4, kGroups = 2, kWidth = 5, kState = 6, kTaps = 4;
const StateScanOptions kOptions{kHeads, kGroups, 0, 1e9};

Draw draw_of(uint64_t seed = 3) { return Draw(DType::Float32, Draw::Purpose::Comparison, seed, 0); }

Value integers(const std::vector<int32_t>& values) {
  return draw_of().integers({Dim(static_cast<int64_t>(values.size()))}, values);
}

Numbers evaluated(const Value& value, int threads = 2) {
  ThreadPool pool(threads);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

std::string message_of(const Value& value) {
  try {
    evaluated(value);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::shared_ptr<Variable> zeros(int64_t rows, int64_t width) {
  Type type(DType::Float32, {rows, width});
  auto buffer = Buffer::allocate(static_cast<size_t>(rows * width) * sizeof(float));
  std::memset(buffer->data(), 0, buffer->bytes());
  return Variable::create(std::move(type), std::move(buffer), "state");
}

struct Tokens {
  Value x, dt, b, c;

  explicit Tokens(int64_t count) {
    Draw draw = draw_of();
    x = draw.normals({Dim(count), Dim(kHeads * kWidth)});
    dt = draw.normals({Dim(count), Dim(kHeads)});
    b = draw.normals({Dim(count), Dim(kGroups * kState)});
    c = draw.normals({Dim(count), Dim(kGroups * kState)});
  }

  StateScanInputs inputs(int64_t first, int64_t count, const std::vector<int32_t>& offsets) const {
    Draw draw = draw_of(9);
    const auto rows = [&](const Value& value) { return slice_rows(value, Dim(first), Dim(count)); };
    return {rows(x),
            rows(dt),
            draw.uniforms({Dim(kHeads)}, -2, -0.1),
            rows(b),
            rows(c),
            integers(offsets),
            draw.normals({Dim(kHeads)}),
            draw.normals({Dim(kHeads)})};
  }
};

TEST_CASE("a scan that goes on from a state gives the bits of the whole, and leaves what it started from") {
  const Tokens tokens(45);
  const Numbers whole = evaluated(state_scan(tokens.inputs(0, 45, {0, 45}), kOptions));
  const int64_t size = kHeads * kWidth * kState;
  for (const int64_t first : {1, 31, 32, 40}) {
    CAPTURE(first);
    const auto memory = zeros(4, size);
    const auto run = [&](int64_t start, int64_t count, int32_t read, int32_t write) {
      // A second sequence of no tokens keeps its row as it is.
      const RecurrentState state{memory->read(), integers({read, 3}), integers({write, 3})};
      return evaluated(state_scan(
          tokens.inputs(start, count, {0, static_cast<int32_t>(count), static_cast<int32_t>(count)}),
          kOptions, state));
    };
    Numbers found = run(0, first, -1, 2);
    const Numbers kept = evaluated(slice_rows(memory->read(), Dim(2), Dim(1)));
    const Numbers rest = run(first, 45 - first, 2, 1);
    found.insert(found.end(), rest.begin(), rest.end());
    CHECK(found == whole);
    CHECK(evaluated(slice_rows(memory->read(), Dim(2), Dim(1))) == kept);
    CHECK(evaluated(slice_rows(memory->read(), Dim(0), Dim(1))) == Numbers(static_cast<size_t>(size), 0));
    CHECK(evaluated(slice_rows(memory->read(), Dim(3), Dim(1))) == Numbers(static_cast<size_t>(size), 0));
  }
}

TEST_CASE(
    "a convolution that goes on from a state gives the bits of the whole, however few tokens there were") {
  Draw draw = draw_of();
  constexpr int64_t width = 19;
  const Value x = draw.normals({9, Dim(width)}), weight = draw.normals({Dim(width), 1, Dim(kTaps)}),
              bias = draw.normals({Dim(width)});
  const Numbers whole = evaluated(causal_conv(x, weight, bias, integers({0, 9}), true));
  for (const int64_t first : {1, 2, 3, 6}) {
    CAPTURE(first);
    const auto memory = zeros(2, (kTaps - 1) * width);
    Numbers found;
    const auto run = [&](int64_t start, int64_t count, int32_t read, int32_t write) {
      const Numbers part = evaluated(causal_conv(slice_rows(x, Dim(start), Dim(count)), weight, bias,
                                                 integers({0, static_cast<int32_t>(count)}), true,
                                                 {memory->read(), integers({read}), integers({write})}));
      found.insert(found.end(), part.begin(), part.end());
    };
    run(0, first, -1, 0);
    run(first, 1, 0, 1);
    run(first + 1, 8 - first, 1, 0);
    CHECK(found == whole);
  }
}

TEST_CASE("sequences do not see each other") {
  const Tokens tokens(50);
  const Numbers together = evaluated(state_scan(tokens.inputs(0, 50, {0, 37, 37, 38, 50}), kOptions), 3);
  Numbers apart;
  for (const auto& [first, count] : {std::pair{0, 37}, {37, 1}, {38, 12}}) {
    const Numbers own = evaluated(state_scan(tokens.inputs(first, count, {0, count}), kOptions));
    apart.insert(apart.end(), own.begin(), own.end());
  }
  CHECK(together == apart);
}

TEST_CASE("the workspace of a scan's gradient grows with the tokens, not with their square") {
  const auto peak = [](int64_t count) {
    const Tokens tokens(count);
    const auto in = tokens.inputs(0, count, {0, static_cast<int32_t>(count)});
    const Value loss = sum(state_scan(in, kOptions), Axis::All), wrt[] = {in.x, in.b};
    const auto found = gradients(loss, draw_of().numbers({}, {1}), wrt, accumulate_gradients);
    return found[0].node->primitive->scratch(
        {std::vector<View>{View{}, View{nullptr, DType::Float32, {count, kHeads * kWidth}, kHeads * kWidth},
                           View{}, View{},
                           View{nullptr, DType::Float32, {count, kGroups * kState}, kGroups * kState}, View{},
                           View{nullptr, DType::Int32, {2}, 2}},
         {},
         {},
         1,
         {}});
  };
  CHECK(peak(64 * 128) < 64 * peak(128));
}

TEST_CASE("what cannot be is refused by name") {
  const Tokens tokens(6);
  const auto in = tokens.inputs(0, 6, {0, 6});
  const int64_t size = kHeads * kWidth * kState;
  const auto memory = zeros(2, size);
  const auto scan = [&](int32_t read, int32_t write) {
    return state_scan(in, kOptions, {memory->read(), integers({read}), integers({write})});
  };
  CHECK(message_of(scan(2, 0)).find("readSlots[0] is 2") != std::string::npos);
  CHECK(message_of(scan(-2, 0)).find("readSlots[0] is -2") != std::string::npos);
  CHECK(message_of(scan(-1, -1)).find("writeSlots[0] is -1") != std::string::npos);
  CHECK(message_of(state_scan(tokens.inputs(0, 6, {0, 5}), kOptions)).find("offsets[1] is 5") !=
        std::string::npos);
  const Value loss = sum(scan(-1, 0), Axis::All);
  const Value wrt[] = {in.x};
  CHECK_THROWS_AS(gradients(loss, draw_of().numbers({}, {1}), wrt, accumulate_gradients), Error);
  const auto narrow = zeros(2, size - 1);
  CHECK_THROWS_AS(state_scan(in, kOptions, {narrow->read(), integers({0}), integers({1})}), Error);
  CHECK_THROWS_AS(state_scan(in, kOptions, {memory->read(), integers({0, 1}), integers({1})}), Error);
  CHECK_THROWS_AS(state_scan(in, kOptions, {memory->read(), integers({0}), {}}), Error);
  CHECK_THROWS_AS(state_scan(in, {kHeads, 3, 0, 1}), Error);
  CHECK_THROWS_AS(state_scan(in, {kHeads, kGroups, 2, 1}), Error);
  CHECK_THROWS_AS(causal_conv(in.x, in.b, {}, in.offsets, false), Error);
}

}  // namespace

}  // namespace tiny
