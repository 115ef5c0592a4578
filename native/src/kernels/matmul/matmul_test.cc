#include "kernels/matmul/matmul.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include "base/error.h"
#include "kernels/matmul/blas.h"
#include "kernels/matmul/reference.h"

namespace tiny {

namespace {

// A small generator with the same numbers everywhere.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}
  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ >> 8;
  }
  int64_t below(int64_t bound) { return static_cast<int64_t>(next() % static_cast<uint64_t>(bound)); }
  float uniform() { return static_cast<float>(next() % 4096) / 2048.0f - 1.0f; }
  int64_t one_of(std::initializer_list<int64_t> choices) {
    return choices.begin()[below(static_cast<int64_t>(choices.size()))];
  }

 private:
  uint64_t state_;
};

// A matrix with gaps of NaN between its rows: what is read beyond a row shows in the result.
struct Stored {
  std::vector<char> bytes;
  Matrix matrix;
  Stored(int64_t rows, int64_t columns, DType dtype, bool transposed, Numbers& numbers) {
    const int64_t stride = columns + numbers.below(4);
    bytes.resize(static_cast<size_t>(rows * stride + 1) * size_of(dtype));
    for (int64_t i = 0; i < rows * stride; ++i) {
      const float x = i % stride < columns ? numbers.uniform() : std::numeric_limits<float>::quiet_NaN();
      if (dtype == DType::Float32) std::memcpy(bytes.data() + i * 4, &x, 4);
      if (dtype == DType::BFloat16) {
        const uint16_t half = float_as_bf16(x);
        std::memcpy(bytes.data() + i * 2, &half, 2);
      }
      if (dtype == DType::Float16) {  // multiples of 1/16 between 1 and 2, with a sign
        const uint16_t half = static_cast<uint16_t>(
            i % stride < columns ? 0x3c00 | numbers.below(16) << 6 | numbers.below(2) << 15 : 0x7e00);
        std::memcpy(bytes.data() + i * 2, &half, 2);
      }
    }
    matrix = {bytes.data(), dtype, stride, transposed};
  }
};

struct Problem {
  Product product;
  Stored a, b;
  std::vector<float> bias, residual, c, pre;
  std::vector<uint16_t> halves;

  Problem(int64_t m, int64_t n, int64_t k, bool ta, bool tb, DType a_dtype, DType b_dtype, Numbers& numbers)
      : a(ta ? k : m, ta ? m : k, a_dtype, ta, numbers), b(tb ? n : k, tb ? k : n, b_dtype, tb, numbers) {
    product.m = m;
    product.n = n;
    product.k = k;
    product.a = a.matrix;
    product.b = b.matrix;
    product.c_stride = n + numbers.below(3);
    c.assign(static_cast<size_t>(m * product.c_stride), -777.0f);
    product.c = c.data();
  }
  void add_epilogue(Activation activation, Numbers& numbers) {
    product.activation = activation;
    product.alpha = 0.5;
    for (int64_t i = 0; i < product.n; ++i) bias.push_back(numbers.uniform());
    product.residual_stride = product.n + 1;
    for (int64_t i = 0; i < product.m * product.residual_stride; ++i) residual.push_back(numbers.uniform());
    pre.assign(static_cast<size_t>(product.m * product.n), 0.0f);
    product.bias = bias.data();
    product.residual = residual.data();
    product.pre = pre.data();
  }
};

void run(const Product& product, ThreadPool& pool, const MatmulKernels& kernels) {
  std::vector<char> scratch(multiply_scratch(product, pool.size(), kernels) + 64);
  const auto at = (reinterpret_cast<uintptr_t>(scratch.data()) + 63) & ~uintptr_t{63};
  multiply(product, reinterpret_cast<void*>(at), pool, kernels);
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

// Largest error relative to what rounding may do to sums of k products of magnitude at most 1 (2 for
// float16).
void check_against_reference(const Problem& problem, const std::string& what) {
  const Product& p = problem.product;
  std::vector<float> expected(problem.c.size(), -777.0f), pre(problem.pre.size());
  Product oracle = p;
  oracle.c = expected.data();
  if (p.pre != nullptr) oracle.pre = pre.data();
  multiply_reference<double>(oracle, 0, p.m);
  const double bound = 1.5e-6 * (4 + std::sqrt(static_cast<double>(p.k)));
  double worst = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double error = std::fabs(static_cast<double>(problem.c[i]) - expected[i]);
    worst = std::fmax(worst, std::isnan(error) ? INFINITY : error);
  }
  for (size_t i = 0; i < pre.size(); ++i)
    worst = std::fmax(worst, std::fabs(static_cast<double>(problem.pre[i]) - pre[i]));
  CHECK_MESSAGE(worst <= bound, what << " is off by " << worst << " of " << bound);
}

constexpr std::initializer_list<int64_t> kRowsAtEdges{1, 2, 4, 5, 6, 7, 11, 12, 13, 14, 15, 25, 29};
constexpr std::initializer_list<int64_t> kColumnsAtEdges{1, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65};
constexpr std::initializer_list<int64_t> kDepthsAtEdges{0, 1, 2, 3, 8, 15, 16, 17, 33, 64, 511, 513, 1027};

}  // namespace

TEST_CASE("products of every layout, dtype and size agree with the float64 reference on each ISA") {
  ThreadPool pool(2);
  for (const Isa isa : usable_isas()) {
    const MatmulKernels& kernels = matmul_kernels(isa);
    Numbers numbers(7);
    for (int trial = 0; trial < 70; ++trial) {
      const int64_t m = numbers.one_of(kRowsAtEdges), n = numbers.one_of(kColumnsAtEdges),
                    k = numbers.one_of(kDepthsAtEdges);
      const bool ta = trial & 1, tb = trial & 2, epilogue = trial & 4, packed = trial & 8;
      const DType a_dtype = numbers.below(4) == 0 ? DType::BFloat16 : DType::Float32;
      const DType b_dtype = trial % 5 == 0   ? DType::BFloat16
                            : trial % 5 == 1 ? DType::Float16
                                             : DType::Float32;
      Problem problem(m, n, k, ta, tb, a_dtype, b_dtype, numbers);
      problem.product.bf16 = numbers.below(3) == 0;
      if (epilogue) problem.add_epilogue(static_cast<Activation>(numbers.below(6)), numbers);
      const auto panels = PackedMatrix::pack(problem.product.b, n, k, problem.product.bf16, pool, kernels);
      if (packed) problem.product.packed = panels.get();
      run(problem.product, pool, kernels);
      check_against_reference(problem, std::string(name_of(isa)) + " trial " + std::to_string(trial) + ": " +
                                           std::to_string(m) + "x" + std::to_string(n) + "x" +
                                           std::to_string(k));
    }
  }
}

TEST_CASE(
    "an element has the same bits alone, among many rows, packed or not, and with any number of threads") {
  ThreadPool one(1), two(2), four(4);
  for (const Isa isa : usable_isas()) {
    const MatmulKernels& kernels = matmul_kernels(isa);
    for (int trial = 0; trial < 4; ++trial) {
      const bool bf16 = trial & 1, transposed = trial & 2;
      Numbers numbers(11);
      // Enough for several units, parts and chunks of k.
      const int64_t m = 301, n = 67, k = 1300;
      Problem problem(m, n, k, false, transposed, DType::Float32, bf16 ? DType::BFloat16 : DType::Float32,
                      numbers);
      problem.product.bf16 = bf16;
      problem.add_epilogue(Activation::Gelu, numbers);
      problem.product.pre = nullptr;
      run(problem.product, one, kernels);
      const std::vector<float> expected = problem.c;
      for (ThreadPool* pool : {&two, &four}) {
        std::fill(problem.c.begin(), problem.c.end(), -777.0f);
        run(problem.product, *pool, kernels);
        CHECK(same_bits(problem.c, expected));
      }
      const auto packed = PackedMatrix::pack(problem.product.b, n, k, bf16, two, kernels);
      problem.product.packed = packed.get();
      std::fill(problem.c.begin(), problem.c.end(), -777.0f);
      run(problem.product, two, kernels);
      CHECK(same_bits(problem.c, expected));

      for (const int64_t count : {1, 2, 3, 5, 17}) {
        for (const bool use_packed : {false, true}) {
          const int64_t row = 100;
          Product rows = problem.product;
          rows.packed = use_packed ? packed.get() : nullptr;
          rows.m = count;
          rows.a.data = static_cast<const float*>(rows.a.data) + row * rows.a.stride;
          rows.residual = problem.residual.data() + row * rows.residual_stride;
          std::vector<float> c(static_cast<size_t>(count * rows.c_stride), -777.0f);
          rows.c = c.data();
          run(rows, two, kernels);
          const auto from = expected.begin() + row * rows.c_stride;
          CHECK(same_bits(c, {from, from + count * rows.c_stride}));
        }
      }
    }
  }
}

TEST_CASE("threads that pack for each other and finish each other's work compute what one computes") {
  ThreadPool one(1), three(3), five(5);
  const MatmulKernels& kernels = matmul_kernels();
  // Few rows, which each thread packs for itself, and many, which they share; c as the sums are, and turned
  // to bfloat16.
  for (const int64_t m : {29, 301}) {
    for (const bool bf16 : {false, true}) {
      Numbers numbers(12);
      const DType dtype = bf16 ? DType::BFloat16 : DType::Float32;
      Problem problem(m, 512, 70, false, false, dtype, dtype, numbers);
      problem.product.bf16 = bf16;
      problem.product.c_dtype = dtype;
      run(problem.product, one, kernels);
      const std::vector<float> expected = problem.c;
      for (int trial = 0; trial < 20; ++trial) {
        for (ThreadPool* pool : {&three, &five}) {
          std::fill(problem.c.begin(), problem.c.end(), -777.0f);
          run(problem.product, *pool, kernels);
          REQUIRE(std::memcmp(problem.c.data(), expected.data(),
                              static_cast<size_t>(m * 512) * size_of(dtype)) == 0);
        }
      }
    }
  }
}

TEST_CASE("sums longer than one pass over k are carried on, in c or beside it") {
  ThreadPool pool(2);
  for (const Isa isa : usable_isas()) {
    for (const bool epilogue : {false, true}) {
      Numbers numbers(13);
      Problem problem(17, 35, 8200, epilogue, true, DType::Float32, DType::Float32, numbers);
      if (epilogue) problem.add_epilogue(Activation::None, numbers);
      run(problem.product, pool, matmul_kernels(isa));
      check_against_reference(problem, std::string(name_of(isa)));
    }
  }
}

TEST_CASE("the residual may be the output itself, and the output may be bfloat16") {
  ThreadPool pool(2);
  for (const Isa isa : usable_isas()) {
    Numbers numbers(17);
    Problem problem(19, 37, 5000, false, false, DType::Float32, DType::Float32, numbers);
    problem.product.c_stride = problem.product.n;
    run(problem.product, pool, matmul_kernels(isa));
    const std::vector<float> once(problem.c.begin(), problem.c.begin() + 19 * 37);
    problem.product.residual = problem.c.data();
    problem.product.residual_stride = problem.product.n;
    run(problem.product, pool, matmul_kernels(isa));
    bool doubled = true;
    for (size_t i = 0; i < once.size(); ++i) doubled = doubled && problem.c[i] == once[i] + once[i];
    CHECK(doubled);

    std::vector<uint16_t> halves(once.size());
    problem.product.residual = nullptr;
    problem.product.residual_stride = 0;
    problem.product.c = halves.data();
    problem.product.c_dtype = DType::BFloat16;
    run(problem.product, pool, matmul_kernels(isa));
    bool rounded = true;
    for (size_t i = 0; i < once.size(); ++i) rounded = rounded && halves[i] == float_as_bf16(once[i]);
    CHECK(rounded);
  }
}

TEST_CASE("a CBLAS computes large products with the same epilogues, when one is switched on") {
  CHECK_THROWS_AS(blas::use("libthere-is-none.so"), Error);
  const char* libraries[] = {"libopenblas.so.0", "libblas.so.3"};
  for (const char* library : libraries) {
    try {
      blas::use(library);
      break;
    } catch (const Error&) {
    }
  }
  if (!blas::active()) {
    MESSAGE("no CBLAS found: install libopenblas0-pthread");
    return;
  }
  ThreadPool pool(2);
  for (int trial = 0; trial < 6; ++trial) {
    Numbers numbers(19);
    Problem problem(70, 257, 300, trial & 1, trial & 2, DType::Float32, DType::Float32, numbers);
    if (trial >= 2) problem.add_epilogue(trial == 5 ? Activation::None : Activation::Gelu, numbers);
    REQUIRE(blas::takes(problem.product));
    if (trial == 5) {  // over the residual
      problem.product.pre = nullptr;
      problem.pre.clear();
      const std::vector<float> before = problem.residual;
      problem.product.c = problem.residual.data();
      problem.product.c_stride = problem.product.residual_stride;
      run(problem.product, pool, matmul_kernels());
      problem.c = problem.residual;
      problem.residual = before;
      problem.product.residual = problem.residual.data();
      for (int64_t i = problem.product.n; i < static_cast<int64_t>(problem.c.size());
           i += problem.product.c_stride) {
        problem.c[static_cast<size_t>(i)] = -777.0f;
      }
    } else {
      run(problem.product, pool, matmul_kernels());
    }
    check_against_reference(problem, "CBLAS trial " + std::to_string(trial));
  }
  blas::off();
  CHECK(!blas::active());
}

}  // namespace tiny
