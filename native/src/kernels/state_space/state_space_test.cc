#include "kernels/state_space/state_space.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace tiny {

namespace {

template <typename T>
using Numbers = std::vector<T>;

// The same numbers in float and double.
template <typename T>
Numbers<T> numbers(int64_t count, uint32_t seed, double low = -1, double high = 1) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> values(static_cast<float>(low), static_cast<float>(high));
  Numbers<T> all(static_cast<size_t>(count));
  for (T& one : all) one = static_cast<T>(values(random));
  return all;
}

constexpr float kUntouched = 77;
constexpr int64_t kGap = 3;  // between rows

void check_close(const Numbers<float>& found, const Numbers<double>& expected) {
  REQUIRE(found.size() == expected.size());
  double scale = 1, worst = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    scale = std::max(scale, std::fabs(expected[i]));
    worst = std::max(worst, std::fabs(static_cast<double>(found[i]) - expected[i]));
  }
  CHECK(worst <= 1e-5 * scale);
}

template <typename T>
bool same_bits(const Numbers<T>& a, const Numbers<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

template <typename T>
struct Convolution {
  int64_t width, taps, tokens;
  Numbers<T> x, before, weight, bias, dy;

  Convolution(int64_t width, int64_t taps, int64_t tokens)
      : width(width),
        taps(taps),
        tokens(tokens),
        x(numbers<T>(tokens * (width + kGap), 1)),
        before(numbers<T>((taps - 1) * width, 2)),
        weight(numbers<T>(taps * width, 3)),
        bias(numbers<T>(width, 4)),
        dy(numbers<T>(tokens * (width + kGap), 5)) {}

  ConvolutionRows<T> rows(bool silu, bool with_bias) const {
    return {x.data(), width + kGap, before.data(), weight.data(), with_bias ? bias.data() : nullptr,
            width,    taps,         silu};
  }

  // y, dz, dx and the taps' gradients, in two ranges of tokens.
  Numbers<T> all(const StateSpaceTable<T>& table, bool silu) const {
    const auto rows = this->rows(silu, silu);
    const int64_t size = tokens * width, half = tokens / 2;
    Numbers<T> out(static_cast<size_t>(3 * size + (taps + 1) * width + 1), T{0});
    out.back() = static_cast<T>(kUntouched);
    T *y = out.data(), *dz = y + size, *dx = dz + size, *sums = dx + size;
    for (const auto& [begin, end] : {std::pair{half, tokens}, std::pair{int64_t{0}, half}}) {
      table.convolve(rows, begin, end, y);
      table.convolve_delta(rows, dy.data(), width + kGap, begin, end, dz);
    }
    table.convolve_back(rows, dz, width, tokens, 0, tokens, dx);
    table.convolve_taps(rows, dz, width, 0, tokens, sums);
    return out;
  }
};

TEST_CASE("a causal convolution and its gradients are the reference's") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const int64_t width : {1, 3, 16, 37}) {
      for (const int64_t taps : {1, 4}) {
        for (const bool silu : {false, true}) {
          CAPTURE(width);
          CAPTURE(taps);
          check_close(Convolution<float>(width, taps, 7).all(state_space_kernels(isa), silu),
                      Convolution<double>(width, taps, 7).all(state_space_table<double>(), silu));
        }
      }
    }
  }
}

template <typename T>
struct Problem {
  int64_t tokens, width, state, stride = 2;  // two heads' steps lie side by side
  Numbers<T> x, b, c, dt, decay, h, dy, dh;

  Problem(int64_t tokens, int64_t width, int64_t state)
      : tokens(tokens),
        width(width),
        state(state),
        x(numbers<T>(tokens * (width + kGap), 1)),
        b(numbers<T>(tokens * (state + kGap), 2)),
        c(numbers<T>(tokens * (state + kGap), 3)),
        dt(numbers<T>(tokens * stride, 4, 0, 2)),
        decay(numbers<T>(tokens * stride, 5, 0.3, 1)),
        h(numbers<T>(state * width, 6)),
        dy(numbers<T>(tokens * (width + kGap), 7)),
        dh(numbers<T>(state * width, 8)) {}

  ScanBlock<T> block(int64_t first, int64_t count) const {
    ScanBlock<T> block;
    block.tokens = count;
    block.width = width;
    block.state = state;
    block.x = x.data() + first * (width + kGap);
    block.b = b.data() + first * (state + kGap);
    block.c = c.data() + first * (state + kGap);
    block.dt = dt.data() + first * stride;
    block.decay = decay.data() + first * stride;
    block.x_stride = width + kGap;
    block.b_stride = block.c_stride = state + kGap;
    block.dt_stride = stride;
    block.skip = static_cast<T>(0.75);
    return block;
  }

  // y, then the state after the last token.
  Numbers<T> forward(const StateSpaceTable<T>& table, int64_t step) const {
    Numbers<T> out(static_cast<size_t>(tokens * (width + 1) + state * width + 1), static_cast<T>(kUntouched));
    T* after = out.data() + tokens * (width + 1);
    std::copy(h.begin(), h.end(), after);
    for (int64_t t = 0; t < tokens; t += step) {
      table.scan(block(t, std::min(step, tokens - t)), after, out.data() + t * (width + 1), width + 1);
    }
    return out;
  }

  Numbers<T> backward(const StateSpaceTable<T>& table) const {
    const int64_t sizes[] = {state * width,   tokens * (width + 1), tokens * state,  tokens * state,
                             tokens * stride, tokens * stride,      tokens * stride, 1};
    int64_t total = 0;
    for (const int64_t size : sizes) total += size;
    Numbers<T> out(static_cast<size_t>(total), static_cast<T>(kUntouched)), scratch(kScanScratch);
    T* at[8];
    T* next = out.data();
    for (size_t i = 0; i < 8; ++i) {
      at[i] = next;
      next += sizes[i];
    }
    std::copy(dh.begin(), dh.end(), at[0]);
    ScanGradients<T> g;
    g.dy = dy.data();
    g.dy_stride = width + kGap;
    g.h = h.data();
    g.dh = at[0];
    g.dx = at[1];
    g.dx_stride = width + 1;
    g.db = at[2];
    g.dc = at[3];
    g.ddt = at[4];
    g.dlog = at[5];
    g.dskip = at[6];
    g.scratch = scratch.data();
    table.scan_back(block(0, tokens), g);
    return out;
  }
};

TEST_CASE("a scan and its gradients are the reference's, and nothing else is touched") {
  for (const Isa isa : usable_isas()) {
    CAPTURE(std::string(name_of(isa)));
    for (const auto& [width, state] : {std::pair{1, 1}, {4, 3}, {16, 4}, {37, 7}, {64, 6}, {80, 5}}) {
      for (const int64_t tokens : {int64_t{1}, int64_t{5}, kScanTokens}) {
        CAPTURE(width);
        CAPTURE(state);
        CAPTURE(tokens);
        const Problem<float> problem(tokens, width, state);
        const Problem<double> exact(tokens, width, state);
        check_close(problem.forward(state_space_kernels(isa), kScanTokens),
                    exact.forward(state_space_table<double>(), kScanTokens));
        check_close(problem.backward(state_space_kernels(isa)), exact.backward(state_space_table<double>()));
      }
    }
  }
}

TEST_CASE("tokens one by one come to the same bits as many at once") {
  for (const Isa isa : usable_isas()) {
    const Problem<float> problem(19, 37, 11);
    const auto whole = problem.forward(state_space_kernels(isa), kScanTokens);
    for (const int64_t step : {1, 7})
      CHECK(same_bits(problem.forward(state_space_kernels(isa), step), whole));
  }
}

}  // namespace

}  // namespace tiny
