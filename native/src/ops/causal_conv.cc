#include <cstring>
#include <utility>

#include "kernels/state_space/state_space.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/state_space.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 16384;  // elements a thread takes at once

// Sums over tokens run over chunks that depend on the number of tokens alone, added in order.
constexpr int64_t kChunkRows = 32, kChunks = 64;
int64_t chunk_rows(int64_t rows) { return std::max(kChunkRows, (rows + kChunks - 1) / kChunks); }
int64_t chunk_count(int64_t rows) { return (rows + chunk_rows(rows) - 1) / chunk_rows(rows); }

struct Sizes {
  int64_t tokens, width, taps;

  Sizes(const View& x, const View& weight) : tokens(x.rows()), width(x.width()), taps(weight.width()) {}
  int64_t prepared() const { return (2 * taps - 1) * width; }  // taps as rows, and zeros before a sequence
  int64_t row_grain() const { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width * taps)); }
};

// The part of the kernel's arguments that all sequences share; `memory` has Sizes::prepared() elements.
template <typename T>
ConvolutionRows<T> prepare_rows(const Sizes& sizes, const View& x, const View& weight, const T* bias,
                                bool silu, T* memory) {
  ConvolutionRows<T> rows;
  for (int64_t i = 0; i < sizes.width; ++i) {
    for (int64_t k = 0; k < sizes.taps; ++k) memory[k * sizes.width + i] = weight.as<T>()[i * sizes.taps + k];
  }
  T* zeros = memory + sizes.taps * sizes.width;
  std::fill_n(zeros, (sizes.taps - 1) * sizes.width, T{0});
  rows.x_stride = x.row_stride;
  rows.before = zeros;
  rows.taps = memory;
  rows.bias = bias;
  rows.width = sizes.width;
  rows.count = sizes.taps;
  rows.silu = silu;
  return rows;
}

// (dy, x, weight, bias?, offsets) -> dx, dweight, dbias
class CausalConvGradient final : public Primitive {
 public:
  explicit CausalConvGradient(bool silu) : silu_(silu) {}
  const char* name() const override { return "causalConvGradient"; }

  size_t scratch(const Extent& extent) const override {
    const Sizes sizes(extent.inputs[1], extent.inputs[2]);
    int64_t elements = sizes.prepared();
    if (silu_) elements += sizes.tokens * sizes.width;
    if (extent.wanted[1] || extent.wanted[2])
      elements += (chunk_count(sizes.tokens) + 1) * (sizes.taps + 1) * sizes.width;
    return static_cast<size_t>(elements) * size_of(extent.inputs[1].dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(1).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View &dy = run.input(0), &x = run.input(1), &weight = run.input(2), &offsets = run.input(4);
    const Sizes sizes(x, weight);
    const int32_t* at = offsets.as<int32_t>();
    T* memory = static_cast<T*>(run.scratch());
    const auto shared =
        prepare_rows<T>(sizes, x, weight, run.has(3) ? run.input(3).as<T>() : nullptr, silu_, memory);
    memory += sizes.prepared();
    const auto rows_of = [&](int64_t s) {
      auto rows = shared;
      rows.x = x.as<T>() + at[s] * x.row_stride;
      return rows;
    };
    const auto& table = state_space_table<T>();
    const T* dz = dy.as<T>();
    int64_t dz_stride = dy.row_stride;
    if (silu_) {
      T* delta = std::exchange(memory, memory + sizes.tokens * sizes.width);
      run.pool().ranges(sizes.tokens, sizes.row_grain(), [&](int64_t from, int64_t to) {
        for_sequences(offsets, from, to, [&](int64_t s, int64_t begin, int64_t end) {
          table.convolve_delta(rows_of(s), dy.as<T>() + at[s] * dy.row_stride, dy.row_stride, begin, end,
                               delta + at[s] * sizes.width);
        });
      });
      dz = delta;
      dz_stride = sizes.width;
    }
    if (run.wanted(0)) {
      T* dx = run.output(0).as<T>();
      run.pool().ranges(sizes.tokens, sizes.row_grain(), [&](int64_t from, int64_t to) {
        for_sequences(offsets, from, to, [&](int64_t s, int64_t begin, int64_t end) {
          table.convolve_back(rows_of(s), dz + at[s] * dz_stride, dz_stride, at[s + 1] - at[s], begin, end,
                              dx + at[s] * sizes.width);
        });
      });
    }
    if (!run.wanted(1) && !run.wanted(2)) return;
    const int64_t chunks = chunk_count(sizes.tokens), step = chunk_rows(sizes.tokens);
    const int64_t size = (sizes.taps + 1) * sizes.width;
    T* total = memory + chunks * size;
    std::fill_n(memory, (chunks + 1) * size, T{0});
    run.pool().ranges(chunks, 1, [&](int64_t first, int64_t last) {
      for (int64_t chunk = first; chunk < last; ++chunk) {
        for_sequences(offsets, chunk * step, std::min(sizes.tokens, (chunk + 1) * step),
                      [&](int64_t s, int64_t begin, int64_t end) {
                        table.convolve_taps(rows_of(s), dz + at[s] * dz_stride, dz_stride, begin, end,
                                            memory + chunk * size);
                      });
      }
    });
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      for (int64_t i = 0; i < size; ++i) total[i] += memory[chunk * size + i];
    }
    if (run.wanted(1)) {
      T* dweight = run.output(1).as<T>();
      for (int64_t i = 0; i < sizes.width; ++i) {
        for (int64_t k = 0; k < sizes.taps; ++k) dweight[i * sizes.taps + k] = total[k * sizes.width + i];
      }
    }
    if (run.wanted(2)) std::copy_n(total + sizes.taps * sizes.width, sizes.width, run.output(2).as<T>());
  }

  bool silu_;
};

// (x, weight, bias?, offsets, state?, readSlots?, writeSlots?) -> y
class CausalConv final : public Primitive {
 public:
  explicit CausalConv(bool silu) : silu_(silu) {}
  const char* name() const override { return "causalConv"; }

  size_t scratch(const Extent& extent) const override {
    return static_cast<size_t>(Sizes(extent.inputs[0], extent.inputs[1]).prepared()) *
           size_of(extent.inputs[0].dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(0).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    if (context.input(4))
      throw Error(ErrorCode::Gradient, name(), "has no gradient where it goes on from a state");
    const Value &x = context.input(0), &weight = context.input(1);
    const std::vector<Value> flowing = make_node(
        std::make_unique<CausalConvGradient>(silu_),
        {context.gradients[0], x, weight, context.input(2), context.input(3)},
        {Type(x.dtype(), x.shape()), Type(x.dtype(), weight.shape()), Type(x.dtype(), {x.shape()[1]})});
    std::vector<Value> gradients(7);
    for (size_t i = 0; i < 3; ++i) {
      if (context.wants[i]) gradients[i] = flowing[i];
    }
    return gradients;
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View &x = run.input(0), &weight = run.input(1), &offsets = run.input(3);
    const Sizes sizes(x, weight);
    check_offsets(name(), "offsets", offsets, sizes.tokens);
    const int32_t* at = offsets.as<int32_t>();
    const auto shared = prepare_rows<T>(sizes, x, weight, run.has(2) ? run.input(2).as<T>() : nullptr, silu_,
                                        static_cast<T*>(run.scratch()));
    const bool stateful = run.has(4);
    if (stateful) check_slots(name(), run.input(4), run.input(5), run.input(6));
    const auto rows_of = [&](int64_t s) {
      auto rows = shared;
      rows.x = x.as<T>() + at[s] * x.row_stride;
      if (!stateful) return rows;
      const int32_t slot = run.input(5).as<int32_t>()[s];
      if (slot >= 0) rows.before = run.input(4).as<T>() + slot * run.input(4).row_stride;
      return rows;
    };
    T* y = run.output(0).as<T>();
    run.pool().ranges(sizes.tokens, sizes.row_grain(), [&](int64_t from, int64_t to) {
      for_sequences(offsets, from, to, [&](int64_t s, int64_t begin, int64_t end) {
        state_space_table<T>().convolve(rows_of(s), begin, end, y + at[s] * sizes.width);
      });
    });
    if (!stateful) return;
    const int64_t kept = sizes.taps - 1;
    run.pool().ranges(offsets.size() - 1, 1, [&](int64_t first, int64_t last) {
      for (int64_t s = first; s < last; ++s) {
        const auto rows = rows_of(s);
        const int64_t length = at[s + 1] - at[s];
        T* to = run.input(4).as<T>() + run.input(6).as<int32_t>()[s] * run.input(4).row_stride;
        for (int64_t i = 0; i < kept; ++i) {
          const int64_t t = length - kept + i;  // below zero: of before
          const T* from = t >= 0 ? rows.x + t * rows.x_stride : rows.before + (kept + t) * sizes.width;
          std::memmove(to + i * sizes.width, from, static_cast<size_t>(sizes.width) * sizeof(T));
        }
      }
    });
  }

  bool silu_;
};

std::vector<Value> build_causal_conv(std::span<const Value> inputs, const Attributes& at) {
  if (inputs.size() < 4 || inputs.size() > 7)
    throw Error(ErrorCode::Option, "", "takes 4 to 7 inputs, not " + std::to_string(inputs.size()));
  std::vector<Value> in(inputs.begin(), inputs.end());
  in.resize(7);
  const std::string activation = at.text("activation", "none");
  if (activation != "none" && activation != "silu") {
    throw Error(ErrorCode::Option, "", "activation is 'none' or 'silu', not '" + activation + "'");
  }
  return {causal_conv(in[0], in[1], in[2], in[3], activation == "silu", {in[4], in[5], in[6]})};
}

}  // namespace

Value causal_conv(const Value& x, const Value& weight, const Value& bias, const Value& offsets, bool silu,
                  const RecurrentState& state) {
  for (const auto& [name, value] :
       {std::pair{"x", x}, std::pair{"weight", weight}, std::pair{"offsets", offsets}})
    if (!value) throw Error(ErrorCode::Option, "", std::string(name) + " is missing");
  require_float("", x.dtype());
  require_dtype("", "weight", weight, x.dtype());
  require_dtype("", "bias", bias, x.dtype());
  require_offsets("", offsets);
  const Shape& shape = weight.shape();
  const bool rows = shape.size() == 2, stored = shape.size() == 3 && shape[1] == Dim(1);
  if (x.shape().size() != 2 || !(rows || stored) || !(shape[0] == x.shape()[1]) ||
      !shape.back().is_constant() || shape.back().value() < 1 || !weight.type().contiguous()) {
    throw Error(ErrorCode::Shape, "",
                "takes x [tokens, width] and weight [width, taps] or [width, 1, taps], not " +
                    str(x.shape()) + " and " + str(shape),
                {{"x", str(x.shape())}, {"weight", str(shape)}});
  }
  if (bias && bias.shape() != Shape{x.shape()[1]}) {
    throw Error(
        ErrorCode::Shape, "",
        "bias must be [" + x.shape()[1].str() + "] as x " + str(x.shape()) + ", not " + str(bias.shape()));
  }
  if (state) require_state(state, x, offsets, x.shape()[1] * (shape.back().value() - 1));
  return make_value(std::make_unique<CausalConv>(silu),
                    {x, weight, bias, offsets, state.cache, state.read_slots, state.write_slots},
                    Type(x.dtype(), x.shape()));
}

std::span<const OpEntry> causal_conv_ops() {
  static const OpEntry entries[] = {{"causalConv", build_causal_conv}};
  return entries;
}

}  // namespace tiny
