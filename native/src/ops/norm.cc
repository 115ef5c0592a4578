#include "ops/norm.h"

#include <algorithm>
#include <string>
#include <utility>

#include "kernels/norm/norm.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/elementwise.h"
#include "ops/grain.h"
#include "ops/registry.h"

namespace tiny {

namespace {

struct NormOptions {
  bool centred = true;  // a layer norm; an RMS norm subtracts no mean
  double eps = 0;
  double weight_offset = 0;
};

// Sums of dweight and dbias run over chunks of rows, which depend on the number of rows alone: at most
// kChunks of them, whose sums are then added in order.
constexpr int64_t kChunkRows = 32;
constexpr int64_t kChunks = 64;

int64_t chunk_rows(int64_t rows) { return std::max(kChunkRows, (rows + kChunks - 1) / kChunks); }
int64_t chunk_count(int64_t rows) { return (rows + chunk_rows(rows) - 1) / chunk_rows(rows); }

template <typename T>
T* data_or_null(const Run& run, size_t input) {
  return run.has(input) ? run.input(input).as<T>() : nullptr;
}

template <typename T>
T* wanted_or_null(const Run& run, size_t output) {
  return run.wanted(output) ? run.output(output).as<T>() : nullptr;
}

// (dy?, dsum?, s, rstd, mean?, weight?) -> dx, dweight, dbias
class NormGradient final : public Primitive {
 public:
  explicit NormGradient(NormOptions options) : options_(options) {}
  const char* name() const override { return options_.centred ? "layerNormGradient" : "rmsNormGradient"; }
  int reuse(size_t output) const override { return output == 0 ? 0 : -1; }

  size_t scratch(const Extent& extent) const override {
    const View& s = extent.inputs[2];
    if (!extent.wanted[1] && !extent.wanted[2]) return 0;
    return static_cast<size_t>(2 * chunk_count(s.rows()) * s.width()) * size_of(s.dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(2).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View &dy = run.input(0), &s = run.input(2);
    const int64_t rows = s.rows(), width = s.width();
    NormBackward<T> norm;
    norm.width = width;
    norm.dy = dy.as<T>();
    norm.dy_stride = dy.row_stride;
    norm.s = s.as<T>();
    norm.s_stride = s.row_stride;
    norm.rstd = run.input(3).as<T>();
    norm.mean = data_or_null<T>(run, 4);
    norm.weight = data_or_null<T>(run, 5);
    norm.weight_offset = static_cast<T>(options_.weight_offset);
    norm.dsum = data_or_null<T>(run, 1);
    norm.dsum_stride = norm.dsum == nullptr ? 0 : run.input(1).row_stride;
    norm.dx = wanted_or_null<T>(run, 0);
    const auto& table = norm_table<T>();
    const auto kernel = options_.centred ? table.layer_norm_backward : table.rms_norm_backward;
    if (!run.wanted(1) && !run.wanted(2)) {
      run.pool().ranges(rows, grain_of(width),
                        [&](int64_t begin, int64_t end) { kernel(norm, begin, end, nullptr, nullptr); });
      return;
    }
    const int64_t chunks = chunk_count(rows), step = chunk_rows(rows);
    T* partial[2];
    for (size_t i = 0; i < 2; ++i) {
      partial[i] = run.wanted(i + 1)
                       ? static_cast<T*>(run.scratch()) + static_cast<int64_t>(i) * chunks * width
                       : nullptr;
    }
    run.pool().ranges(chunks, grain_of(step * width), [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const auto at = [&](T* sums) { return sums == nullptr ? nullptr : sums + chunk * width; };
        kernel(norm, chunk * step, std::min(rows, (chunk + 1) * step), at(partial[0]), at(partial[1]));
      }
    });
    for (size_t i = 0; i < 2; ++i) {
      if (run.wanted(i + 1)) table.add_chunks(partial[i], chunks, width, run.output(i + 1).as<T>());
    }
  }

  NormOptions options_;
};

// (x, weight?, bias?, residual?) -> y, sum, mean, rstd; the last two are for the gradient.
class Norm final : public Primitive {
 public:
  explicit Norm(NormOptions options) : options_(options) {}
  const char* name() const override { return options_.centred ? "layerNorm" : "rmsNorm"; }
  int reuse(size_t output) const override { return output == 0 ? 0 : output == 1 ? 3 : -1; }

  // A gradient may want the statistics alone.
  size_t scratch(const Extent& extent) const override {
    return extent.wanted[0] ? 0 : extent.outputs[0].bytes();
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(0).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &dy = context.gradients[0], &dsum = context.gradients[1];
    const bool input_wanted = context.wants[0] || context.wants[3];
    std::vector<Value> gradients(4);
    if (!dy) {
      if (context.wants[0]) gradients[0] = dsum;
      if (context.wants[3]) gradients[3] = dsum;
      return gradients;
    }
    const Value s = context.input(3) ? context.output(1) : context.input(0);
    const Shape width{s.type().width()};
    const Value mean = options_.centred ? context.output(2) : Value{};
    const std::vector<Value> flowing =
        make_node(std::make_unique<NormGradient>(options_),
                  {dy, input_wanted ? dsum : Value{}, s, context.output(3), mean, context.input(1)},
                  {Type(s.dtype(), s.shape()), Type(s.dtype(), width), Type(s.dtype(), width)});
    const size_t source[] = {0, 1, 2, 0};
    for (size_t i = 0; i < 4; ++i) {
      if (context.wants[i]) gradients[i] = flowing[source[i]];
    }
    return gradients;
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View& x = run.input(0);
    NormForward<T> norm;
    norm.width = x.width();
    norm.x = x.as<T>();
    norm.x_stride = x.row_stride;
    norm.weight = data_or_null<T>(run, 1);
    norm.bias = data_or_null<T>(run, 2);
    norm.residual = data_or_null<T>(run, 3);
    norm.residual_stride = norm.residual == nullptr ? 0 : run.input(3).row_stride;
    norm.weight_offset = static_cast<T>(options_.weight_offset);
    norm.eps = static_cast<T>(options_.eps);
    norm.y = static_cast<T*>(run.wanted(0) ? run.output(0).data : run.scratch());
    norm.sum = wanted_or_null<T>(run, 1);
    norm.mean = wanted_or_null<T>(run, 2);
    norm.rstd = wanted_or_null<T>(run, 3);
    const auto kernel = options_.centred ? norm_table<T>().layer_norm : norm_table<T>().rms_norm;
    run.pool().ranges(x.rows(), grain_of(x.width()),
                      [&](int64_t begin, int64_t end) { kernel(norm, begin, end); });
  }

  NormOptions options_;
};

void require_row(const char* op, const char* input, const Value& value, const Value& x) {
  require_dtype(op, input, value, x.dtype());
  if (!value || value.shape() == Shape{x.type().width()}) return;
  throw Error(ErrorCode::Shape, op,
              std::string(input) + " must have the shape [" + x.type().width().str() + "] of x's rows, not " +
                  str(value.shape()) + " for x of " + str(x.shape()),
              {{"shape", str(value.shape())}, {"x", str(x.shape())}});
}

std::vector<Value> norm(NormOptions options, const Value& x, const Value& weight, const Value& bias,
                        const Value& residual) {
  auto primitive = std::make_unique<Norm>(options);
  const char* op = primitive->name();
  require_float(op, x.dtype());
  if (x.shape().empty()) throw Error(ErrorCode::Shape, op, "a scalar has no rows to normalise");
  require_row(op, "weight", weight, x);
  require_row(op, "bias", bias, x);
  require_dtype(op, "residual", residual, x.dtype());
  if (residual && residual.shape() != x.shape()) {
    throw Error(ErrorCode::Shape, op,
                "residual of " + str(residual.shape()) + " must have x's shape " + str(x.shape()),
                {{"shape", str(residual.shape())}, {"x", str(x.shape())}});
  }
  const Type same(x.dtype(), x.shape()), per_row(x.dtype(), Shape(x.shape().begin(), x.shape().end() - 1));
  std::vector<Value> outputs =
      make_node(std::move(primitive), {x, weight, bias, residual}, {same, same, per_row, per_row});
  outputs.resize(residual ? 2 : 1);
  return outputs;
}

Value input_or_empty(std::span<const Value> inputs, size_t i) {
  return i < inputs.size() ? inputs[i] : Value{};
}

std::vector<Value> build_layer_norm(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 1, 3);
  return layer_norm(inputs[0], input_or_empty(inputs, 1), input_or_empty(inputs, 2),
                    input_or_empty(inputs, 3), attributes.number("eps"));
}

std::vector<Value> build_rms_norm(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 1, 2);
  return rms_norm(inputs[0], input_or_empty(inputs, 1), input_or_empty(inputs, 2), attributes.number("eps"),
                  attributes.flag("zeroCentred", false));
}

}  // namespace

std::vector<Value> layer_norm(const Value& x, const Value& weight, const Value& bias, const Value& residual,
                              double eps) {
  return norm({.centred = true, .eps = eps}, x, weight, bias, residual);
}

std::vector<Value> rms_norm(const Value& x, const Value& weight, const Value& residual, double eps,
                            bool zero_centred) {
  if (zero_centred && !weight) throw Error(ErrorCode::Option, "rmsNorm", "zeroCentred needs a weight");
  return norm({.centred = false, .eps = eps, .weight_offset = zero_centred ? 1.0 : 0.0}, x, weight, {},
              residual);
}

std::span<const OpEntry> norm_ops() {
  static constexpr OpEntry list[] = {{"layerNorm", build_layer_norm}, {"rmsNorm", build_rms_norm}};
  return list;
}

}  // namespace tiny
