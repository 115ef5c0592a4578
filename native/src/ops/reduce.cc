#include "ops/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "graph/tiles.h"
#include "kernels/reduce/reduce.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/grain.h"
#include "ops/reduce_flat.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace tiny {

namespace {

constexpr int64_t kColumnGrain = 64;  // columns a thread takes at once

// Elements that become one.
int64_t reduced_count(const View& x, Axis axis) {
  switch (axis) {
    case Axis::Last:
      return x.width();
    case Axis::Rows:
      return x.rows();
    case Axis::All:
      return x.size();
  }
  return 0;
}

enum class Kind { Sum, Mean, Max };

class Broadcast final : public Primitive, public Tiled {
 public:
  Broadcast(Axis axis, bool mean, DType dtype) : axis_(axis), mean_(mean), dtype_(dtype) {}
  const char* name() const override { return "broadcast"; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t) const override {
    return axis_ == Axis::All ? Spread::Scalar : axis_ == Axis::Rows ? Spread::Row : Spread::Column;
  }
  void forward(Run& run) const override { run_tiles(*this, 1, run); }

  void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept override {
    dtype_ == DType::Float64 ? repeat<double>(inputs[0], out, area) : repeat<float>(inputs[0], out, area);
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& g = context.gradients[0];
    return {mean_ ? tiny::mean(g, axis_) : sum(g, axis_)};
  }

 private:
  template <typename T>
  void repeat(const void* x, void* out, const TileArea& area) const noexcept {
    const int64_t count = axis_ == Axis::All    ? area.rows * area.width
                          : axis_ == Axis::Rows ? area.rows
                                                : area.width;
    const T factor = mean_ ? static_cast<T>(1.0 / static_cast<double>(count)) : T{1};
    for (int64_t i = 0; i < area.n; ++i) static_cast<T*>(out)[i] = static_cast<const T*>(x)[i] * factor;
  }

  Axis axis_;
  bool mean_;
  DType dtype_;
};

// dx = g where x is the largest of its group, divided by the number of those.
class MaxGradient final : public Primitive {
 public:
  explicit MaxGradient(Axis axis) : axis_(axis) {}
  const char* name() const override { return "maxGradient"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &largest = run.input(1), &g = run.input(2), &dx = run.output(0);
    with_float(name(), dx.dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto group = [&](const T* from, int64_t stride, int64_t rows, int64_t width, T value, T gradient,
                             T* to) {
        int64_t ties = 0;
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < width; ++j) ties += from[i * stride + j] == value;
        }
        const T share = ties == 0 ? T{0} : gradient / static_cast<T>(ties);
        for (int64_t i = 0; i < rows; ++i) {
          for (int64_t j = 0; j < width; ++j)
            to[i * dx.width() + j] = from[i * stride + j] == value ? share : T{0};
        }
      };
      const T *in = x.as<T>(), *tops = largest.as<T>(), *incoming = g.as<T>();
      const int64_t rows = x.rows(), width = x.width(), stride = x.row_stride;
      switch (axis_) {
        case Axis::All:
          group(in, stride, rows, width, tops[0], incoming[0], dx.as<T>());
          break;
        case Axis::Last:
          run.pool().ranges(rows, grain_of(width), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
              group(in + i * stride, stride, 1, width, tops[i], incoming[i], dx.as<T>() + i * width);
            }
          });
          break;
        case Axis::Rows:
          run.pool().ranges(width, std::max(kColumnGrain, grain_of(rows)), [&](int64_t begin, int64_t end) {
            for (int64_t j = begin; j < end; ++j) {
              group(in + j, stride, rows, 1, tops[j], incoming[j], dx.as<T>() + j);
            }
          });
          break;
      }
    });
  }

 private:
  Axis axis_;
};

class Reduce final : public Primitive {
 public:
  Reduce(Kind kind, Axis axis) : kind_(kind), axis_(axis) {}
  const char* name() const override {
    return kind_ == Kind::Sum ? "sum" : kind_ == Kind::Mean ? "mean" : "max";
  }

  size_t scratch(const Extent& extent) const override {
    return axis_ == Axis::All ? sizeof(double) * static_cast<size_t>(chunks_of(extent.inputs[0])) : 0;
  }

  void forward(Run& run) const override {
    const View &x = run.input(0), &y = run.output(0);
    with_float(name(), x.dtype, [&](auto zero) {
      using T = decltype(zero);
      const ReduceTable<T>& kernels = reduce_table<T>();
      const double factor = kind_ == Kind::Mean ? 1.0 / static_cast<double>(reduced_count(x, axis_)) : 1.0;
      const int64_t width = x.width(), stride = x.row_stride;
      switch (axis_) {
        case Axis::Last:
          run.pool().ranges(x.rows(), grain_of(width), [&](int64_t begin, int64_t end) {
            for (int64_t i = begin; i < end; ++i) {
              const T* row = x.as<T>() + i * stride;
              y.as<T>()[i] = kind_ == Kind::Max ? kernels.max(row, width)
                                                : static_cast<T>(kernels.sum(row, width) * factor);
            }
          });
          break;
        case Axis::Rows:
          run.pool().ranges(width, std::max(kColumnGrain, grain_of(x.rows())),
                            [&](int64_t begin, int64_t end) {
                              const auto reduce = kind_ == Kind::Max ? kernels.max_rows : kernels.sum_rows;
                              T* out = y.as<T>() + begin;
                              reduce(x.as<T>() + begin, stride, x.rows(), end - begin, out);
                              if (kind_ != Kind::Mean) return;
                              for (int64_t j = 0; j < end - begin; ++j)
                                out[j] = static_cast<T>(out[j] * factor);
                            });
          break;
        case Axis::All: {
          double* partial = static_cast<double*>(run.scratch());
          for_chunks<T>(run.pool(), {&x, 1}, [&](int64_t chunk, const T* values, int64_t n) {
            partial[chunk] =
                kind_ == Kind::Max ? static_cast<double>(kernels.max(values, n)) : kernels.sum(values, n);
          });
          const int64_t chunks = chunks_of(x);
          if (kind_ == Kind::Max) {
            y.as<T>()[0] = static_cast<T>(reduce_table<double>().max(partial, chunks));
          } else {
            double total = 0;
            for (int64_t c = 0; c < chunks; ++c) total += partial[c];
            y.as<T>()[0] = static_cast<T>(total * factor);
          }
          break;
        }
      }
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value x = context.input(0);
    const Value& g = context.gradients[0];
    if (kind_ != Kind::Max) return {broadcast(g, x.shape(), axis_, kind_ == Kind::Mean)};
    return {make_value(std::make_unique<MaxGradient>(axis_),
                       {x, contiguous(context.output(0)), contiguous(g)}, Type(x.dtype(), x.shape()))};
  }

 private:
  Kind kind_;
  Axis axis_;
};

class ArgMax final : public Primitive {
 public:
  const char* name() const override { return "argmax"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &y = run.output(0);
    const int64_t width = x.width();
    if (width == 0) throw Error(ErrorCode::Shape, name(), "there is no largest of 0 elements");
    with_float(name(), x.dtype, [&](auto zero) {
      using T = decltype(zero);
      const ReduceTable<T>& kernels = reduce_table<T>();
      run.pool().ranges(x.rows(), grain_of(width), [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          y.as<int32_t>()[i] = static_cast<int32_t>(kernels.argmax(x.as<T>() + i * x.row_stride, width));
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext&) const override { return {Value{}}; }
};

Value reduce(Kind kind, const Value& x, Axis axis) {
  auto primitive = std::make_unique<Reduce>(kind, axis);
  require_float(primitive->name(), x.dtype());
  if (axis == Axis::Last && x.shape().empty()) {
    throw Error(ErrorCode::Shape, primitive->name(), "a scalar has no last dimension; use axis 'all'");
  }
  Type type(x.dtype(), reduced(x.shape(), axis));
  return make_value(std::move(primitive), {x}, std::move(type));
}

template <Value (*builder)(const Value&, Axis)>
std::vector<Value> build_reduction(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 1);
  return {builder(inputs[0], axis_from(attributes.text("axis", "all")))};
}

}  // namespace

Axis axis_from(const std::string& name) {
  if (name == "last") return Axis::Last;
  if (name == "rows") return Axis::Rows;
  if (name == "all") return Axis::All;
  throw Error(ErrorCode::Option, "", "axis must be 'last', 'rows' or 'all', not '" + name + "'");
}

Shape reduced(const Shape& shape, Axis axis) {
  if (axis == Axis::All || shape.empty()) return {};
  return axis == Axis::Rows ? Shape{shape.back()} : Shape(shape.begin(), shape.end() - 1);
}

Value sum(const Value& x, Axis axis) { return reduce(Kind::Sum, x, axis); }
Value mean(const Value& x, Axis axis) { return reduce(Kind::Mean, x, axis); }
Value max(const Value& x, Axis axis) { return reduce(Kind::Max, x, axis); }

Value broadcast(const Value& x, Shape shape, Axis axis, bool mean) {
  require_float("broadcast", x.dtype());
  if (x.shape() != reduced(shape, axis)) {
    throw Error(ErrorCode::Shape, "broadcast", str(x.shape()) + " does not repeat to " + str(shape));
  }
  Type type(x.dtype(), std::move(shape));
  return make_value(std::make_unique<Broadcast>(axis, mean, x.dtype()), {x}, std::move(type));
}

Value argmax(const Value& x) {
  require_float("argmax", x.dtype());
  if (x.shape().empty() || x.shape().back() == Dim(0)) {
    throw Error(ErrorCode::Shape, "argmax",
                "there is no largest along the last dimension of " + str(x.shape()));
  }
  return make_value(std::make_unique<ArgMax>(), {x}, Type(DType::Int32, reduced(x.shape(), Axis::Last)));
}

std::span<const OpEntry> reduce_ops() {
  static constexpr OpEntry entries[] = {
      {"sum", build_reduction<sum>},
      {"mean", build_reduction<mean>},
      {"max", build_reduction<max>},
      {"argmax",
       [](std::span<const Value> inputs, const Attributes&) -> std::vector<Value> {
         require_inputs(inputs, 1);
         return {argmax(inputs[0])};
       }},
      {"sumSquares",
       [](std::span<const Value> inputs, const Attributes&) -> std::vector<Value> {
         return {sum_squares(inputs)};
       }},
      {"allFinite",
       [](std::span<const Value> inputs, const Attributes&) -> std::vector<Value> {
         return {all_finite(inputs)};
       }},
  };
  return entries;
}

}  // namespace tiny
