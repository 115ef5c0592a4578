#include "ops/experts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/reference.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/expert_rows.h"
#include "ops/packed_weight.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

enum Input : size_t { kX, kOffsets, kBias, kWeights };

// One matrix of a stack, or all of a matrix that is one expert's.
Matrix matrix_of(const View& weight, bool stacked, int64_t expert, bool transposed) {
  const int64_t rows = stacked ? weight.dims[1] : 0;
  return {weight.as<char>() + expert * rows * weight.row_stride * static_cast<int64_t>(size_of(weight.dtype)),
          weight.dtype, weight.row_stride, transposed};
}

// Gradients of all weights: dW_e = dy_eᵀ x_e, sums over the rows of an expert.
class ExpertWeightGradient final : public Primitive {
 public:
  // `stacked`: one output [E, M, N], else E of [M, N]. Inputs are a [R, M], b [R, N] and the offsets.
  ExpertWeightGradient(bool bf16, bool stacked) : bf16_(bf16), stacked_(stacked) {}
  const char* name() const override { return "expertWeightGradient"; }

  size_t scratch(const Extent& extent) const override {
    return multiply_scratch_most(product(extent.inputs[0], extent.inputs[1], 0, extent.inputs[0].rows()),
                                 extent.threads);
  }

  void forward(Run& run) const override {
    const View &a = run.input(0), &b = run.input(1), &offsets = run.input(2);
    check_offsets(name(), "offsets", offsets, a.rows());
    const int32_t* at = offsets.as<int32_t>();
    const int64_t size = a.width() * b.width() * static_cast<int64_t>(size_of(a.dtype));
    for (int64_t e = 0; e + 1 < offsets.size(); ++e) {
      const size_t output = stacked_ ? 0 : static_cast<size_t>(e);
      if (!run.wanted(output)) continue;
      char* to = run.output(output).as<char>() + (stacked_ ? e * size : 0);
      if (at[e] == at[e + 1]) {
        fill_zeros(run.pool(), to, size);
        continue;
      }
      Product p = product(a, b, at[e], at[e + 1]);
      p.c = to;
      multiply(p, run.scratch(), run.pool());
    }
  }

 private:
  // Of rows [begin, end).
  Product product(const View& a, const View& b, int64_t begin, int64_t end) const {
    const auto rows = [begin](const View& x, bool transposed) {
      return Matrix{x.as<char>() + begin * x.row_stride * static_cast<int64_t>(size_of(x.dtype)), x.dtype,
                    x.row_stride, transposed};
    };
    Product p;
    p.m = a.width();
    p.n = b.width();
    p.k = end - begin;
    p.a = rows(a, true);
    p.b = rows(b, false);
    p.bf16 = bf16_;
    p.c_dtype = a.dtype;
    p.c_stride = p.n;
    return p;
  }

  const bool bf16_, stacked_;
};

class ExpertMatmul final : public Primitive {
 public:
  ExpertMatmul(const ExpertMatmulOptions& options, int64_t experts, bool stacked)
      : options_(options), experts_(experts), stacked_(stacked) {}
  const char* name() const override { return "expertMatmul"; }

  void prepare(const Extent& extent, ThreadPool& pool) const override {
    if (options_.derived || blas::active()) return;
    for (size_t i = kWeights; i < extent.inputs.size(); ++i) {
      pack_weight(extent.variables[i], extent.inputs[i], options_.transpose_b, options_.bf16, pool,
                  stacked_ ? experts_ : 1);
    }
  }

  size_t scratch(const Extent& extent) const override {
    const View &x = extent.inputs[kX], &y = extent.outputs[0];
    Product largest = product(x, extent.inputs[kWeights], y, 0);
    largest.m = x.rows();
    return converted_bias(extent.inputs[kBias]) + multiply_scratch_most(largest, extent.threads);
  }

  void forward(Run& run) const override {
    const View &x = run.input(kX), &offsets = run.input(kOffsets), &bias = run.input(kBias),
               &y = run.output(0);
    check_offsets(name(), "offsets", offsets, x.rows());
    const int32_t* at = offsets.as<int32_t>();
    char* scratch = static_cast<char*>(run.scratch());
    const size_t converted = converted_bias(bias);
    const int64_t size = static_cast<int64_t>(size_of(y.dtype));
    for (int64_t e = 0; e < experts_; ++e) {
      if (at[e] == at[e + 1]) continue;
      const size_t input = kWeights + (stacked_ ? 0 : static_cast<size_t>(e));
      const View& weight = run.input(input);
      Product p = product(x, weight, y, e);
      p.m = at[e + 1] - at[e];
      p.a.data = x.as<char>() + at[e] * x.row_stride * size;
      p.c = y.as<char>() + at[e] * p.n * size;
      if (converted > 0) {
        float* row = reinterpret_cast<float*>(scratch);
        for (int64_t j = 0; j < p.n; ++j)
          row[j] = element<float>(bias.data, bias.dtype, e * bias.row_stride + j);
        p.bias = row;
      } else if (bias.data != nullptr) {
        p.bias = bias.as<char>() + e * bias.row_stride * size;
      }
      p.packed = packed_weight(run.variable(input), weight, options_.transpose_b, options_.bf16,
                               stacked_ ? experts_ : 1, stacked_ ? e : 0);
      multiply(p, scratch + converted, run.pool());
    }
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &dy = context.gradients[0], x = context.input(kX), offsets = context.input(kOffsets);
    const std::vector<Value>& inputs = context.node->inputs;
    const std::span<const Value> weights = std::span(inputs).subspan(kWeights);
    std::vector<Value> flowing(inputs.size());
    if (context.wants[kX]) {
      ExpertMatmulOptions options = options_;
      options.transpose_b = !options_.transpose_b;
      options.derived = true;
      flowing[kX] = expert_matmul(dy, offsets, weights, {}, options);
    }
    if (context.wants[kBias]) flowing[kBias] = sum_by_expert(dy, offsets);
    bool wanted = false;
    for (size_t i = 0; i < weights.size(); ++i) wanted = wanted || context.wants[kWeights + i];
    if (!wanted) return flowing;
    std::vector<Type> types;
    for (const Value& weight : weights) types.emplace_back(dy.dtype(), weight.shape());
    const auto found =
        make_node(std::make_unique<ExpertWeightGradient>(options_.bf16, stacked_),
                  {options_.transpose_b ? dy : x, options_.transpose_b ? x : dy, offsets}, std::move(types));
    for (size_t i = 0; i < weights.size(); ++i) {
      if (context.wants[kWeights + i]) flowing[kWeights + i] = found[i];
    }
    return flowing;
  }

 private:
  // Bytes of one expert's bias as float32, where it is stored in half of that.
  static size_t converted_bias(const View& bias) {
    return size_of(bias.dtype) == 2 ? align_up(static_cast<size_t>(bias.width()) * sizeof(float)) : 0;
  }

  Product product(const View& x, const View& weight, const View& y, int64_t expert) const {
    Product p;
    p.k = x.width();
    p.n = y.width();
    p.a = {x.data, x.dtype, x.row_stride, false};
    p.b = matrix_of(weight, stacked_, expert, options_.transpose_b);
    p.bf16 = options_.bf16;
    p.c_dtype = y.dtype;
    p.c_stride = p.n;
    return p;
  }

  const ExpertMatmulOptions options_;
  const int64_t experts_;
  const bool stacked_;
};

[[noreturn]] void refuse_dtype(const std::string& what) {
  throw Error(ErrorCode::DType, "expertMatmul", what);
}

void check_dtypes(const Value& x, std::span<const Value> weights, const Value& bias, bool bf16) {
  const auto name = [](const Value& value) { return std::string(name_of(value.dtype())); };
  require_float("expertMatmul", x.dtype());
  const DType w = weights[0].dtype();
  const bool exact = x.dtype() == DType::Float64;
  if (exact && bf16) {
    throw Error(ErrorCode::Option, "expertMatmul", "precision bfloat16 is not for float64 operands");
  }
  if (exact ? w != DType::Float64 : w != DType::Float32 && w != DType::BFloat16 && w != DType::Float16) {
    refuse_dtype("rows of " + name(x) + " are not multiplied with weights of " + name(weights[0]));
  }
  for (size_t e = 1; e < weights.size(); ++e) {
    if (weights[e].dtype() == w) continue;
    refuse_dtype("weights have one dtype: that of expert 0 is " + name(weights[0]) + ", that of expert " +
                 std::to_string(e) + " " + name(weights[e]));
  }
  if (bias && bias.dtype() != x.dtype() && (exact || bias.dtype() != w)) {
    refuse_dtype("bias must be " + name(x) + " or " + name(weights[0]) + ", not " + name(bias));
  }
}

std::vector<Value> build_expert_matmul(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, kBias, inputs.size());
  if (inputs.size() <= kWeights) throw Error(ErrorCode::Option, "", "takes at least one weight");
  for (size_t i = kWeights; i < inputs.size(); ++i) {
    if (!inputs[i])
      throw Error(ErrorCode::Option, "",
                  "the weight of expert " + std::to_string(i - kWeights) + " is missing");
  }
  ExpertMatmulOptions options;
  options.transpose_b = attributes.flag("transposeB", false);
  const std::string precision = attributes.text("precision", "float32");
  if (precision != "float32" && precision != "bfloat16") {
    throw Error(ErrorCode::Option, "", "precision '" + precision + "' is neither float32 nor bfloat16");
  }
  options.bf16 = precision == "bfloat16";
  return {expert_matmul(inputs[kX], inputs[kOffsets], inputs.subspan(kWeights), inputs[kBias], options)};
}

}  // namespace

Value expert_matmul(const Value& x, const Value& offsets, std::span<const Value> weights, const Value& bias,
                    const ExpertMatmulOptions& options) {
  const char* op = "expertMatmul";
  check_dtypes(x, weights, bias, options.bf16);
  require_offsets(op, offsets);
  const Shape& first = weights[0].shape();
  const bool stacked = weights.size() == 1 && first.size() == 3;
  const auto wrong = [&](const std::string& what) {
    return Error(ErrorCode::Shape, op, what,
                 {{"x", str(x.shape())}, {"offsets", str(offsets.shape())}, {"weight", str(first)}});
  };
  if (x.shape().size() != 2) throw wrong("takes rows [rows, width], not " + str(x.shape()));
  if (!stacked && first.size() != 2) {
    throw wrong("takes a matrix for each expert or one stack of them, not weights " + str(first));
  }
  const Dim experts = stacked ? first[0] : Dim(static_cast<int64_t>(weights.size()));
  if (!experts.is_constant() || !(sequences_of(offsets) == experts)) {
    throw wrong("offsets " + str(offsets.shape()) + " are not those of " + experts.str() + " experts");
  }
  for (size_t e = 1; e < weights.size(); ++e) {
    if (weights[e].shape() == first) continue;
    throw wrong("the weight of expert " + std::to_string(e) + " is " + str(weights[e].shape()) +
                ", that of expert 0 " + str(first));
  }
  const Dim &rows = first[first.size() - 2], &width = first.back();
  const Dim n = options.transpose_b ? rows : width;
  if (!(x.shape()[1] == (options.transpose_b ? width : rows))) {
    throw wrong("rows " + str(x.shape()) + " cannot be multiplied with weights " + str(first) +
                (options.transpose_b ? " (transposed)" : "") + ": the inner sizes differ");
  }
  if (bias && bias.shape() != Shape{experts, n}) {
    throw wrong("bias must be " + str(Shape{experts, n}) + ", not " + str(bias.shape()));
  }
  std::vector<Value> inputs{x, offsets, bias};
  inputs.insert(inputs.end(), weights.begin(), weights.end());
  return make_value(std::make_unique<ExpertMatmul>(options, experts.value(), stacked), std::move(inputs),
                    Type(x.dtype(), {x.shape()[0], n}));
}

std::span<const OpEntry> expert_ops() {
  static constexpr OpEntry entries[] = {{"expertMatmul", build_expert_matmul}};
  return entries;
}

}  // namespace tiny
