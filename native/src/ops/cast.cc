#include "ops/cast.h"

#include <string>

#include "graph/tiles.h"
#include "kernels/elementwise/elementwise.h"
#include "ops/arity.h"
#include "ops/registry.h"

namespace tiny {

namespace {

class Cast final : public Primitive, public Tiled {
 public:
  Cast(DType from, DType to) : from_(from), to_(to) {}
  const char* name() const override { return "cast"; }
  const Tiled* tiled() const override { return this; }
  Spread spread(size_t) const override { return Spread::Full; }
  void forward(Run& run) const override { run_tiles(*this, 1, run); }

  void tile(const void* const* inputs, void* out, const TileArea& area) const noexcept override {
    cast_kernel(from_, to_)(inputs[0], out, area.n);
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
