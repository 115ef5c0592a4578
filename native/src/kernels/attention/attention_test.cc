#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "base/aligned.h"
#include "kernels/attention/attention_problem.h"

namespace tiny {

namespace {

const std::vector<AttentionCase>& cases() {
  static const std::vector<AttentionCase> all = {
      {.queries = {}, .keys = {}},
      {.queries = {1}, .keys = {1}, .head_dim = 1, .value_dim = 1},
      {.queries = {3, 0, 70, 1},
       .keys = {3, 0, 70, 1},
       .heads = 3,
       .kv_heads = 3,
       .head_dim = 33,
       .value_dim = 33},
      {.queries = {0, 5}, .keys = {4, 0}},  // queries without keys, keys without queries
      {.queries = {131, 64}, .keys = {131, 64}, .head_dim = 64, .value_dim = 64, .causal = true},
      {.queries = {5, 40},
       .keys = {150, 65},
       .heads = 6,
       .kv_heads = 2,
       .head_dim = 20,
       .value_dim = 9,
       .causal = true},
      {.queries = {30}, .keys = {20}, .causal = true},  // the first queries see nothing
      {.queries = {140}, .keys = {140}, .heads = 4, .kv_heads = 1, .window_left = 17, .window_right = 2},
      {.queries = {150, 9},
       .keys = {150, 9},
       .causal = true,
       .window_left = 3,
       .softcap = 2,
       .sinks = true,
       .d_lse = true},
      {.queries = {90, 33}, .keys = {90, 33}, .head_dim = 64, .value_dim = 64, .bias = true},
      {.queries = {129}, .keys = {129}, .causal = true, .bias = true, .sinks = true, .d_lse = true},
      {.queries = {70, 20},
       .keys = {140, 30},
       .causal = true,
       .softcap = 1.5,
       .bias = true,
       .positions = Positions::Shuffled},
      {.queries = {66}, .keys = {66}, .causal = true, .window_left = 30, .positions = Positions::Shifted},
      {.queries = {100, 7},
       .keys = {100, 7},
       .window_left = 10,
       .window_right = 5,
       .positions = Positions::Shuffled},
      {.queries = {100, 30}, .keys = {100, 30}, .heads = 4, .kv_heads = 2, .causal = true, .dropout = 0.25},
      {.queries = {70},
       .keys = {75},
       .dropout = 0.5,
       .bias = true,
       .sinks = true,
       .positions = Positions::Shuffled},
      {.queries = {2},
       .keys = {200},
       .heads = 200,
       .kv_heads = 1,
       .head_dim = 8,
       .value_dim = 8,
       .causal = true},
      {.queries = {20}, .keys = {40}, .head_dim = 130, .value_dim = 200},
      {.queries = {130, 0, 7}, .keys = {130, 0, 7}, .query_terms = true, .key_terms = true},
      {.queries = {150, 30}, .keys = {150, 30}, .query_terms = true, .key_terms = true, .falling_keys = true},
      {.queries = {1, 66}, .keys = {90, 33}, .heads = 4, .kv_heads = 2, .query_terms = true},
      {.queries = {1, 40}, .keys = {5, 70}, .heads = 30, .kv_heads = 1, .key_terms = true},
      {.queries = {80},
       .keys = {80},
       .window_left = 30,
       .softcap = 2,
       .bias = true,
       .query_terms = true,
       .key_terms = true},
      {.queries = {70, 9},
       .keys = {75, 80},
       .causal = true,
       .dropout = 0.25,
       .d_lse = true,
       .query_terms = true,
       .key_terms = true,
       .positions = Positions::Shuffled},
  };
  return all;
}

std::string name_of(const AttentionCase& c) {
  const auto join = [](const std::vector<int32_t>& lengths) {
    std::string text;
    for (const int32_t length : lengths) text += std::to_string(length) + " ";
    return text;
  };
  return join(c.queries) + "x " + join(c.keys) + "heads " + std::to_string(c.heads) + "/" +
         std::to_string(c.kv_heads) + " dims " + std::to_string(c.head_dim) + ", " +
         std::to_string(c.value_dim) + (c.causal ? " causal" : "") + (c.bias ? " bias" : "") +
         (c.query_terms ? " query terms" : "") + (c.key_terms ? " key terms" : "") +
         (c.sinks ? " sinks" : "") + (c.dropout > 0 ? " dropout" : "") + (c.softcap > 0 ? " softcap" : "") +
         " windows " + std::to_string(c.window_left) + ", " + std::to_string(c.window_right) + " positions " +
         std::to_string(static_cast<int>(c.positions));
}

// Largest difference relative to the largest magnitude (at least 1); infinities must agree.
template <typename T>
double difference(const std::vector<T>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  double most = 1, worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    if (std::isfinite(expected[i])) most = std::max(most, std::fabs(expected[i]));
  }
  for (size_t i = 0; i < got.size(); ++i) {
    const double value = static_cast<double>(got[i]);
    if (std::isinf(expected[i]) ? value == expected[i] : std::isfinite(value)) {
      if (std::isfinite(value)) worst = std::max(worst, std::fabs(value - expected[i]));
    } else {
      worst = INFINITY;
    }
  }
  return worst / most;
}

std::vector<Isa> kernel_isas() {
  std::vector<Isa> isas;
  for (const Isa isa : usable_isas()) {
    bool known = false;
    for (const Isa other : isas) known = known || &attention_kernels(other) == &attention_kernels(isa);
    if (!known) isas.push_back(isa);
  }
  return isas;
}

template <typename T>
std::vector<T> rows_of(const std::vector<T>& matrix, int64_t width, int64_t first, int64_t count) {
  return {matrix.begin() + first * width, matrix.begin() + (first + count) * width};
}

}  // namespace

TEST_CASE("attention agrees with the float64 reference") {
  for (const AttentionCase& c : cases()) {
    CAPTURE(name_of(c));
    const auto expected = AttentionProblem<double>(c).run(attention_reference<double>(), 1);
    for (const Isa isa : kernel_isas()) {
      const AttentionKernels& kernels = attention_kernels(isa);
      CAPTURE(kernels.name);
      const auto got = AttentionProblem<float>(c).run(kernels, 2);
      CHECK(difference(got.o, expected.o) < 2e-6);
      CHECK(difference(got.lse, expected.lse) < 2e-6);
      CHECK(difference(got.weights, expected.weights) < 2e-6);
      CHECK(difference(got.dq, expected.dq) < 4e-6);
      CHECK(difference(got.dk, expected.dk) < 4e-6);
      CHECK(difference(got.dv, expected.dv) < 4e-6);
      CHECK(difference(got.d_bias, expected.d_bias) < 4e-6);
      CHECK(difference(got.d_sinks, expected.d_sinks) < 4e-6);
      CHECK(difference(got.d_query_terms, expected.d_query_terms) < 4e-6);
      CHECK(difference(got.d_key_terms, expected.d_key_terms) < 4e-6);
    }
  }
}

TEST_CASE("a query of one key moves no score") {
  for (const Isa isa : kernel_isas()) {
    const AttentionKernels& kernels = attention_kernels(isa);
    CAPTURE(kernels.name);
    for (const double dropout : {0.0, 0.3}) {
      AttentionCase c{.queries = {1, 9, 1}, .keys = {1, 1, 1}, .heads = 4, .kv_heads = 2, .bias = true};
      c.dropout = dropout;
      const auto got = AttentionProblem<float>(c).run(kernels, 2);
      for (const float x : got.dq) CHECK(x == 0);
      for (const float x : got.dk) CHECK(x == 0);
      for (const float x : got.d_bias) CHECK(x == 0);
    }
  }
}

TEST_CASE("attention gives the same bits on 1, 2 and 4 threads") {
  for (const AttentionCase& c : cases()) {
    CAPTURE(name_of(c));
    const AttentionProblem<float> problem(c);
    const auto one = problem.run(attention_kernels(isa()), 1);
    CHECK(one == problem.run(attention_kernels(isa()), 2));
    CHECK(one == problem.run(attention_kernels(isa()), 4));
  }
}

TEST_CASE("a sequence alone gives the same bits as in a batch") {
  for (const Isa isa : kernel_isas()) {
    const AttentionKernels& kernels = attention_kernels(isa);
    CAPTURE(kernels.name);
    const AttentionCase batch{
        .queries = {33, 129, 2}, .keys = {33, 129, 70}, .heads = 4, .kv_heads = 2, .causal = true};
    const AttentionProblem<float> problem(batch);
    const auto together = problem.run(kernels, 2);
    for (size_t s = 0; s < 3; ++s) {
      AttentionCase one = batch;
      one.queries = {batch.queries[s]};
      one.keys = {batch.keys[s]};
      AttentionProblem<float> alone(one);
      const int64_t q0 = problem.query_offsets[s], k0 = problem.key_offsets[s], n = one.queries[0],
                    m = one.keys[0];
      alone.q = rows_of(problem.q, problem.q_stride, q0, n);
      alone.q.push_back(problem.q[static_cast<size_t>((q0 + n) * problem.q_stride)]);
      alone.k = rows_of(problem.k, 32, k0, m);
      alone.v = rows_of(problem.v, 32, k0, m);
      alone.d_o = rows_of(problem.d_o, 67, q0, n);
      alone.d_o.push_back(problem.d_o[static_cast<size_t>((q0 + n) * 67)]);
      const auto result = alone.run(kernels, 1);
      CHECK(result.o == rows_of(together.o, 64, q0, n));
      CHECK(result.lse == rows_of(together.lse, 4, q0, n));
      CHECK(result.dq == rows_of(together.dq, 64, q0, n));
      CHECK(result.dk == rows_of(together.dk, 32, k0, m));
      CHECK(result.dv == rows_of(together.dv, 32, k0, m));
    }
  }
}

// Also cached keys against packed ones, and decoding one token at a time against the whole prompt.
TEST_CASE("decoding from cache blocks gives the same bits as the whole sequence") {
  for (const Isa isa : kernel_isas()) {
    const AttentionKernels& kernels = attention_kernels(isa);
    CAPTURE(kernels.name);
    for (const int64_t window : {-1, 20}) {
      const AttentionCase whole{.queries = {150},
                                .keys = {150},
                                .heads = 4,
                                .kv_heads = 2,
                                .causal = true,
                                .window_left = window,
                                .bias = true};
      const AttentionProblem<float> problem(whole);
      const auto expected = problem.run(kernels, 1, false);
      std::vector<float> k_cache(5 * 64 * 32, NAN), v_cache(5 * 64 * 32, NAN);
      const std::vector<int32_t> table{3, 1, 4};
      for (size_t j = 0; j < 150; ++j) {
        const size_t row = static_cast<size_t>(table[j / 64]) * 64 + j % 64;
        std::copy_n(&problem.k[j * 32], 32, &k_cache[row * 32]);
        std::copy_n(&problem.v[j * 32], 32, &v_cache[row * 32]);
      }
      for (const int32_t length : {1, 64, 65, 150}) {
        for (const int32_t count : {1, 60}) {
          if (count > length) continue;
          const int32_t first = length - count;
          Attention<float> call = problem.call();
          const std::vector<int32_t> offsets{0, count}, lengths{length};
          std::vector<int32_t> left = table;
          if (window >= 0 && first - window >= 64) left[0] = -1;  // a dropped block
          std::vector<float> o(static_cast<size_t>(count) * 64);
          call.query_offsets = offsets.data();
          call.key_offsets = nullptr;
          call.lengths = lengths.data();
          call.block_table = left.data();
          call.max_blocks = 3;
          call.q += first * call.q_stride;
          call.k = k_cache.data();
          call.v = v_cache.data();
          call.o = o.data();
          call.o_stride = 64;
          ThreadPool pool(2);
          AlignedBytes scratch(attention_scratch(kernels, call, count, 2));
          attention_forward(kernels, call, pool, scratch.data());
          if (isa == Isa::Scalar) {
            CHECK(difference(o, {expected.o.begin() + first * 64, expected.o.begin() + length * 64}) < 1e-6);
          } else {
            CHECK(o == rows_of(expected.o, 64, first, count));
          }
        }
      }
    }
  }
}

TEST_CASE("workspace of 8,192 causal tokens is linear and small") {
  Attention<float> call;
  call.sequences = 1;
  call.heads = call.kv_heads = 12;
  call.head_dim = call.value_dim = 64;
  const AttentionKernels& kernels = attention_kernels(isa());
  const size_t forward = attention_scratch(kernels, call, 8192, 2),
               half = attention_scratch(kernels, call, 4096, 2);
  CHECK(forward < 1 << 20);
  CHECK(forward <= 2 * half);
  const size_t backward = attention_gradient_scratch(kernels, call, 8192, 8192, false, 2);
  CHECK(backward < 2 << 20);
  CHECK(backward <= 2 * attention_gradient_scratch(kernels, call, 4096, 4096, false, 2));
}

}  // namespace tiny
