#include <cstring>
#include <string>

#include "ops/dtype_dispatch.h"
#include "ops/segments.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

// Row i is the row of its sequence that stands `by` columns further, zeros where there is none.
class ShiftRows final : public Primitive {
 public:
  explicit ShiftRows(int64_t by) : by_(by) {}
  const char* name() const override { return "shiftRows"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    check_offsets(name(), "offsets", offsets, x.dims[0]);
    const int32_t *at = offsets.as<int32_t>(), *columns = run.has(2) ? run.input(2).as<int32_t>() : nullptr;
    if (columns != nullptr) check_columns(at, offsets.size() - 1, columns);
    const int64_t size = static_cast<int64_t>(size_of(x.dtype)), row = x.width() * size;
    run.pool().ranges(offsets.size() - 1, 1, [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        int64_t from = at[s];  // columns rise, and so does the row that is wanted
        for (int64_t i = at[s]; i < at[s + 1]; ++i) {
          char* to = y.as<char>() + i * y.row_stride * size;
          if (columns == nullptr) {
            from = i + by_;
          } else {
            while (from < at[s + 1] && columns[from] < columns[i] + by_) ++from;
          }
          const bool found =
              from >= at[s] && from < at[s + 1] && (columns == nullptr || columns[from] == columns[i] + by_);
          if (found) {
            std::memcpy(to, x.as<char>() + from * x.row_stride * size, static_cast<size_t>(row));
          } else {
            std::memset(to, 0, static_cast<size_t>(row));
          }
        }
      }
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value columns = context.node->inputs.size() > 2 ? context.input(2) : Value{};
    return {shift_rows(context.gradients[0], context.input(1), -by_, columns), Value{}, Value{}};
  }

 private:
  void check_columns(const int32_t* at, int64_t sequences, const int32_t* columns) const {
    for (int64_t s = 0; s < sequences; ++s) {
      for (int64_t i = at[s] + 1; i < at[s + 1]; ++i) {
        if (columns[i] > columns[i - 1]) continue;
        throw Error(ErrorCode::Index, name(),
                    "columns[" + std::to_string(i) + "] is " + std::to_string(columns[i]) + " after " +
                        std::to_string(columns[i - 1]) + "; the columns of a sequence must rise",
                    {{"index", static_cast<double>(i)}});
      }
    }
  }

  const int64_t by_;
};

}  // namespace

Value shift_rows(const Value& x, const Value& offsets, int64_t by, const Value& columns) {
  require_offsets("shiftRows", offsets);
  if (x.shape().size() != 2)
    throw Error(ErrorCode::Shape, "shiftRows", "takes [rows, width], not " + str(x.shape()));
  if (columns) {
    require_dtype("shiftRows", "columns", columns, DType::Int32);
    if (columns.shape() != Shape{x.shape()[0]}) {
      throw Error(ErrorCode::Shape, "shiftRows",
                  "columns must be [" + x.shape()[0].str() + "] as x " + str(x.shape()) + ", not " +
                      str(columns.shape()));
    }
  }
  Type type(x.dtype(), x.shape());
  return make_value(std::make_unique<ShiftRows>(by), {x, offsets, columns}, std::move(type));
}

}  // namespace tiny
