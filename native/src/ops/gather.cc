#include "ops/gather.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/elementwise/elementwise.h"
#include "kernels/gather/gather.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/grain.h"
#include "ops/packed_weight.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/shape.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

// A pass over the ids before anything is written.
void check_ids(const char* op, const View& ids, int64_t rows) {
  const int32_t* values = ids.as<int32_t>();
  for (int64_t i = 0; i < ids.size(); ++i) {
    if (values[i] >= 0 && values[i] < rows) continue;
    throw Error(ErrorCode::Index, op,
                "id " + std::to_string(values[i]) + " at position " + std::to_string(i) +
                    " is not one of the " + std::to_string(rows) + " rows of the table",
                {{"id", static_cast<double>(values[i])},
                 {"position", static_cast<double>(i)},
                 {"size", static_cast<double>(rows)}});
  }
}

void require_table(const char* op, const Value& table, const Value& ids) {
  require_dtype(op, "ids", ids, DType::Int32);
  if (table.shape().size() != 2) {
    throw Error(ErrorCode::Shape, op, "takes rows [rows, width], not " + str(table.shape()));
  }
}

Shape looked_up(const Value& ids, const Dim& width) {
  Shape shape = ids.shape();
  shape.push_back(width);
  return shape;
}

class Gather final : public Primitive {
 public:
  Gather(const char* name, int64_t padding_idx) : name_(name), padding_idx_(padding_idx) {}
  const char* name() const override { return name_; }

  bool reads(const Extent& extent, size_t input) const override {
    return input != 0 || packed_table(extent.variables[0], extent.inputs[0]) == nullptr;
  }

  void forward(Run& run) const override {
    const View &table = run.input(0), &ids = run.input(1), &y = run.output(0);
    check_ids(name(), ids, table.rows());
    if (table.data == nullptr && table.size() > 0)
      return unpack_rows(*packed_table(run.variable(0), table), table, ids, y, run.pool());
    const int64_t width = table.width(), size = static_cast<int64_t>(size_of(table.dtype));
    const int64_t row_bytes = width * static_cast<int64_t>(size_of(y.dtype));
    const CastKernel widen = table.dtype == y.dtype ? nullptr : cast_kernel(table.dtype, y.dtype);
    run.pool().ranges(ids.size(), std::max<int64_t>(1, (32 << 10) / std::max<int64_t>(1, row_bytes)),
                      [&](int64_t begin, int64_t end) {
                        for (int64_t i = begin; i < end; ++i) {
                          const char* row = table.as<char>() + ids.as<int32_t>()[i] * table.row_stride * size;
                          char* to = y.as<char>() + i * row_bytes;
                          if (widen != nullptr) {
                            widen(row, to, width);
                          } else {
                            std::memcpy(to, row, static_cast<size_t>(row_bytes));
                          }
                        }
                      });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {scatter_add(context.gradients[0], context.input(1), context.input(0).shape()[0], padding_idx_),
            Value{}};
  }

 private:
  // What a head that is tied to the table multiplies by.
  static const PackedMatrix* packed_table(Variable* variable, const View& table) {
    return packed_weight(variable, table, true, false);
  }

  static void unpack_rows(const PackedMatrix& packed, const View& table, const View& ids, const View& y,
                          ThreadPool& pool) {
    constexpr int64_t kPiece = 256;
    const int64_t width = table.width(), size = static_cast<int64_t>(size_of(y.dtype));
    const CastKernel widen = table.dtype == y.dtype ? nullptr : cast_kernel(table.dtype, y.dtype);
    pool.ranges(ids.size(), grain_of(4 * width), [&](int64_t begin, int64_t end) {
      char stored[kPiece * sizeof(float)];
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t first = 0; first < width; first += kPiece) {
          const int64_t count = std::min(kPiece, width - first);
          char* to = y.as<char>() + (i * width + first) * size;
          packed.unpack_column(ids.as<int32_t>()[i], first, count, widen == nullptr ? to : stored);
          if (widen != nullptr) widen(stored, to, count);
        }
      }
    });
  }

  const char* name_;
  int64_t padding_idx_;
};

class ScatterAdd final : public Primitive {
 public:
  explicit ScatterAdd(int64_t skip) : skip(skip) {}
  const char* name() const override { return "scatterAdd"; }
  int reuse(size_t) const override { return 2; }

  void forward(Run& run) const override {
    const View &g = run.input(0), &ids = run.input(1), &y = run.output(0);
    check_ids(name(), ids, y.rows());
    if (!run.has(2)) {
      fill_zeros(run.pool(), y.data, static_cast<int64_t>(y.bytes()));
    } else if (run.input(2).data != y.data) {
      copy_view(run.pool(), y.data, run.input(2));
    }
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      // Every thread adds all rows, in order, to columns of its own.
      constexpr int64_t kColumns = 128;
      run.pool().ranges(y.width(), kColumns, [&](int64_t begin, int64_t end) {
        gather_table<T>().scatter_add(g.as<T>() + begin, g.row_stride, ids.as<int32_t>(), ids.size(),
                                      end - begin, skip, y.as<T>() + begin, y.width());
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    if (skip >= 0) throw Error(ErrorCode::Gradient, name(), "has no gradient where a padding row is skipped");
    const Value& g = context.gradients[0];
    return {context.wants[0] ? gather_rows(g, context.input(1)) : Value{}, Value{}, g};
  }

  const int64_t skip;
};

Value look_up(const char* op, const Value& table, const Value& ids, DType dtype, int64_t padding_idx) {
  return make_value(std::make_unique<Gather>(op, padding_idx), {table, contiguous(ids)},
                    Type(dtype, looked_up(ids, table.shape()[1])));
}

}  // namespace

Value embedding(const Value& table, const Value& ids, int64_t padding_idx) {
  require_table("embedding", table, ids);
  const bool half = table.dtype() == DType::BFloat16 || table.dtype() == DType::Float16;
  if (!half) require_float("embedding", table.dtype());
  return look_up("embedding", table, ids, half ? DType::Float32 : table.dtype(), padding_idx);
}

Value gather_rows(const Value& x, const Value& indices) {
  require_table("gatherRows", x, indices);
  return look_up("gatherRows", x, indices, x.dtype(), -1);
}

Value scatter_add(const Value& g, const Value& ids, const Dim& rows, int64_t skip, const Value& base) {
  require_float("scatterAdd", g.dtype());
  require_dtype("scatterAdd", "ids", ids, DType::Int32);
  require_dtype("scatterAdd", "base", base, g.dtype());
  Type type(g.dtype(), {rows, g.type().width()});
  if (g.shape() != looked_up(ids, type.width()) || (base && base.shape() != type.shape)) {
    throw Error(
        ErrorCode::Shape, "scatterAdd",
        "rows " + str(g.shape()) + " do not go to ids " + str(ids.shape()) + " of " + str(type.shape));
  }
  return make_value(std::make_unique<ScatterAdd>(skip), {g, contiguous(ids), base}, std::move(type));
}

Value scatter_onto(const Value& x, const Value& base) {
  const auto* scatter = dynamic_cast<const ScatterAdd*>(x.node->primitive.get());
  if (scatter == nullptr || x.node->inputs[2] || base.dtype() != x.dtype() || base.shape() != x.shape())
    return {};
  return scatter_add(x.node->inputs[0], x.node->inputs[1], x.shape()[0], scatter->skip, base);
}

std::span<const OpEntry> gather_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"embedding",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         return {embedding(in[0], in[1], at.integer("paddingIdx", -1))};
       }},
      {"gatherRows",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 2);
         return {gather_rows(in[0], in[1])};
       }},
      {"padRows",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         return {pad_rows(in[0], in[1], at.dim("length"))};
       }},
      {"unpadRows",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2);
         return {unpad_rows(in[0], in[1], at.dim("rows"))};
       }},
      {"shiftRows",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 2, 1);
         return {shift_rows(in[0], in[1], at.integer("by"), in.size() > 2 ? in[2] : Value{})};
       }},
      {"segmentMean",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 2);
         return {segment_mean(in[0], in[1])};
       }},
      {"segmentMax",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 2);
         return {segment_max(in[0], in[1])};
       }},
  };
  return entries;
}

}  // namespace tiny
