#include "ops/attention.h"

#include <memory>
#include <string>

#include "ops/attention_call.h"
#include "ops/dtype_dispatch.h"

namespace tiny {

namespace {

using In = AttentionInput;

Value zeros_like(const Value& value) {
  Attributes attributes;
  attributes.set("shape", value.shape());
  attributes.set("value", 0.0);
  attributes.set("dtype", std::string(name_of(value.dtype())));
  return apply("full", {}, attributes).front();
}

class AttentionBackward final : public Primitive {
 public:
  // Inputs: attention's, then these.
  enum : size_t { O = In::Count, Lse, DO, DLse, Count };
  enum : size_t { DQ, DK, DV, DBias, DSinks, DQueryTerms, DKeyTerms };

  explicit AttentionBackward(AttentionOptions options) : options_(options) {}
  const char* name() const override { return "attentionBackward"; }

  void forward(Run& run) const override {
    with_float(name(), run.input(In::Q).dtype, [&](auto zero) { compute<decltype(zero)>(run); });
  }

  size_t scratch(const Extent& extent) const override {
    return with_float(name(), extent.inputs[In::Q].dtype, [&](auto zero) {
      using T = decltype(zero);
      return attention_gradient_scratch(attention_functions<T>(), attention_from_extent<T>(options_, extent),
                                        extent.inputs[In::Q].dims[0], extent.inputs[In::K].dims[0],
                                        extent.wanted[DBias], extent.threads);
    });
  }

 private:
  template <typename T>
  void compute(Run& run) const {
    AttentionGradient<T> gradient;
    gradient.forward = attention_from_run<T>(options_, name(), run);
    gradient.forward.o = run.input(O).as<T>();
    gradient.forward.o_stride = run.input(O).row_stride;
    gradient.forward.lse = run.input(Lse).as<T>();
    gradient.d_o = run.input(DO).as<T>();
    gradient.d_o_stride = run.input(DO).row_stride;
    if (run.has(DLse)) {
      gradient.d_lse = run.input(DLse).as<T>();
      gradient.d_lse_stride = run.input(DLse).row_stride;
    }
    const auto output = [&](size_t i) { return run.wanted(i) ? run.output(i).template as<T>() : nullptr; };
    gradient.dq = output(DQ);
    gradient.dk = output(DK);
    gradient.dv = output(DV);
    gradient.d_bias = output(DBias);
    gradient.d_sinks = output(DSinks);
    gradient.d_query_terms = output(DQueryTerms);
    gradient.d_key_terms = output(DKeyTerms);
    attention_backward(attention_functions<T>(), gradient, run.pool(), run.scratch());
  }

  const AttentionOptions options_;
};

class AttentionForward final : public Primitive {
 public:
  enum : size_t { O, Lse };

  explicit AttentionForward(AttentionOptions options) : options_(options) {}
  const char* name() const override { return "attention"; }

  void forward(Run& run) const override {
    with_float(name(), run.input(In::Q).dtype, [&](auto zero) {
      using T = decltype(zero);
      auto call = attention_from_run<T>(options_, name(), run);
      if (run.wanted(O)) call.o = run.output(O).template as<T>();
      call.o_stride = run.output(O).row_stride;
      if (run.wanted(Lse)) call.lse = run.output(Lse).template as<T>();
      attention_forward(attention_functions<T>(), call, run.pool(), run.scratch());
    });
  }

  size_t scratch(const Extent& extent) const override {
    return with_float(name(), extent.inputs[In::Q].dtype, [&](auto zero) {
      using T = decltype(zero);
      return attention_scratch(attention_functions<T>(), attention_from_extent<T>(options_, extent),
                               extent.inputs[In::Q].dims[0], extent.threads);
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    std::vector<Value> inputs = context.node->inputs;
    inputs.push_back(context.output(O));
    inputs.push_back(context.output(Lse));
    inputs.push_back(context.gradients[O] ? context.gradients[O] : zeros_like(context.output(O)));
    inputs.push_back(context.gradients[Lse]);
    const auto contiguous = [&](size_t i) {
      return Type(context.input(i).dtype(), context.input(i).shape());
    };
    std::vector<Type> types{contiguous(In::Q), contiguous(In::K), contiguous(In::V)};
    const auto optional = [&](size_t i) {
      return context.input(i) ? contiguous(i) : Type(types[0].dtype, {Dim(0)});
    };
    for (const size_t i : {In::Bias, In::Sinks, In::QueryTerms, In::KeyTerms}) types.push_back(optional(i));
    const auto found =
        make_node(std::make_unique<AttentionBackward>(options_), std::move(inputs), std::move(types));

    std::vector<Value> gradients(In::Count);
    const std::pair<size_t, size_t> flows[] = {{In::Q, AttentionBackward::DQ},
                                               {In::K, AttentionBackward::DK},
                                               {In::V, AttentionBackward::DV},
                                               {In::Bias, AttentionBackward::DBias},
                                               {In::Sinks, AttentionBackward::DSinks},
                                               {In::QueryTerms, AttentionBackward::DQueryTerms},
                                               {In::KeyTerms, AttentionBackward::DKeyTerms}};
    for (const auto& [input, output] : flows) {
      if (context.wants[input]) gradients[input] = found[output];
    }
    return gradients;
  }

 private:
  const AttentionOptions options_;
};

std::vector<Value> build_attention(std::span<const Value> inputs, const Attributes& attributes) {
  return attention(inputs, AttentionOptions::from(attributes, true));
}

}  // namespace

std::vector<Value> attention(std::span<const Value> given, const AttentionOptions& options) {
  std::vector<Value> inputs = padded_inputs(given, In::Count);
  check_attention_inputs(inputs, options);
  const Value& q = inputs[In::Q];
  require_matrix("v", inputs[In::V], q.dtype(), options.kv_heads * options.value_dim);
  if (!(inputs[In::V].shape()[0] == inputs[In::K].shape()[0])) {
    throw Error(ErrorCode::Shape, "",
                "k and v must have equally many rows, not " + str(inputs[In::K].shape()) + " and " +
                    str(inputs[In::V].shape()));
  }
  if (options.dropout > 0) require_integers("key", inputs[In::Key], {Dim(2)});
  const Dim queries = q.shape()[0];
  std::vector<Type> types{Type(q.dtype(), {queries, Dim(options.heads * options.value_dim)}),
                          Type(q.dtype(), {queries, Dim(options.heads)})};
  return make_node(std::make_unique<AttentionForward>(options), std::move(inputs), std::move(types));
}

std::span<const OpEntry> attention_ops() {
  static constexpr OpEntry entries[] = {{"attention", build_attention},
                                        {"cachedAttention", build_cached_attention},
                                        {"cacheAppend", build_cache_append},
                                        {"attentionWeights", build_attention_weights}};
  return entries;
}

}  // namespace tiny
