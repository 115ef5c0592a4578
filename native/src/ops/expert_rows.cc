#include "ops/expert_rows.h"

#include <algorithm>
#include <string>

#include "kernels/experts/experts.h"
#include "kernels/reduce/reduce.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/shape.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

constexpr int64_t kElements = 16 << 10;  // of work for a thread

void check_index(const char* op, const char* what, const View& indices, int64_t size) {
  const int32_t* at = indices.as<int32_t>();
  for (int64_t i = 0; i < indices.size(); ++i) {
    if (at[i] >= 0 && at[i] < size) continue;
    throw Error(ErrorCode::Index, op,
                std::string(what) + " " + std::to_string(at[i]) + " at position " + std::to_string(i) +
                    " is not in [0, " + std::to_string(size) + ")",
                {{"id", static_cast<double>(at[i])},
                 {"position", static_cast<double>(i)},
                 {"size", static_cast<double>(size)}});
  }
}

// A counting sort, which is stable.
class SortByExpert final : public Primitive {
 public:
  const char* name() const override { return "sortByExpert"; }

  // Where the next pair of each expert goes; also the offsets, where nobody wants them.
  size_t scratch(const Extent& extent) const override { return extent.outputs[1].bytes(); }

  void forward(Run& run) const override {
    const View& indices = run.input(0);
    const int64_t experts = run.output(1).size() - 1, k = indices.width();
    check_index(name(), "expert", indices, experts);
    const int32_t* chosen = indices.as<int32_t>();
    int32_t* next = static_cast<int32_t*>(run.scratch());
    std::fill_n(next, experts + 1, 0);
    for (int64_t i = 0; i < indices.size(); ++i) ++next[chosen[i] + 1];
    for (int64_t e = 0; e < experts; ++e) next[e + 1] += next[e];
    if (run.wanted(1)) std::copy_n(next, experts + 1, run.output(1).as<int32_t>());
    for (int64_t i = 0; i < indices.size(); ++i) {
      const int32_t place = next[chosen[i]]++;
      if (run.wanted(0)) run.output(0).as<int32_t>()[place] = static_cast<int32_t>(i / k);
      if (run.wanted(2)) run.output(2).as<int32_t>()[i] = place;
    }
  }
};

Value spread_experts(const Value& g, const Value& places, const Value& weights, const Dim& rows);
Value project_experts(const Value& g, const Value& y, const Value& places);

class CombineExperts final : public Primitive {
 public:
  const char* name() const override { return "combineExperts"; }

  void forward(Run& run) const override {
    const View &y = run.input(0), &places = run.input(1), &weights = run.input(2), &out = run.output(0);
    check_index(name(), "place", places, y.rows());
    const int64_t k = places.width(), width = out.width();
    with_float(name(), out.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(
          out.rows(), std::max<int64_t>(1, kElements / (1 + k * width)), [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t) {
              expert_table<T>().combine(y.as<T>(), y.row_stride, places.as<int32_t>() + t * k,
                                        weights.as<T>() + t * k, k, width, out.as<T>() + t * width);
            }
          });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &g = context.gradients[0], y = context.input(0), places = context.input(1);
    return {context.wants[0] ? spread_experts(g, places, context.input(2), y.shape()[0]) : Value{}, Value{},
            context.wants[2] ? project_experts(g, y, places) : Value{}};
  }
};

// y[places[t, j]] = the sum of weights[t, j] g[t]: combineExperts the other way round.
class SpreadExperts final : public Primitive {
 public:
  const char* name() const override { return "spreadExperts"; }

  void forward(Run& run) const override {
    const View &g = run.input(0), &places = run.input(1), &weights = run.input(2), &y = run.output(0);
    check_index(name(), "place", places, y.rows());
    fill_zeros(run.pool(), y.data, static_cast<int64_t>(y.bytes()));
    const int64_t k = places.width(), width = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      // Places may repeat: every thread adds all rows, in order, to columns of its own.
      constexpr int64_t kColumns = 128;
      run.pool().ranges(width, kColumns, [&](int64_t begin, int64_t end) {
        for (int64_t t = 0; t < g.rows(); ++t) {
          expert_table<T>().spread(g.as<T>() + t * g.row_stride + begin, places.as<int32_t>() + t * k,
                                   weights.as<T>() + t * k, k, end - begin, y.as<T>() + begin, width);
        }
      });
    });
  }
};

// weights[t, j] = g[t] · y[places[t, j]].
class ProjectExperts final : public Primitive {
 public:
  const char* name() const override { return "projectExperts"; }

  void forward(Run& run) const override {
    const View &g = run.input(0), &y = run.input(1), &places = run.input(2), &out = run.output(0);
    check_index(name(), "place", places, y.rows());
    const int64_t k = places.width(), width = g.width();
    with_float(name(), out.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(
          out.rows(), std::max<int64_t>(1, kElements / (1 + k * width)), [&](int64_t begin, int64_t end) {
            for (int64_t t = begin; t < end; ++t) {
              expert_table<T>().project(g.as<T>() + t * g.row_stride, y.as<T>(), y.row_stride,
                                        places.as<int32_t>() + t * k, k, width, out.as<T>() + t * k);
            }
          });
    });
  }
};

Value spread_experts(const Value& g, const Value& places, const Value& weights, const Dim& rows) {
  Type type(g.dtype(), {rows, g.type().width()});
  return make_value(std::make_unique<SpreadExperts>(), {g, places, weights}, std::move(type));
}

Value project_experts(const Value& g, const Value& y, const Value& places) {
  return make_value(std::make_unique<ProjectExperts>(), {g, y, places}, Type(g.dtype(), places.shape()));
}

class SumByExpert final : public Primitive {
 public:
  const char* name() const override { return "sumByExpert"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    check_offsets(name(), "offsets", offsets, x.rows());
    const int32_t* at = offsets.as<int32_t>();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(y.rows(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t e = begin; e < end; ++e) {
          reduce_table<T>().sum_rows(x.as<T>() + at[e] * x.row_stride, x.row_stride, at[e + 1] - at[e],
                                     y.width(), y.as<T>() + e * y.width());
        }
      });
    });
  }
};

}  // namespace

ExpertOrder sort_by_expert(const Value& indices, int64_t experts) {
  require_dtype("sortByExpert", "indices", indices, DType::Int32);
  if (indices.shape().size() != 2 || !indices.shape()[1].is_constant()) {
    throw Error(ErrorCode::Shape, "sortByExpert", "takes indices [tokens, k], not " + str(indices.shape()));
  }
  if (experts < 1) {
    throw Error(ErrorCode::Option, "sortByExpert",
                "experts must be at least 1, not " + std::to_string(experts));
  }
  const Dim pairs = indices.shape()[0] * indices.shape()[1].value();
  const auto outputs = make_node(std::make_unique<SortByExpert>(), {contiguous(indices)},
                                 {Type(DType::Int32, {pairs}), Type(DType::Int32, {Dim(experts + 1)}),
                                  Type(DType::Int32, indices.shape())});
  return {outputs[0], outputs[1], outputs[2]};
}

Value combine_experts(const Value& y, const Value& places, const Value& weights) {
  const char* op = "combineExperts";
  require_float(op, y.dtype());
  require_dtype(op, "places", places, DType::Int32);
  require_dtype(op, "weights", weights, y.dtype());
  if (y.shape().size() != 2 || places.shape().size() != 2 || places.shape() != weights.shape()) {
    throw Error(ErrorCode::Shape, op,
                "takes rows [rows, width], places [tokens, k] and weights [tokens, k], not " +
                    str(y.shape()) + ", " + str(places.shape()) + " and " + str(weights.shape()),
                {{"y", str(y.shape())}, {"places", str(places.shape())}, {"weights", str(weights.shape())}});
  }
  return make_value(std::make_unique<CombineExperts>(), {y, contiguous(places), contiguous(weights)},
                    Type(y.dtype(), {places.shape()[0], y.shape()[1]}));
}

Value sum_by_expert(const Value& x, const Value& offsets) {
  require_float("sumByExpert", x.dtype());
  require_offsets("sumByExpert", offsets);
  return make_value(std::make_unique<SumByExpert>(), {x, offsets},
                    Type(x.dtype(), {sequences_of(offsets), x.type().width()}));
}

std::span<const OpEntry> expert_row_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"sortByExpert",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         const ExpertOrder order = sort_by_expert(in[0], at.integer("experts"));
         return {order.rows, order.offsets, order.places};
       }},
      {"combineExperts",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 3);
         return {combine_experts(in[0], in[1], in[2])};
       }},
  };
  return entries;
}

}  // namespace tiny
