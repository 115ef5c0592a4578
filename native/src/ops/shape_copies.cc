#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "graph/tiles.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/dtype_dispatch.h"
#include "ops/shape.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

class Concat final : public Primitive {
 public:
  Concat(ConcatAxis axis, size_t count) : axis_(axis), count_(count) {}
  const char* name() const override { return "concat"; }

  void forward(Run& run) const override {
    const View& y = run.output(0);
    const int64_t size = static_cast<int64_t>(size_of(y.dtype));
    char* to = y.as<char>();
    for (size_t i = 0; i < count_; ++i) {
      const View& x = run.input(i);
      const int64_t bytes = x.width() * size;
      if (axis_ == ConcatAxis::Rows && y.dims.size() > 1) {
        copy_view(run.pool(), to, x);
        to += x.bytes();
      } else {
        copy_rows(run.pool(), to, y.width() * size, x.data, x.row_stride * size, x.rows(), bytes);
        to += bytes;
      }
    }
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    std::vector<Value> gradients(count_);
    const auto slice = axis_ == ConcatAxis::Rows ? slice_rows : slice_columns;
    Dim start(0);
    for (size_t i = 0; i < count_; ++i) {
      const Shape& shape = context.node->inputs[i].shape();
      const Dim& length = axis_ == ConcatAxis::Rows ? shape.front() : shape.back();
      if (context.wants[i]) gradients[i] = slice(context.gradients[0], start, length);
      start = start + length;
    }
    return gradients;
  }

 private:
  ConcatAxis axis_;
  size_t count_;
};

class Place final : public Primitive {
 public:
  Place(ConcatAxis axis, int64_t start) : axis(axis), start(start) {}
  const char* name() const override { return "place"; }
  int reuse(size_t) const override { return 1; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &y = run.output(0);
    const bool based = run.has(1);
    if (!based) {
      fill_zeros(run.pool(), y.data, static_cast<int64_t>(y.bytes()));
    } else if (run.input(1).data != y.data) {
      copy_view(run.pool(), y.data, run.input(1));
    }
    if (x.size() == 0) return;
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      const int64_t width = x.width(), stride = y.width();
      const bool rows = axis == ConcatAxis::Rows && y.dims.size() > 1;
      T* to = y.as<T>() + (rows ? start * (y.size() / y.dims[0]) : start);
      const ElementwiseKernel<T> add = elementwise_kernel<T>(Elementwise::Add);
      run.pool().ranges(x.rows(), std::max<int64_t>(1, 16384 / width), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const T* row = x.as<T>() + i * x.row_stride;
          if (based) {
            add(to + i * stride, row, nullptr, to + i * stride, width, T{0}, T{0});
          } else {
            std::copy_n(row, width, to + i * stride);
          }
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Shape& shape = context.node->inputs[0].shape();
    const Value& g = context.gradients[0];
    std::vector<Value> gradients(context.node->inputs.size());
    gradients[0] = axis == ConcatAxis::Rows ? slice_rows(g, start, shape.front())
                                            : slice_columns(g, start, shape.back());
    if (gradients.size() > 1) gradients[1] = g;
    return gradients;
  }

  const ConcatAxis axis;
  const int64_t start;
};

// 32 x 32 elements at a time: lines of both sides stay in the first-level cache.
template <typename T>
void transpose_rows(const T* x, int64_t stride, int64_t rows, int64_t begin, int64_t end, T* y) noexcept {
  constexpr int64_t kTile = 32;
  for (int64_t row = 0; row < rows; row += kTile) {
    const int64_t last = std::min(rows, row + kTile);
    for (int64_t column = begin; column < end; ++column) {
      for (int64_t i = row; i < last; ++i) y[column * rows + i] = x[i * stride + column];
    }
  }
}

class Transpose final : public Primitive {
 public:
  const char* name() const override { return "transpose"; }

  void forward(Run& run) const override {
    const View& x = run.input(0);
    const auto copy = [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(x.width(), 32, [&](int64_t begin, int64_t end) {
        transpose_rows(x.as<T>(), x.row_stride, x.rows(), begin, end, run.output(0).as<T>());
      });
    };
    switch (size_of(x.dtype)) {
      case 1:
        return copy(uint8_t{});
      case 2:
        return copy(uint16_t{});
      case 4:
        return copy(uint32_t{});
      default:
        return copy(uint64_t{});
    }
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {transpose(context.gradients[0])};
  }
};

class Full final : public Primitive, public Tiled {
 public:
  Full(double value, DType dtype) : value_(value), dtype_(dtype) {}
  const char* name() const override { return "full"; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t) const override { return Spread::Full; }
  void forward(Run& run) const override { run_tiles(*this, 0, run); }

  void tile(const void* const*, void* out, const TileArea& area) const noexcept override {
    const auto fill = [&](auto value) { std::fill_n(static_cast<decltype(value)*>(out), area.n, value); };
    if (dtype_ == DType::Int32) return fill(static_cast<int32_t>(value_));
    if (dtype_ == DType::Float64) return fill(value_);
    fill(static_cast<float>(value_));
  }

 private:
  double value_;
  DType dtype_;
};

}  // namespace

Value concat(std::span<const Value> tensors, ConcatAxis axis) {
  if (tensors.empty()) throw Error(ErrorCode::Shape, "concat", "needs at least one tensor");
  for (const Value& x : tensors) {
    if (!x) throw Error(ErrorCode::Option, "concat", "a tensor is missing");
  }
  Shape shape = tensors[0].shape();
  if (shape.empty()) throw Error(ErrorCode::Shape, "concat", "scalars have no dimension to join along");
  const size_t joined = axis == ConcatAxis::Rows ? 0 : shape.size() - 1;
  Dim total(0);
  for (const Value& x : tensors) {
    require_dtype("concat", "every tensor", x, tensors[0].dtype());
    bool fits = x.shape().size() == shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i) fits = i == joined || x.shape()[i] == shape[i];
    if (!fits) {
      throw Error(
          ErrorCode::Shape, "concat",
          str(x.shape()) + " does not join " + str(shape) + " along dimension " + std::to_string(joined));
    }
    total = total + x.shape()[joined];
  }
  if (tensors.size() == 1) return tensors[0];
  shape[joined] = total;
  Type type(tensors[0].dtype(), std::move(shape));
  return make_value(std::make_unique<Concat>(axis, tensors.size()), {tensors.begin(), tensors.end()},
                    std::move(type));
}

Value place(const Value& x, const Shape& shape, ConcatAxis axis, const Dim& start, const Value& base) {
  require_float("place", x.dtype());
  if (start.is_constant()) {
    Type type(x.dtype(), shape);
    return make_value(std::make_unique<Place>(axis, start.value()), {x, base}, std::move(type));
  }
  // Ops do not see symbolic attributes while they run, but sizes of their inputs.
  Shape before = shape, after = shape;
  const size_t joined = axis == ConcatAxis::Rows ? 0 : shape.size() - 1;
  before[joined] = start;
  after[joined] = shape[joined] - start - x.shape()[joined];
  const Value parts[] = {full(before, 0, x.dtype()), x, full(after, 0, x.dtype())};
  return concat(parts, axis);
}

Value place_onto(const Value& x, const Value& base) {
  const auto* primitive = dynamic_cast<const Place*>(x.node->primitive.get());
  if (primitive == nullptr || x.node->inputs[1] || base.dtype() != x.dtype() || base.shape() != x.shape())
    return {};
  return place(x.node->inputs[0], x.shape(), primitive->axis, primitive->start, base);
}

Value transpose(const Value& x) {
  if (x.shape().size() != 2) {
    throw Error(ErrorCode::Shape, "transpose", "takes two dimensions, not " + str(x.shape()));
  }
  return make_value(std::make_unique<Transpose>(), {x}, Type(x.dtype(), {x.shape()[1], x.shape()[0]}));
}

Value full(Shape shape, double value, DType dtype) {
  for (const Dim& dim : shape) {
    if (dim.is_constant() && dim.value() < 0) {
      throw Error(ErrorCode::Shape, "full", "a size is negative in " + str(shape));
    }
  }
  if (dtype == DType::Int32) {
    if (std::floor(value) != value || std::fabs(value) > std::numeric_limits<int32_t>::max()) {
      throw Error(ErrorCode::Option, "full", "value must be a 32-bit integer");
    }
  } else {
    require_float("full", dtype);
  }
  return make_value(std::make_unique<Full>(value, dtype), {}, Type(dtype, std::move(shape)));
}

}  // namespace tiny
