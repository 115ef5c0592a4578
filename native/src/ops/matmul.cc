#include "ops/matmul.h"

#include <cmath>
#include <string>
#include <utility>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/matmul.h"
#include "kernels/matmul/reference.h"
#include "ops/arity.h"
#include "ops/packed_weight.h"
#include "ops/reduce.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace tiny {

namespace {

struct ActivationName {
  Activation activation;
  const char* attribute;
  const char* op;  // whose gradient is the activation's
};
constexpr ActivationName kActivations[] = {
    {Activation::None, "none", nullptr},
    {Activation::Gelu, "gelu", "gelu"},
    {Activation::GeluTanh, "gelu_tanh", "geluTanh"},
    {Activation::Relu, "relu", "relu"},
    {Activation::Silu, "silu", "silu"},
    {Activation::Tanh, "tanh", "tanh"},
};

enum Input : size_t { kA, kB, kBias, kResidual };

class Matmul final : public Primitive {
 public:
  Matmul(const MatmulOptions& options, bool bf16, bool residual)
      : options_(options), bf16_(bf16), residual_(residual) {}
  const char* name() const override { return "matmul"; }

  void prepare(const Extent& extent, ThreadPool& pool) const override {
    if (options_.derived || blas::active()) return;
    pack_weight(extent.variables[kB], extent.inputs[kB], options_.transpose_b, bf16_, pool);
  }

  bool reads(const Extent& extent, size_t input) const override {
    return input != kB || blas::active() || packed(extent.variables[kB], extent.inputs[kB]) == nullptr;
  }

  size_t scratch(const Extent& extent) const override {
    const Product p = product(extent.inputs, extent.outputs, false);
    const size_t unwanted = extent.wanted[0] ? 0 : align_up(extent.outputs[0].bytes());
    return converted_bias(extent.inputs) + unwanted + multiply_scratch(p, extent.threads);
  }

  void forward(Run& run) const override {
    const View views[] = {run.input(kA), run.input(kB), run.input(kBias), run.input(kResidual)};
    // There is a second output only with an activation.
    const bool pre = options_.activation != Activation::None && run.wanted(1);
    const View outputs[] = {run.output(0), pre ? run.output(1) : View{}};
    Product p = product(views, outputs, true);
    char* scratch = static_cast<char*>(run.scratch());
    if (const size_t bytes = converted_bias(views)) {
      float* bias = reinterpret_cast<float*>(scratch);
      for (int64_t j = 0; j < p.n; ++j) bias[j] = element<float>(views[kBias].data, views[kBias].dtype, j);
      p.bias = bias;
      scratch += bytes;
    }
    // A gradient may want the activation's argument alone.
    if (!run.wanted(0)) {
      p.c = scratch;
      scratch += align_up(run.output(0).bytes());
    }
    (options_.derived ? p.packed_transpose : p.packed) = packed(run.variable(kB), views[kB]);
    multiply(p, scratch, run.pool());
  }

  // Writing the sum over the residual reads each of its elements just before.
  int reuse(size_t output) const override { return output == 0 ? int{kResidual} : -1; }

  // y = f(z) + r, z = alpha A B + b:  dA = alpha dz Bᵀ, dB = alpha Aᵀ dz
  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value a = context.input(kA), b = context.input(kB);
    const Value dy = context.gradients[0];
    Value dz = dy;
    if (options_.activation != Activation::None) {
      if (dy) dz = activation_gradient(context.output(1), dy);
      if (const Value& dpre = context.gradients[1]) dz = dz ? add(dz, dpre) : dpre;
    }
    std::vector<Value> flowing(4);
    if (context.wants[kA]) {
      if (!options_.transpose_a) {
        flowing[kA] = multiply_graph(dz, b, false, !options_.transpose_b);
      } else {
        flowing[kA] = reshape(multiply_graph(b, dz, options_.transpose_b, true), a.shape());
      }
    }
    if (context.wants[kB]) {
      flowing[kB] = options_.transpose_b ? multiply_graph(dz, a, true, options_.transpose_a)
                                         : multiply_graph(a, dz, !options_.transpose_a, false);
      if (b.shape().size() > 2) flowing[kB] = reshape(flowing[kB], b.shape());
    }
    if (context.wants[kBias]) flowing[kBias] = sum(dz, Axis::Rows);
    if (context.wants[kResidual]) flowing[kResidual] = dy;
    return flowing;
  }

 private:
  // The packed form of b; for a gradient, of its transpose, which the forward pass multiplies by.
  const PackedMatrix* packed(Variable* variable, const View& b) const {
    return packed_weight(variable, b, options_.transpose_b != options_.derived, bf16_);
  }

  Value multiply_graph(const Value& a, const Value& b, bool transpose_a, bool transpose_b) const {
    MatmulOptions options;
    options.transpose_a = transpose_a;
    options.transpose_b = transpose_b;
    options.alpha = options_.alpha;
    options.bf16 = bf16_;
    options.derived = true;
    options.dtype = a.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
    return matmul(a, b, options);
  }

  static Value add(const Value& a, const Value& b) {
    const Value inputs[] = {a, b};
    return apply("add", inputs, {})[0];
  }

  // The gradient of the activation's own op at z. That op's node is evaluated only if its gradient reads its
  // output.
  Value activation_gradient(const Value& z, const Value& dy) const {
    const Value inputs[] = {z};
    const Value y = apply(kActivations[static_cast<size_t>(options_.activation)].op, inputs, {})[0];
    const bool wants[] = {true};
    return y.node->primitive->gradient({y.node, {&dy, 1}, wants})[0];
  }

  // Bytes of the bias as float32, where it is stored in half of that.
  static size_t converted_bias(std::span<const View> inputs) {
    const View& bias = inputs[kBias];
    return size_of(bias.dtype) == 2 ? align_up(static_cast<size_t>(bias.size()) * sizeof(float)) : 0;
  }

  Product product(std::span<const View> inputs, std::span<const View> outputs, bool bound) const {
    const View &a = inputs[kA], &b = inputs[kB], &residual = inputs[kResidual];
    Product p;
    p.m = options_.transpose_a ? a.width() : a.rows();
    p.k = options_.transpose_a ? a.rows() : a.width();
    p.n = options_.transpose_b ? b.rows() : b.width();
    p.a = {a.data, a.dtype, a.dims.size() < 2 ? a.width() : a.row_stride, options_.transpose_a};
    p.b = {b.data, b.dtype, b.row_stride, options_.transpose_b};
    p.bf16 = bf16_;
    p.alpha = options_.alpha;
    p.activation = options_.activation;
    p.c_dtype = outputs[0].dtype;
    p.c_stride = p.n;
    if (residual_) p.residual_stride = residual.dims.size() < 2 ? p.n : residual.row_stride;
    if (!bound) return p;
    p.bias = inputs[kBias].data;
    p.residual = residual.data;
    p.c = outputs[0].data;
    if (outputs.size() > 1) p.pre = outputs[1].data;
    return p;
  }

  const MatmulOptions options_;
  const bool bf16_, residual_;
};

Error wrong_shapes(const Value& a, const Value& b, const MatmulOptions& options) {
  const auto operand = [](const char* name, const Value& x, bool transposed) {
    return std::string(name) + (transposed ? " (transposed) " : " ") + str(x.shape());
  };
  return Error(ErrorCode::Shape, "matmul",
               operand("a", a, options.transpose_a) + " cannot be multiplied with " +
                   operand("b", b, options.transpose_b) + ": the inner sizes differ",
               {{"a", str(a.shape())}, {"b", str(b.shape())}});
}

void check_dtypes(const Value& a, const Value& b, const Value& bias, const Value& residual, DType output,
                  bool bf16) {
  const auto refuse = [](const std::string& what) { throw Error(ErrorCode::DType, "matmul", what); };
  const auto name = [](DType dtype) { return std::string(name_of(dtype)); };
  const DType x = a.dtype(), w = b.dtype();
  if (x == DType::Float64 || w == DType::Float64 || output == DType::Float64) {
    if (x != w || x != output || (bias && bias.dtype() != x) || (residual && residual.dtype() != x)) {
      refuse("float64 is multiplied with float64 only, not " + name(x) + " with " + name(w));
    }
    if (bf16) throw Error(ErrorCode::Option, "matmul", "precision bfloat16 is not for float64 operands");
    return;
  }
  if (x != DType::Float32 && x != DType::BFloat16) refuse("a must be float32 or bfloat16, not " + name(x));
  if (w != DType::Float32 && w != DType::BFloat16 && w != DType::Float16) {
    refuse("b must be float32, bfloat16 or float16, not " + name(w));
  }
  if (output != DType::Float32 && output != DType::BFloat16) refuse("the output cannot be " + name(output));
  if (bias && bias.dtype() != DType::Float32 && (bias.dtype() != w || !is_floating(w))) {
    refuse("bias must be float32 or " + name(w) + ", not " + name(bias.dtype()));
  }
  if (residual && residual.dtype() != DType::Float32)
    refuse("residual must be float32, not " + name(residual.dtype()));
}

Activation activation_from(const std::string& attribute) {
  std::string names;
  for (const ActivationName& entry : kActivations) {
    if (attribute == entry.attribute) return entry.activation;
    names += (names.empty() ? "" : ", ") + std::string(entry.attribute);
  }
  throw Error(ErrorCode::Option, "matmul", "activation '" + attribute + "' is none of " + names);
}

std::vector<Value> build_matmul(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 2, 2);
  MatmulOptions options;
  options.transpose_a = attributes.flag("transposeA", false);
  options.transpose_b = attributes.flag("transposeB", false);
  options.activation = activation_from(attributes.text("activation", "none"));
  options.alpha = attributes.number("alpha", 1);
  if (attributes.has("precision")) {
    const std::string precision = attributes.text("precision");
    if (precision != "float32" && precision != "bfloat16") {
      throw Error(ErrorCode::Option, "matmul",
                  "precision '" + precision + "' is neither float32 nor bfloat16");
    }
    options.bf16 = precision == "bfloat16";
  }
  if (attributes.has("dtype")) options.dtype = dtype_from(attributes.text("dtype"));
  const auto optional = [&](size_t i) { return inputs.size() > i ? inputs[i] : Value{}; };
  return {matmul(inputs[kA], inputs[kB], options, optional(kBias), optional(kResidual))};
}

}  // namespace

Value matmul(const Value& a, const Value& b, const MatmulOptions& options, const Value& bias,
             const Value& residual) {
  const DType dtype = options.dtype.value_or(a.dtype());
  const bool bf16 = options.bf16.value_or(a.dtype() == DType::BFloat16);
  check_dtypes(a, b, bias, residual, dtype, bf16);
  if (a.shape().empty() || b.shape().size() < 2 || (options.transpose_a && a.shape().size() < 2)) {
    throw wrong_shapes(a, b, options);
  }
  const Dim k = options.transpose_a ? a.type().rows() : a.type().width();
  if (k != (options.transpose_b ? b.type().width() : b.type().rows())) throw wrong_shapes(a, b, options);
  const Dim n = options.transpose_b ? b.type().rows() : b.type().width();
  Shape shape{options.transpose_a ? a.type().width() : Dim(1), n};
  if (!options.transpose_a) {
    shape = a.shape();
    shape.back() = n;
  }
  const auto require = [&](const char* what, const Value& value, const Shape& expected) {
    if (!value || value.shape() == expected) return;
    throw Error(ErrorCode::Shape, "matmul",
                std::string(what) + " must be " + str(expected) + ", not " + str(value.shape()),
                {{"expected", str(expected)}, {"got", str(value.shape())}});
  };
  require("bias", bias, {n});
  require("residual", residual, shape);
  std::vector<Type> outputs{Type(dtype, shape)};
  // The activation's argument; it has memory only where a gradient reads it.
  if (options.activation != Activation::None) {
    outputs.emplace_back(dtype == DType::Float64 ? dtype : DType::Float32, shape);
  }
  return make_node(std::make_unique<Matmul>(options, bf16, static_cast<bool>(residual)),
                   {a, b, bias, residual}, std::move(outputs))[0];
}

std::span<const OpEntry> matmul_ops() {
  static constexpr OpEntry entries[] = {{"matmul", build_matmul}};
  return entries;
}

}  // namespace tiny
