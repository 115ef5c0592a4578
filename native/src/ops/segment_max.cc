#include "ops/segments.h"

#include <algorithm>

#include "ops/dtype_dispatch.h"

namespace tiny {

namespace {

// [tokens, width] -> [sequences, width] and the int32 token of each; 0 and -1 for a sequence without tokens.
class SegmentMax final : public Primitive {
 public:
  const char* name() const override { return "segmentMax"; }

  size_t scratch(const Extent& extent) const override {
    return extent.wanted[1] ? 0 : extent.outputs[1].bytes();
  }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    check_offsets(name(), "offsets", offsets, x.rows());
    const int32_t* at = offsets.as<int32_t>();
    const int64_t width = x.width();
    int32_t* tokens = run.wanted(1) ? run.output(1).as<int32_t>() : static_cast<int32_t*>(run.scratch());
    with_float(name(), x.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(run.output(1).rows(), 1, [&](int64_t begin, int64_t end) {
        for (int64_t s = begin; s < end; ++s) {
          int32_t* largest = tokens + s * width;
          const T* data = x.as<T>();
          std::fill_n(largest, width, at[s] == at[s + 1] ? -1 : at[s]);
          for (int32_t i = at[s] + 1; i < at[s + 1]; ++i) {
            const T* row = data + i * x.row_stride;
            for (int64_t j = 0; j < width; ++j) {
              if (row[j] > data[largest[j] * x.row_stride + j]) largest[j] = i;
            }
          }
          if (!run.wanted(0)) continue;
          for (int64_t j = 0; j < width; ++j) {
            y.as<T>()[s * width + j] = largest[j] < 0 ? T{0} : data[largest[j] * x.row_stride + j];
          }
        }
      });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override;
};

// [sequences, width] -> [tokens, width]: each element to the token it came from, zeros elsewhere.
class SegmentPut final : public Primitive {
 public:
  const char* name() const override { return "segmentPut"; }

  void forward(Run& run) const override {
    const View &g = run.input(0), &tokens = run.input(1), &y = run.output(0);
    const int32_t* at = tokens.as<int32_t>();
    const int64_t width = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      std::fill_n(y.as<T>(), y.size(), T{0});
      for (int64_t s = 0; s < g.rows(); ++s) {
        for (int64_t j = 0; j < width; ++j) {
          const int32_t token = at[s * width + j];
          if (token >= 0) y.as<T>()[token * width + j] = g.as<T>()[s * g.row_stride + j];
        }
      }
    });
  }
};

std::vector<Value> SegmentMax::gradient(const GradientContext& context) const {
  const Value& g = context.gradients[0];
  const Value& x = context.input(0);
  Type type(x.dtype(), x.shape());
  return {make_value(std::make_unique<SegmentPut>(), {g, context.output(1)}, std::move(type)), Value{}};
}

}  // namespace

Value segment_max(const Value& x, const Value& offsets) {
  require_offsets("segmentMax", offsets);
  require_float("segmentMax", x.dtype());
  if (x.shape().size() != 2)
    throw Error(ErrorCode::Shape, "segmentMax", "takes [rows, width], not " + str(x.shape()));
  const Shape shape{sequences_of(offsets), x.shape()[1]};
  return make_node(std::make_unique<SegmentMax>(), {x, offsets},
                   {Type(x.dtype(), shape), Type(DType::Int32, shape)})[0];
}

}  // namespace tiny
