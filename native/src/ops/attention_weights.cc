#include <algorithm>
#include <memory>
#include <string>

#include "ops/attention_call.h"
#include "ops/dtype_dispatch.h"

namespace tiny {

namespace {

using In = AttentionInput;

// The probabilities of the unfused path, for people who want to look at them.
class AttentionWeights final : public Primitive {
 public:
  explicit AttentionWeights(AttentionOptions options) : options_(options) {}
  const char* name() const override { return "attentionWeights"; }

  void forward(Run& run) const override {
    with_float(name(), run.input(In::Q).dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto call = attention_from_run<T>(options_, name(), run);
      const View& weights = run.output(0);
      check_lengths("queries", call.query_offsets, call.sequences, weights.dims[2]);
      check_lengths("keys", call.key_offsets, call.sequences, weights.dims[3]);
      attention_weights(attention_functions<T>(), call, weights.template as<T>(), weights.dims[2],
                        weights.dims[3], run.pool(), run.scratch());
    });
  }

  size_t scratch(const Extent& extent) const override {
    return with_float(name(), extent.inputs[In::Q].dtype, [&](auto zero) {
      using T = decltype(zero);
      return attention_scratch(attention_functions<T>(), attention_from_extent<T>(options_, extent),
                               extent.inputs[In::Q].dims[0], extent.threads);
    });
  }

 private:
  void check_lengths(const char* what, const int32_t* offsets, int64_t sequences, int64_t longest) const {
    for (int64_t s = 0; s < sequences; ++s) {
      const int64_t length = offsets[s + 1] - offsets[s];
      if (length <= longest) continue;
      throw Error(ErrorCode::Index, name(),
                  "sequence " + std::to_string(s) + " has " + std::to_string(length) + " " + what +
                      "; the output has room for " + std::to_string(longest),
                  {{"sequence", static_cast<double>(s)}, {"length", static_cast<double>(length)}});
    }
  }

  const AttentionOptions options_;
};

}  // namespace

// (q, k, queryOffsets, keyOffsets, bias?, bucketTable?, sinks?, positionsQ?, positionsK?, queryTerms?,
// queryTable?, keyTerms?, keyTable?) {queries, keys}
std::vector<Value> build_attention_weights(std::span<const Value> given, const Attributes& attributes) {
  const auto options = AttentionOptions::from(attributes, false);
  std::vector<Value> inputs = padded_inputs(given, In::Count - 2);
  inputs.insert(inputs.begin() + In::V, Value{});
  inputs.insert(inputs.begin() + In::Key, Value{});
  check_attention_inputs(inputs, options);
  const Dim sequences = inputs[In::QueryOffsets].shape()[0] - Dim(1);
  Type type(inputs[In::Q].dtype(),
            {sequences, Dim(options.heads), attributes.dim("queries"), attributes.dim("keys")});
  return {make_value(std::make_unique<AttentionWeights>(options), std::move(inputs), std::move(type))};
}

}  // namespace tiny
