#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "graph/node.h"
#include "ops/attributes.h"
#include "ops/registry.h"

namespace tiny {

// The table of ops from which op_cases_test.cc generates, for every row:
//  - gradients against central finite differences of a random projection of the outputs, in float64;
//  - outputs and gradients in float32 on isa() against float64, at sizes 0, 1, odd and beyond a tile;
//  - the same bits with one and with three threads, and for the first rows alone as in the whole;
//  - the same answer for inputs that are slices of columns.
// The test runner repeats all of it once per TINY_ISA.

// Draws sizes and inputs of one trial. The same seed draws the same values (representable in float32)
// whatever the dtype, so that a float32 and a float64 run see one problem.
class Draw {
 public:
  enum class Purpose { Gradient, Comparison };
  Draw(DType floating, Purpose purpose, uint64_t seed, int trial);

  DType dtype() const { return floating_; }
  Purpose purpose() const { return purpose_; }

  // A size. Gradient checks: 1 to `small`. Comparisons: 1 in the first trial, `large` in the second,
  // afterwards odd ones up to `large`; choose `large` a little beyond two tiles.
  int64_t size(int64_t small, int64_t large);
  // The same for a size that may be 0: it is in the third trial of comparisons.
  int64_t rows(int64_t small = 3, int64_t large = 37);
  static constexpr int kTrials = 6;  // of comparisons

  int64_t below(int64_t bound);  // uniform in [0, bound)
  double uniform(double low, double high);
  double normal();

  // Tensors made from data, of dtype() or int32.
  Value normals(const Shape& shape, double scale = 1);
  Value uniforms(const Shape& shape, double low, double high);
  Value integers(const Shape& shape, int64_t low, int64_t high);  // in [low, high)
  Value numbers(const Shape& shape, const std::vector<double>& values);
  Value integers(const Shape& shape, const std::vector<int32_t>& values);
  // Rising offsets [sequences + 1] from 0 to `total`; sequences may be empty.
  Value offsets(int64_t sequences, int64_t total);

 private:
  uint64_t next();
  DType floating_;
  Purpose purpose_;
  uint64_t state_;
  int trial_;
};

struct OpInstance {
  std::vector<Value> inputs;  // tensors made by Draw; empty values for absent inputs
  // The op's outputs, through apply(); called again with perturbed, sliced or fewer-rowed inputs.
  std::function<std::vector<Value>(std::span<const Value>)> build;
};

struct OpCase {
  const char* name;
  OpInstance (*make)(Draw& draw);
  std::vector<size_t> differentiable = {};  // inputs whose gradients are checked, where present
  std::vector<size_t> rowwise =
      {};  // inputs whose rows stand for themselves: the first ones alone give the same
  std::vector<size_t> strided = {};  // inputs that may be slices of columns
  // Largest error, relative to the largest magnitude of the tensor compared (at least 1).
  double tolerance = 2e-6;           // float32 against float64
  double gradient_tolerance = 1e-7;  // gradients against finite differences, both in float64
};

// One list per family, in ops/<family>_cases.cc, collected in op_cases.cc.
std::span<const OpCase> attention_cases();
std::span<const OpCase> cast_cases();
std::span<const OpCase> elementwise_cases();
std::span<const OpCase> expert_cases();
std::span<const OpCase> gather_cases();
std::span<const OpCase> linear_cross_entropy_cases();
std::span<const OpCase> matmul_cases();
std::span<const OpCase> norm_cases();
std::span<const OpCase> random_cases();
std::span<const OpCase> reduce_cases();
std::span<const OpCase> rope_cases();
std::span<const OpCase> score_edit_cases();
std::span<const OpCase> shape_cases();
std::span<const OpCase> softmax_cases();
std::span<const OpCase> state_space_cases();
std::span<const OpCase> top_k_cases();

std::vector<OpCase> all_op_cases();

// Attributes in one expression: op_attributes({{"eps", 1e-5}}).
Attributes op_attributes(std::initializer_list<std::pair<const char*, Attributes::Item>> items);

// The numbers of an evaluated value as float64, whatever its dtype.
std::vector<double> numbers_of(const Value& value);

}  // namespace tiny
