#include "ops/cast.h"

#include <algorithm>
#include <string>

#include "kernels/elementwise/elementwise.h"
#include "ops/arity.h"
#include "ops/registry.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 32768;  // elements a thread takes at once

class Cast final : public Primitive {
 public:
  Cast(DType from, DType to) : from_(from), to_(to) {}
  const char* name() const override { return "cast"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &y = run.output(0);
    const CastKernel kernel = cast_kernel(from_, to_);
    const auto* from = x.as<const char>();
    auto* to = y.as<char>();
    const auto in_size = static_cast<int64_t>(size_of(from_)), out_size = static_cast<int64_t>(size_of(to_));
    const int64_t width = y.width();
    if (x.row_stride == width || y.rows() == 1) {
      run.pool().ranges(y.size(), kGrain, [&](int64_t begin, int64_t end) {
        kernel(from + begin * in_size, to + begin * out_size, end - begin);
      });
      return;
    }
    run.pool().ranges(y.rows(), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)),
                      [&](int64_t begin, int64_t end) {
                        for (int64_t row = begin; row < end; ++row) {
                          kernel(from + row * x.row_stride * in_size, to + row * width * out_size, width);
                        }
                      });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {is_floating(to_) ? cast(context.gradients[0], from_) : Value{}};
  }

 private:
  DType from_, to_;
};

std::vector<Value> build_cast(std::span<const Value> inputs, const Attributes& attributes) {
  require_inputs(inputs, 1);
  return {cast(inputs[0], dtype_from(attributes.text("dtype")))};
}

}  // namespace

Value cast(const Value& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (cast_kernel(x.dtype(), dtype, Isa::Scalar) == nullptr) {
    throw Error(
        ErrorCode::DType, "cast",
        "there is no cast from " + std::string(name_of(x.dtype())) + " to " + std::string(name_of(dtype)));
  }
  return make_value(std::make_unique<Cast>(x.dtype(), dtype), {x}, Type(dtype, x.shape()));
}

std::span<const OpEntry> cast_ops() {
  static constexpr OpEntry list[] = {{"cast", build_cast}};
  return list;
}

}  // namespace tiny
