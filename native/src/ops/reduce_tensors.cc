#include <atomic>
#include <memory>
#include <string>

#include "ops/dtype_dispatch.h"
#include "ops/elementwise.h"
#include "ops/reduce.h"
#include "ops/reduce_flat.h"

namespace tiny {

namespace {

std::vector<View> inputs_of(const Run& run, size_t count) {
  std::vector<View> views;
  for (size_t i = 0; i < count; ++i) views.push_back(run.input(i));
  return views;
}

size_t scratch_of(const Extent& extent) {
  int64_t chunks = 0;
  for (const View& x : extent.inputs) chunks += chunks_of(x);
  return sizeof(double) * static_cast<size_t>(chunks);
}

class SumSquares final : public Primitive {
 public:
  explicit SumSquares(size_t count) : count_(count) {}
  const char* name() const override { return "sumSquares"; }
  size_t scratch(const Extent& extent) const override { return scratch_of(extent); }

  void forward(Run& run) const override {
    const View& y = run.output(0);
    const std::vector<View> tensors = inputs_of(run, count_);
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      double* partial = static_cast<double*>(run.scratch());
      for_chunks<T>(run.pool(), tensors, [&](int64_t chunk, const T* values, int64_t n) {
        partial[chunk] = reduce_table<T>().sum_squares(values, n);
      });
      double total = 0;
      for (const View& x : tensors) {
        for (int64_t c = chunks_of(x); c > 0; --c) total += *partial++;
      }
      y.as<T>()[0] = static_cast<T>(total);
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    std::vector<Value> gradients(count_);
    const Value twice = scale(context.gradients[0], 2);
    for (size_t i = 0; i < count_; ++i) {
      if (context.wants[i]) gradients[i] = mul(context.input(i), twice);
    }
    return gradients;
  }

 private:
  size_t count_;
};

class AllFinite final : public Primitive {
 public:
  explicit AllFinite(size_t count) : count_(count) {}
  const char* name() const override { return "allFinite"; }

  void forward(Run& run) const override {
    const View& y = run.output(0);
    const std::vector<View> tensors = inputs_of(run, count_);
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      std::atomic<bool> finite{true};
      for_chunks<T>(run.pool(), tensors, [&](int64_t, const T* values, int64_t n) {
        if (!reduce_table<T>().all_finite(values, n)) finite.store(false, std::memory_order_relaxed);
      });
      y.as<T>()[0] = finite.load() ? T{1} : T{0};
    });
  }

  std::vector<Value> gradient(const GradientContext&) const override { return std::vector<Value>(count_); }

 private:
  size_t count_;
};

template <typename Op>
Value over_tensors(std::span<const Value> tensors) {
  auto primitive = std::make_unique<Op>(tensors.size());
  if (tensors.empty()) throw Error(ErrorCode::Shape, primitive->name(), "needs at least one tensor");
  for (const Value& x : tensors) {
    if (!x) throw Error(ErrorCode::Option, primitive->name(), "a tensor is missing");
    require_float(primitive->name(), x.dtype());
    require_dtype(primitive->name(), "every tensor", x, tensors[0].dtype());
  }
  return make_value(std::move(primitive), {tensors.begin(), tensors.end()}, Type(tensors[0].dtype(), {}));
}

}  // namespace

Value sum_squares(std::span<const Value> tensors) { return over_tensors<SumSquares>(tensors); }
Value all_finite(std::span<const Value> tensors) { return over_tensors<AllFinite>(tensors); }

}  // namespace tiny
