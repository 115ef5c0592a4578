#include "ops/rope.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/rope/rope.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/shape.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 16384;  // elements a thread takes at once

int64_t row_grain(int64_t width) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)); }

// (positions, frequencies, offsets?) -> table
class RotaryTable final : public Primitive {
 public:
  explicit RotaryTable(RopeScaling scaling) : scaling_(scaling) {}
  const char* name() const override { return "rotaryTable"; }

  // Each sequence's frequencies, where they are its own.
  size_t scratch(const Extent& extent) const override {
    if (scaling_.choose != RopeScaling::Choose::Dynamic) return 0;
    const View &frequencies = extent.inputs[1], &offsets = extent.inputs[2];
    return static_cast<size_t>((offsets.size() - 1) * frequencies.width()) * size_of(frequencies.dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(1).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext&) const override { return {Value{}, Value{}, Value{}}; }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View &positions = run.input(0), &frequencies = run.input(1), &table = run.output(0);
    const int32_t* at = positions.as<int32_t>();
    const int64_t half = frequencies.width();
    const auto rows = [&](int64_t begin, int64_t end, const T* chosen) {
      run.pool().ranges(end - begin, row_grain(16 * half), [&](int64_t first, int64_t last) {
        for (int64_t i = begin + first; i < begin + last; ++i) {
          rope_table<T>().angles(static_cast<T>(at[i]), chosen, half, static_cast<T>(scaling_.scaling),
                                 table.as<T>() + i * 2 * half);
        }
      });
    };
    const T* first_row = frequencies.as<T>();
    if (scaling_.choose == RopeScaling::Choose::First) return rows(0, positions.size(), first_row);
    const View& offsets = run.input(2);
    check_offsets(name(), "offsets", offsets, positions.size());
    for (int64_t s = 0; s + 1 < offsets.size(); ++s) {
      const int32_t begin = offsets.as<int32_t>()[s], end = offsets.as<int32_t>()[s + 1];
      if (begin == end) continue;
      const int64_t length = int64_t{*std::max_element(at + begin, at + end)} + 1;
      const T* chosen = first_row;
      if (static_cast<double>(length) > scaling_.threshold) {
        chosen = scaling_.choose == RopeScaling::Choose::Length
                     ? first_row + frequencies.row_stride
                     : dynamic(length, half, static_cast<T*>(run.scratch()) + s * half);
      }
      rows(begin, end, chosen);
    }
  }

  // NTK-aware interpolation: 1 / base'^(2i / D).
  template <typename T>
  const T* dynamic(int64_t length, int64_t half, T* frequencies) const {
    const double dim = static_cast<double>(2 * half);
    const double stretch =
        scaling_.factor * static_cast<double>(length) / scaling_.threshold - (scaling_.factor - 1);
    const double base = scaling_.base * std::pow(stretch, dim / (dim - 2));
    for (int64_t i = 0; i < half; ++i)
      frequencies[i] = static_cast<T>(std::pow(base, -static_cast<double>(2 * i) / dim));
    return frequencies;
  }

  RopeScaling scaling_;
};

// (x, table) -> y
class Rotate final : public Primitive {
 public:
  explicit Rotate(RotateOptions options) : options_(options) {}
  const char* name() const override { return "rotate"; }
  int reuse(size_t) const override { return 0; }

  void forward(Run& run) const override {
    with_float(name(), run.input(0).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    if (context.wants[1])
      throw Error(ErrorCode::Gradient, name(), "has no gradient with respect to its table");
    RotateOptions back = options_;
    back.transposed = !back.transposed;
    return {rotate(context.gradients[0], context.input(1), back), Value{}};
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    const View &x = run.input(0), &table = run.input(1);
    Rotation<T> rotation;
    rotation.x = x.as<T>();
    rotation.x_stride = x.row_stride;
    rotation.table = table.as<T>();
    rotation.table_stride = table.row_stride;
    rotation.y = run.output(0).as<T>();
    rotation.heads = x.width() / options_.head_dim;
    rotation.head_dim = options_.head_dim;
    rotation.start = options_.start;
    rotation.half = table.width() / 2;
    rotation.interleaved = options_.interleaved;
    rotation.transposed = options_.transposed;
    run.pool().ranges(x.rows(), row_grain(x.width()),
                      [&](int64_t begin, int64_t end) { rope_table<T>().rotate(rotation, begin, end); });
  }

  RotateOptions options_;
};

RopeScaling scaling_of(const Attributes& at) {
  RopeScaling scaling;
  const std::string choose = at.text("choose", "first");
  if (choose == "length") {
    scaling.choose = RopeScaling::Choose::Length;
  } else if (choose == "dynamic") {
    scaling.choose = RopeScaling::Choose::Dynamic;
  } else if (choose != "first") {
    throw Error(ErrorCode::Option, "", "choose is 'first', 'length' or 'dynamic', not '" + choose + "'");
  }
  scaling.threshold = at.number("threshold", 0);
  scaling.factor = at.number("factor", 1);
  scaling.base = at.number("base", 10000);
  scaling.scaling = at.number("scaling", 1);
  return scaling;
}

}  // namespace

Value rotary_table(const Value& positions, const Value& frequencies, const Value& offsets,
                   const RopeScaling& scaling) {
  const char* op = "rotaryTable";
  require_dtype(op, "positions", positions, DType::Int32);
  require_float(op, frequencies.dtype());
  const int64_t rows = scaling.choose == RopeScaling::Choose::Length ? 2 : 1;
  const Shape& shape = frequencies.shape();
  if (positions.shape().size() != 1 || shape.size() != 2 || shape[0] != Dim(rows)) {
    throw Error(ErrorCode::Shape, op,
                "takes positions [tokens] and frequencies [" + std::to_string(rows) + ", D / 2], not " +
                    str(positions.shape()) + " and " + str(shape),
                {{"positions", str(positions.shape())}, {"frequencies", str(shape)}});
  }
  if (scaling.choose != RopeScaling::Choose::First) {
    if (!offsets)
      throw Error(ErrorCode::Option, op, "offsets are missing: sequences choose their frequencies");
    require_offsets(op, offsets);
  }
  if (scaling.choose == RopeScaling::Choose::Dynamic && (shape[1].value() < 2 || scaling.threshold < 1)) {
    throw Error(ErrorCode::Option, op,
                "dynamic frequencies need at least two pairs and a threshold of at least 1");
  }
  return make_value(std::make_unique<RotaryTable>(scaling),
                    {contiguous(positions), frequencies, offsets ? contiguous(offsets) : Value{}},
                    Type(frequencies.dtype(), {positions.shape()[0], shape[1] * 2}));
}

Value rotate(const Value& x, const Value& table, const RotateOptions& options) {
  const char* op = "rotate";
  require_float(op, x.dtype());
  require_dtype(op, "table", table, x.dtype());
  const Shape& shape = table.shape();
  if (x.shape().size() != 2 || shape.size() != 2 || shape[0] != x.shape()[0]) {
    throw Error(ErrorCode::Shape, op,
                "takes x [tokens, heads * headDim] and a table [tokens, D], not " + str(x.shape()) + " and " +
                    str(shape),
                {{"x", str(x.shape())}, {"table", str(shape)}});
  }
  const int64_t width = x.shape()[1].value(), turned = shape[1].value();
  const auto [head_dim, start, interleaved, transposed] = options;
  if (head_dim < 1 || width % head_dim != 0 || turned % 2 != 0 || start < 0 || start + turned > head_dim) {
    throw Error(ErrorCode::Shape, op,
                "a table of " + std::to_string(turned) + " columns from column " + std::to_string(start) +
                    " does not fit heads of " + std::to_string(head_dim) + " in rows of " +
                    std::to_string(width),
                {{"table", static_cast<double>(turned)},
                 {"headDim", static_cast<double>(head_dim)},
                 {"width", static_cast<double>(width)}});
  }
  return make_value(std::make_unique<Rotate>(options), {x, table}, Type(x.dtype(), x.shape()));
}

std::span<const OpEntry> rope_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"rotaryTable",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2, 1);
         return {rotary_table(in[0], in[1], in.size() > 2 ? in[2] : Value{}, scaling_of(at))};
       }},
      {"rotate",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         return {rotate(in[0], in[1],
                        {at.integer("headDim"), at.integer("start", 0), at.flag("interleaved", false),
                         at.flag("transposed", false)})};
       }},
  };
  return entries;
}

}  // namespace tiny
