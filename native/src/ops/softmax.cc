#include "ops/softmax.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "kernels/softmax/softmax.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/grain.h"
#include "ops/registry.h"

namespace tiny {

namespace {

// (dy, y) -> dx
class SoftmaxGradient final : public Primitive {
 public:
  explicit SoftmaxGradient(bool log) : log_(log) {}
  const char* name() const override { return log_ ? "logSoftmaxGradient" : "softmaxGradient"; }
  int reuse(size_t) const override { return 0; }

  void forward(Run& run) const override {
    const View &dy = run.input(0), &dx = run.output(0);
    with_float(name(), dx.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto& table = softmax_table<T>();
      const auto kernel = log_ ? table.log_softmax_backward : table.softmax_backward;
      run.pool().ranges(dx.rows(), grain_of(dx.width()), [&](int64_t begin, int64_t end) {
        kernel(dy.as<T>(), dy.row_stride, run.input(1).as<T>(), dx.as<T>(), dx.width(), begin, end);
      });
    });
  }

 private:
  bool log_;
};

class Softmax final : public Primitive {
 public:
  explicit Softmax(bool log) : log_(log) {}
  const char* name() const override { return log_ ? "logSoftmax" : "softmax"; }
  int reuse(size_t) const override { return 0; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &y = run.output(0);
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto kernel = log_ ? softmax_table<T>().log_softmax : softmax_table<T>().softmax;
      run.pool().ranges(y.rows(), grain_of(y.width()), [&](int64_t begin, int64_t end) {
        kernel(x.as<T>(), x.row_stride, y.as<T>(), y.width(), begin, end);
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &dy = context.gradients[0], y = context.output(0);
    return {make_value(std::make_unique<SoftmaxGradient>(log_), {dy, y}, Type(y.dtype(), y.shape()))};
  }

 private:
  bool log_;
};

struct LossOptions {
  int32_t ignored;
  double smoothing;
};

template <typename T>
CrossEntropyRows<T> loss_rows(const LossOptions& options, const View& logits, const View& labels) {
  return {logits.width(),       logits.as<T>(),  logits.row_stride,
          labels.as<int32_t>(), options.ignored, static_cast<T>(options.smoothing)};
}

// (logits, labels, lse, dlossSum) -> dlogits
class CrossEntropyGradient final : public Primitive {
 public:
  explicit CrossEntropyGradient(LossOptions options) : options_(options) {}
  const char* name() const override { return "crossEntropyGradient"; }

  void forward(Run& run) const override {
    const View& out = run.output(0);
    with_float(name(), out.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto rows = loss_rows<T>(options_, run.input(0), run.input(1));
      run.pool().ranges(out.rows(), grain_of(out.width()), [&](int64_t begin, int64_t end) {
        softmax_table<T>().cross_entropy_backward(rows, run.input(2).as<T>(), *run.input(3).as<T>(),
                                                  out.as<T>(), begin, end);
      });
    });
  }

 private:
  LossOptions options_;
};

// (logits, labels) -> lossSum, count, lse
class CrossEntropyOp final : public Primitive {
 public:
  explicit CrossEntropyOp(LossOptions options) : options_(options) {}
  const char* name() const override { return "crossEntropy"; }

  size_t scratch(const Extent& extent) const override {
    const View& logits = extent.inputs[0];
    return static_cast<size_t>(2 * logits.rows()) * size_of(logits.dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(0).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &g = context.gradients[0], logits = context.input(0);
    if (!g) return {Value{}, Value{}};  // the count alone: it does not depend on the logits
    return {
        make_value(std::make_unique<CrossEntropyGradient>(options_),
                   {logits, context.input(1), context.output(2), g}, Type(logits.dtype(), logits.shape())),
        Value{}};
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View& logits = run.input(0);
    const auto rows = loss_rows<T>(options_, logits, run.input(1));
    const int64_t count = logits.rows(), labelled = require_labels(rows, count);
    T* losses = static_cast<T*>(run.scratch());
    T* lse = run.wanted(2) ? run.output(2).as<T>() : losses + count;
    run.pool().ranges(count, grain_of(logits.width()), [&](int64_t begin, int64_t end) {
      softmax_table<T>().cross_entropy(rows, losses, lse, begin, end);
    });
    double total = 0;
    for (int64_t row = 0; row < count; ++row) total += losses[row];
    if (run.wanted(0)) *run.output(0).as<T>() = static_cast<T>(total);
    if (run.wanted(1)) *run.output(1).as<T>() = static_cast<T>(labelled);
  }

  // The number of rows that count.
  template <typename T>
  static int64_t require_labels(const CrossEntropyRows<T>& rows, int64_t count) {
    int64_t labelled = 0;
    for (int64_t row = 0; row < count; ++row) {
      const int32_t label = rows.labels[row];
      if (label == rows.ignored) continue;
      ++labelled;
      if (label >= 0 && label < rows.width) continue;
      throw Error(ErrorCode::Index, "crossEntropy",
                  "label " + std::to_string(label) + " of row " + std::to_string(row) + " is outside the " +
                      std::to_string(rows.width) + " classes; rows without a label have " +
                      std::to_string(rows.ignored),
                  {{"index", double(label)}, {"row", double(row)}, {"size", double(rows.width)}});
    }
    return labelled;
  }

  LossOptions options_;
};

Value softmax_of(bool log, const Value& x) {
  const char* op = log ? "logSoftmax" : "softmax";
  require_float(op, x.dtype());
  if (x.shape().empty()) throw Error(ErrorCode::Shape, op, "a scalar has no last dimension");
  return make_value(std::make_unique<Softmax>(log), {x}, Type(x.dtype(), x.shape()));
}

std::vector<Value> build_softmax(std::span<const Value> inputs, const Attributes&) {
  require_inputs(inputs, 1);
  return {softmax(inputs[0])};
}

std::vector<Value> build_log_softmax(std::span<const Value> inputs, const Attributes&) {
  require_inputs(inputs, 1);
  return {log_softmax(inputs[0])};
}

std::vector<Value> build_cross_entropy(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 2);
  const CrossEntropy loss = cross_entropy(inputs[0], inputs[1], attributes.integer("ignoreIndex", -100),
                                          attributes.number("labelSmoothing", 0));
  return {loss.loss_sum, loss.count};
}

}  // namespace

Value softmax(const Value& x) { return softmax_of(false, x); }

Value log_softmax(const Value& x) { return softmax_of(true, x); }

CrossEntropy cross_entropy(const Value& logits, const Value& labels, int64_t ignore_index,
                           double label_smoothing) {
  const char* op = "crossEntropy";
  require_float(op, logits.dtype());
  require_dtype(op, "labels", labels, DType::Int32);
  const Shape& shape = logits.shape();
  if (shape.empty() || labels.shape() != Shape(shape.begin(), shape.end() - 1)) {
    throw Error(ErrorCode::Shape, op,
                "labels of shape " + str(labels.shape()) + " do not fit logits of shape " + str(shape) +
                    ": one label is needed for each row of classes",
                {{"shape", str(labels.shape())}, {"logits", str(shape)}});
  }
  if (!(label_smoothing >= 0 && label_smoothing <= 1)) {
    throw Error(ErrorCode::Option, op, "labelSmoothing must lie between 0 and 1");
  }
  if (ignore_index != static_cast<int32_t>(ignore_index)) {
    throw Error(ErrorCode::Option, op, "ignoreIndex must be an int32");
  }
  const Type scalar(logits.dtype(), {}), per_row(logits.dtype(), labels.shape());
  const auto outputs = make_node(
      std::make_unique<CrossEntropyOp>(LossOptions{static_cast<int32_t>(ignore_index), label_smoothing}),
      {logits, labels}, {scalar, scalar, per_row});
  return {outputs[0], outputs[1]};
}

std::span<const OpEntry> softmax_ops() {
  static constexpr OpEntry list[] = {
      {"softmax", build_softmax}, {"logSoftmax", build_log_softmax}, {"crossEntropy", build_cross_entropy}};
  return list;
}

}  // namespace tiny
