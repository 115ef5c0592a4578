#include "ops/top_k.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace tiny {

namespace {

constexpr int64_t kElements = 16 << 10;  // of work for a thread

int64_t grain(int64_t width) { return std::max<int64_t>(1, kElements / std::max<int64_t>(1, width)); }

// A pass over the indices before anything is written.
void check_columns(const char* op, const View& indices, int64_t columns) {
  const int32_t* at = indices.as<int32_t>();
  for (int64_t i = 0; i < indices.size(); ++i) {
    if (at[i] >= 0 && at[i] < columns) continue;
    throw Error(ErrorCode::Index, op,
                "index " + std::to_string(at[i]) + " at position " + std::to_string(i) +
                    " is not one of the " + std::to_string(columns) + " columns",
                {{"id", static_cast<double>(at[i])},
                 {"position", static_cast<double>(i)},
                 {"size", static_cast<double>(columns)}});
  }
}

class TopKPrimitive final : public Primitive {
 public:
  const char* name() const override { return "topK"; }

  // The indices are where the search happens.
  size_t scratch(const Extent& extent) const override {
    return extent.wanted[1] ? 0 : extent.outputs[1].bytes();
  }

  void forward(Run& run) const override {
    const View &x = run.input(0), &values = run.output(0);
    const int64_t k = run.output(1).width(), width = x.width();
    int32_t* indices = run.wanted(1) ? run.output(1).as<int32_t>() : static_cast<int32_t*>(run.scratch());
    with_float(name(), x.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(x.rows(), grain(width), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const T* from = x.as<T>() + row * x.row_stride;
          int32_t* best = indices + row * k;
          search(from, width, k, best);
          if (!run.wanted(0)) continue;
          for (int64_t j = 0; j < k; ++j) values.as<T>()[row * k + j] = from[best[j]];
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value& g = context.gradients[0];
    return {g ? scatter_last(g, context.output(1), context.input(0).type().width()) : Value{}};
  }

 private:
  // A heap of the k best so far with the worst of them in front: n log k steps at worst, and about n where
  // few elements enter it.
  template <typename T>
  static void search(const T* x, int64_t n, int64_t k, int32_t* best) {
    const auto better = [x](int32_t a, int32_t b) {
      const T p = x[a], q = x[b];
      if (p > q) return true;
      if (p < q) return false;
      const bool p_nan = std::isnan(p), q_nan = std::isnan(q);
      return p_nan == q_nan ? a < b : p_nan;
    };
    if (k == 0) return;
    for (int32_t i = 0; i < k; ++i) best[i] = i;
    std::make_heap(best, best + k, better);
    for (int32_t i = static_cast<int32_t>(k); i < n; ++i) {
      if (!better(i, best[0])) continue;
      std::pop_heap(best, best + k, better);
      best[k - 1] = i;
      std::push_heap(best, best + k, better);
    }
    std::sort_heap(best, best + k, better);
  }
};

class GatherLast final : public Primitive {
 public:
  const char* name() const override { return "gatherLast"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &indices = run.input(1), &y = run.output(0);
    check_columns(name(), indices, x.width());
    const int64_t k = y.width();
    with_float(name(), x.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(y.rows(), grain(k), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          const T* from = x.as<T>() + row * x.row_stride;
          for (int64_t i = row * k; i < (row + 1) * k; ++i) y.as<T>()[i] = from[indices.as<int32_t>()[i]];
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {scatter_last(context.gradients[0], context.input(1), context.input(0).type().width()), Value{}};
  }
};

class ScatterLast final : public Primitive {
 public:
  const char* name() const override { return "scatterLast"; }

  void forward(Run& run) const override {
    const View &g = run.input(0), &indices = run.input(1), &y = run.output(0);
    check_columns(name(), indices, y.width());
    const int64_t k = g.width(), columns = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(y.rows(), grain(columns), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          T* to = y.as<T>() + row * columns;
          std::fill_n(to, columns, T{0});
          const int32_t* at = indices.as<int32_t>() + row * k;
          for (int64_t j = 0; j < k; ++j) to[at[j]] += g.as<T>()[row * g.row_stride + j];
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {gather_last(context.gradients[0], context.input(1)), Value{}};
  }
};

class MarkColumns final : public Primitive {
 public:
  const char* name() const override { return "markColumns"; }

  void forward(Run& run) const override {
    const View &indices = run.input(0), &y = run.output(0);
    check_columns(name(), indices, y.width());
    const int64_t k = indices.width(), columns = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(y.rows(), grain(columns), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
          T* to = y.as<T>() + row * columns;
          std::fill_n(to, columns, T{0});
          for (int64_t i = row * k; i < (row + 1) * k; ++i) to[indices.as<int32_t>()[i]] = T{1};
        }
      });
    });
  }
};

Shape with_width(const Value& x, const Dim& width) {
  Shape shape = x.shape();
  shape.back() = width;
  return shape;
}

// Throws unless x [.., N] and `indices` [.., k] have the same rows.
void require_rows(const char* op, const Value& x, const Value& indices) {
  require_dtype(op, "indices", indices, DType::Int32);
  if (!x.shape().empty() && !indices.shape().empty() && with_width(indices, x.type().width()) == x.shape())
    return;
  throw Error(ErrorCode::Shape, op,
              "indices " + str(indices.shape()) + " do not have the rows of " + str(x.shape()),
              {{"x", str(x.shape())}, {"indices", str(indices.shape())}});
}

}  // namespace

TopK top_k(const Value& x, int64_t k) {
  require_float("topK", x.dtype());
  if (x.shape().empty() || !x.type().width().is_constant() || k < 0 || k > x.type().width().value()) {
    throw Error(ErrorCode::Shape, "topK",
                std::to_string(k) + " elements cannot be chosen of each row of " + str(x.shape()),
                {{"k", static_cast<double>(k)}, {"shape", str(x.shape())}});
  }
  const Shape shape = with_width(x, k);
  const auto outputs =
      make_node(std::make_unique<TopKPrimitive>(), {x}, {Type(x.dtype(), shape), Type(DType::Int32, shape)});
  return {outputs[0], outputs[1]};
}

Value gather_last(const Value& x, const Value& indices) {
  require_float("gatherLast", x.dtype());
  require_rows("gatherLast", x, indices);
  return make_value(std::make_unique<GatherLast>(), {x, contiguous(indices)},
                    Type(x.dtype(), indices.shape()));
}

Value scatter_last(const Value& g, const Value& indices, const Dim& columns) {
  require_float("scatterLast", g.dtype());
  require_dtype("scatterLast", "indices", indices, DType::Int32);
  if (g.shape() != indices.shape() || g.shape().empty()) {
    throw Error(ErrorCode::Shape, "scatterLast",
                str(g.shape()) + " has not one element for each index of " + str(indices.shape()));
  }
  return make_value(std::make_unique<ScatterLast>(), {g, contiguous(indices)},
                    Type(g.dtype(), with_width(g, columns)));
}

Value mark_columns(const Value& indices, const Dim& columns, DType dtype) {
  require_float("markColumns", dtype);
  require_dtype("markColumns", "indices", indices, DType::Int32);
  if (indices.shape().empty()) {
    throw Error(ErrorCode::Shape, "markColumns", "takes indices [.., k], not a scalar");
  }
  return make_value(std::make_unique<MarkColumns>(), {contiguous(indices)},
                    Type(dtype, with_width(indices, columns)));
}

std::span<const OpEntry> top_k_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"topK",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         const TopK found = top_k(in[0], at.integer("k"));
         return {found.values, found.indices};
       }},
      {"gatherLast",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 2);
         return {gather_last(in[0], in[1])};
       }},
      {"markColumns",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         return {mark_columns(in[0], at.dim("columns"), dtype_from(at.text("dtype", "float32")))};
       }},
  };
  return entries;
}

}  // namespace tiny
