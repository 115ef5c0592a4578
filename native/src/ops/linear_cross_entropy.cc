#include "ops/linear_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "kernels/matmul/blas.h"
#include "kernels/matmul/matmul.h"
#include "kernels/reduce/reduce.h"
#include "kernels/softmax/softmax.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/elementwise.h"
#include "ops/grain.h"
#include "ops/packed_weight.h"
#include "ops/registry.h"

namespace tiny {

namespace {

constexpr const char* kName = "linearCrossEntropy";

enum Input : size_t { kHidden, kWeight, kBias, kLabels };
// The gradients of lossSum come out of the same pass, while a tile's logits are at hand: 6 T V H operations
// in all and each logit computed once. A node of its own would have to compute them again (8 T V H). What it
// costs is that they are for a loss gradient of 1 and are multiplied by the real one afterwards, a pass over
// [V, H].
enum Output : size_t { kLoss, kCount, kDHidden, kDWeight, kDBias };

// Tokens whose logits are held at once, a function of V alone because sums over tokens are by tiles. 32 MB of
// logits make reading the weight and updating its gradient once a tile cheap beside multiplying (a tile is
// 160 at V = 50,257).
int64_t tile_tokens(int64_t vocabulary) {
  return std::clamp<int64_t>((int64_t{8} << 20) / std::max<int64_t>(vocabulary, 1) / 16 * 16, 32, 512);
}

// Hands out pieces of a block of scratch, or measures it when there is none.
class Pieces {
 public:
  explicit Pieces(void* scratch) : next_(static_cast<char*>(scratch)) {}
  template <typename T>
  T* take(int64_t count) {
    const size_t bytes = align_up(static_cast<size_t>(count) * sizeof(T));
    T* piece = reinterpret_cast<T*>(next_);
    total_ += bytes;
    if (next_ != nullptr) next_ += bytes;
    return piece;
  }
  size_t total() const { return total_; }

 private:
  char* next_;
  size_t total_ = 0;
};

// The products and buffers of one tile of `tokens` rows.
template <typename T>
struct Tile {
  int64_t tokens, width, vocabulary;
  Product logits, d_hidden, d_weight;
  T *scores, *loss, *lse, *d_bias, *scaled_bias;
  void* workspace;
  size_t total;

  Tile(std::span<const View> inputs, const std::vector<bool>& wanted, bool bf16, int threads, void* scratch)
      : width(inputs[kHidden].width()), vocabulary(inputs[kWeight].rows()) {
    const View &hidden = inputs[kHidden], &weight = inputs[kWeight];
    const DType dtype = hidden.dtype;
    tokens = std::min(tile_tokens(vocabulary), hidden.rows());
    Pieces pieces(scratch);
    scores = pieces.take<T>(tokens * vocabulary);
    loss = pieces.take<T>(tokens);
    lse = pieces.take<T>(tokens);
    d_bias = pieces.take<T>(vocabulary);
    scaled_bias = pieces.take<T>(vocabulary);

    logits.m = d_hidden.m = d_weight.k = tokens;
    logits.n = d_hidden.k = d_weight.m = vocabulary;
    logits.k = d_hidden.n = d_weight.n = width;
    logits.bf16 = d_hidden.bf16 = d_weight.bf16 = bf16;
    logits.c_dtype = d_hidden.c_dtype = d_weight.c_dtype = dtype;
    const Matrix rows{hidden.data, dtype, hidden.row_stride, false};
    const Matrix gradient{scores, dtype, vocabulary, false};
    logits.a = rows;
    logits.b = {weight.data, weight.dtype, weight.row_stride, true};
    logits.c = scores;
    logits.c_stride = vocabulary;
    d_hidden.a = gradient;
    d_hidden.b = {weight.data, weight.dtype, weight.row_stride, false};
    d_hidden.c_stride = width;
    d_weight.a = {scores, dtype, vocabulary, true};
    d_weight.b = rows;
    d_weight.c_stride = d_weight.residual_stride = width;

    size_t bytes = multiply_scratch(logits, threads);
    if (wanted[kDHidden]) bytes = std::max(bytes, multiply_scratch(d_hidden, threads));
    if (wanted[kDWeight]) bytes = std::max(bytes, multiply_scratch(d_weight, threads));
    workspace = pieces.take<char>(static_cast<int64_t>(bytes));
    total = pieces.total();
  }
};

class LinearCrossEntropy final : public Primitive {
 public:
  explicit LinearCrossEntropy(const LinearCrossEntropyOptions& options) : options_(options) {}
  const char* name() const override { return kName; }

  void prepare(const Extent& extent, ThreadPool& pool) const override {
    if (blas::active()) return;
    pack_weight(extent.variables[kWeight], extent.inputs[kWeight], true, options_.bf16, pool);
  }

  bool reads(const Extent& extent, size_t input) const override {
    const PackedMatrix* packed =
        packed_weight(extent.variables[kWeight], extent.inputs[kWeight], true, options_.bf16);
    return input != kWeight || blas::active() || packed == nullptr;
  }

  size_t scratch(const Extent& extent) const override {
    return with_float(kName, extent.inputs[kHidden].dtype, [&](auto zero) {
      return Tile<decltype(zero)>(extent.inputs, extent.wanted, options_.bf16, extent.threads, nullptr).total;
    });
  }

  void forward(Run& run) const override {
    check_labels(run.input(kLabels), run.input(kWeight).rows());
    with_float(kName, run.input(kHidden).dtype, [&](auto zero) { compute<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    std::vector<Value> flowing(4);
    const Value& loss = context.gradients[kLoss];
    if (!loss) return flowing;
    for (const auto& [input, output] : {std::pair{kHidden, kDHidden}, {kWeight, kDWeight}, {kBias, kDBias}}) {
      if (context.wants[input]) flowing[input] = mul(context.output(output), loss);
    }
    return flowing;
  }

 private:
  void check_labels(const View& labels, int64_t vocabulary) const {
    for (int64_t t = 0; t < labels.size(); ++t) {
      const int32_t label = labels.as<int32_t>()[t];
      if (label == options_.ignore_index || (label >= 0 && label < vocabulary)) continue;
      throw Error(ErrorCode::Index, kName,
                  "label " + std::to_string(label) + " at position " + std::to_string(t) + " is not in [0, " +
                      std::to_string(vocabulary) + ") and is not ignoreIndex " +
                      std::to_string(options_.ignore_index),
                  {{"label", static_cast<double>(label)}, {"position", static_cast<double>(t)}});
    }
  }

  template <typename T>
  void compute(Run& run) const {
    const View views[] = {run.input(kHidden), run.input(kWeight), run.input(kBias), run.input(kLabels)};
    std::vector<bool> wanted;
    for (size_t i = 0; i < 5; ++i) wanted.push_back(run.wanted(i));
    ThreadPool& pool = run.pool();
    Tile<T> tile(views, wanted, options_.bf16, pool.size(), run.scratch());
    const int64_t tokens = views[kHidden].rows(), width = tile.width, vocabulary = tile.vocabulary;
    const bool backward = wanted[kDHidden] || wanted[kDWeight] || wanted[kDBias];
    const int32_t* labels = views[kLabels].as<int32_t>();
    const T *bias = views[kBias].as<T>(), *hidden = views[kHidden].as<T>();
    const T scale = static_cast<T>(options_.scale);
    tile.logits.alpha = options_.scale;
    tile.logits.packed = packed_weight(run.variable(kWeight), views[kWeight], true, options_.bf16);
    tile.d_hidden.packed_transpose = tile.logits.packed;
    if (bias != nullptr) {
      for (int64_t j = 0; j < vocabulary; ++j) tile.scaled_bias[j] = scale * bias[j];
      tile.logits.bias = tile.scaled_bias;
    }

    double loss = 0, count = 0;
    for (int64_t first = 0; first < tokens; first += tile.tokens) {
      const int64_t rows = std::min(tile.tokens, tokens - first);
      const T* tile_hidden = hidden + first * views[kHidden].row_stride;
      tile.logits.m = rows;
      tile.logits.a.data = tile_hidden;
      multiply(tile.logits, tile.workspace, pool);

      const CrossEntropyRows<T> scores{
          vocabulary,     tile.scores,           vocabulary,
          labels + first, options_.ignore_index, static_cast<T>(options_.label_smoothing)};
      const SoftmaxTable<T>& kernels = softmax_table<T>();
      pool.ranges(rows, grain_of(4 * vocabulary), [&](int64_t begin, int64_t end) {
        kernels.cross_entropy(scores, tile.loss, tile.lse, begin, end);
        if (backward) kernels.cross_entropy_backward(scores, tile.lse, scale, tile.scores, begin, end);
      });
      for (int64_t i = 0; i < rows; ++i) {
        loss += tile.loss[i];
        count += labels[first + i] != options_.ignore_index;
      }

      if (wanted[kDHidden]) {
        tile.d_hidden.m = rows;
        tile.d_hidden.c = run.output(kDHidden).as<T>() + first * width;
        multiply(tile.d_hidden, tile.workspace, pool);
      }
      if (wanted[kDWeight]) {
        tile.d_weight.k = rows;
        tile.d_weight.b.data = tile_hidden;
        tile.d_weight.c = run.output(kDWeight).data;
        tile.d_weight.residual = first == 0 ? nullptr : tile.d_weight.c;
        multiply(tile.d_weight, tile.workspace, pool);
      }
      if (wanted[kDBias]) {
        T* total = run.output(kDBias).as<T>();
        pool.ranges(vocabulary, 1024, [&](int64_t begin, int64_t end) {
          T* part = first == 0 ? total : tile.d_bias;
          reduce_table<T>().sum_rows(tile.scores + begin, vocabulary, rows, end - begin, part + begin);
          if (first != 0) {
            for (int64_t j = begin; j < end; ++j) total[j] += part[j];
          }
        });
      }
    }
    if (tokens == 0) {
      for (const size_t output : {kDWeight, kDBias}) {
        if (wanted[output]) std::fill_n(run.output(output).template as<T>(), run.output(output).size(), T(0));
      }
    }
    if (wanted[kLoss]) *run.output(kLoss).as<T>() = static_cast<T>(loss);
    if (wanted[kCount]) *run.output(kCount).as<T>() = static_cast<T>(count);
  }

  const LinearCrossEntropyOptions options_;
};

std::vector<Value> build_linear_cross_entropy(std::span<const Value> inputs, const Attributes& attributes) {
  if (inputs.size() != 4 || !inputs[kHidden] || !inputs[kWeight] || !inputs[kLabels]) {
    throw Error(ErrorCode::Option, kName, "takes hidden, weight, bias (or null) and labels");
  }
  LinearCrossEntropyOptions options;
  options.ignore_index = static_cast<int32_t>(attributes.integer("ignoreIndex", -100));
  options.label_smoothing = attributes.number("labelSmoothing", 0);
  options.scale = attributes.number("scale", 1);
  const std::string precision = attributes.text("precision", "float32");
  if (precision != "float32" && precision != "bfloat16") {
    throw Error(ErrorCode::Option, kName, "precision '" + precision + "' is neither float32 nor bfloat16");
  }
  options.bf16 = precision == "bfloat16";
  return linear_cross_entropy(inputs[kHidden], inputs[kWeight], inputs[kBias], inputs[kLabels], options);
}

}  // namespace

std::vector<Value> linear_cross_entropy(const Value& hidden, const Value& weight, const Value& bias,
                                        const Value& labels, const LinearCrossEntropyOptions& options) {
  require_float(kName, hidden.dtype());
  const DType dtype = hidden.dtype();
  const bool half = weight.dtype() == DType::BFloat16 || weight.dtype() == DType::Float16;
  if (!(dtype == DType::Float32 && half)) require_dtype(kName, "weight", weight, dtype);
  require_dtype(kName, "bias", bias, dtype);
  require_dtype(kName, "labels", labels, DType::Int32);
  if (options.bf16 && dtype == DType::Float64) {
    throw Error(ErrorCode::Option, kName, "precision bfloat16 is not for float64 operands");
  }
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    throw Error(ErrorCode::Option, kName, "labelSmoothing must be between 0 and 1");
  }
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorCode::Shape, kName, what,
                {{"hidden", str(hidden.shape())}, {"weight", str(weight.shape())}});
  };
  if (hidden.shape().empty() || weight.shape().size() != 2 || weight.shape()[1] != hidden.type().width()) {
    refuse("hidden " + str(hidden.shape()) + " and weight " + str(weight.shape()) +
           " must share their last size");
  }
  const Dim vocabulary = weight.shape()[0];
  if (bias && bias.shape() != Shape{vocabulary}) {
    refuse("bias must be " + str({vocabulary}) + ", not " + str(bias.shape()));
  }
  const Shape expected(hidden.shape().begin(), hidden.shape().end() - 1);
  if (labels.shape() != expected) refuse("labels must be " + str(expected) + ", not " + str(labels.shape()));
  std::vector<Value> outputs =
      make_node(std::make_unique<LinearCrossEntropy>(options), {hidden, weight, bias, labels},
                {Type(dtype, {}), Type(dtype, {}), Type(dtype, hidden.shape()), Type(dtype, weight.shape()),
                 Type(dtype, {vocabulary})});
  outputs.resize(2);
  return outputs;
}

std::span<const OpEntry> linear_cross_entropy_ops() {
  static constexpr OpEntry entries[] = {{kName, build_linear_cross_entropy}};
  return entries;
}

}  // namespace tiny
