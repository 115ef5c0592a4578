#include "ops/head_products.h"

#include <string>

#include "kernels/matmul/matmul.h"
#include "ops/arity.h"
#include "ops/dtype_dispatch.h"
#include "ops/registry.h"
#include "ops/shape.h"

namespace tiny {

namespace {

class HeadProducts final : public Primitive {
 public:
  explicit HeadProducts(const HeadProductOptions& options) : options_(options) {}
  const char* name() const override { return "headProducts"; }

  size_t scratch(const Extent& extent) const override {
    return multiply_scratch(product(extent.inputs[0], extent.inputs[1], extent.outputs[0], 0),
                            extent.threads);
  }

  void forward(Run& run) const override {
    for (int64_t head = 0; head < options_.heads; ++head) {
      multiply(product(run.input(0), run.input(1), run.output(0), head), run.scratch(), run.pool());
    }
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    const Value &a = context.input(0), &b = context.input(1), &dc = context.gradients[0];
    const auto made = [&](const Value& x, const Value& y, bool transpose_x, bool transpose_y) {
      HeadProductOptions options = options_;
      options.transpose_a = transpose_x;
      options.transpose_b = transpose_y;
      return head_products(x, y, options);
    };
    std::vector<Value> gradients(2);
    if (context.wants[0])
      gradients[0] =
          options_.transpose_a ? made(b, dc, false, true) : made(dc, b, false, !options_.transpose_b);
    if (context.wants[1]) {
      gradients[1] =
          options_.transpose_b ? made(dc, a, true, false) : made(a, dc, !options_.transpose_a, false);
    }
    return gradients;
  }

 private:
  Product product(const View& a, const View& b, const View& c, int64_t head) const {
    const int64_t size = static_cast<int64_t>(size_of(c.dtype));
    const auto columns = [&](const View& x) { return x.width() / options_.heads; };
    const auto part = [&](const View& x) { return x.as<char>() + head * columns(x) * size; };
    Product p;
    p.m = c.dims[0];
    p.n = columns(c);
    p.k = options_.transpose_a ? a.dims[0] : columns(a);
    p.a = {part(a), a.dtype, a.row_stride, options_.transpose_a};
    p.b = {part(b), b.dtype, b.row_stride, options_.transpose_b};
    p.alpha = options_.scale;
    p.c = part(c);
    p.c_dtype = c.dtype;
    p.c_stride = c.row_stride;
    return p;
  }

  const HeadProductOptions options_;
};

int64_t head_width(const char* name, const Value& x, int64_t heads) {
  const Shape& shape = x.shape();
  if (shape.size() == 2 && shape[1].is_constant() && shape[1].value() % heads == 0)
    return shape[1].value() / heads;
  throw Error(
      ErrorCode::Shape, "headProducts",
      std::string(name) + " must be [rows, " + std::to_string(heads) + " * width], not " + str(shape));
}

}  // namespace

Value head_products(const Value& a, const Value& b, const HeadProductOptions& options) {
  const char* op = "headProducts";
  require_float(op, a.dtype());
  require_dtype(op, "b", b, a.dtype());
  if (options.heads < 1) throw Error(ErrorCode::Option, op, "heads must be at least 1");
  if (options.transpose_a && options.transpose_b)
    throw Error(ErrorCode::Option, op, "transposeA and transposeB exclude each other");
  const int64_t a_width = head_width("a", a, options.heads), b_width = head_width("b", b, options.heads);
  const Dim a_depth = options.transpose_a ? a.shape()[0] : Dim(a_width),
            b_depth = options.transpose_b ? Dim(b_width) : b.shape()[0];
  if (!(a_depth == b_depth)) {
    throw Error(ErrorCode::Shape, op,
                "heads of " + str(a.shape()) + " and " + str(b.shape()) +
                    " do not multiply: " + a_depth.str() + " against " + b_depth.str());
  }
  const Dim rows = options.transpose_a ? Dim(a_width) : a.shape()[0],
            columns = options.transpose_b ? b.shape()[0] : Dim(b_width);
  if (!columns.is_constant())
    throw Error(ErrorCode::Shape, op, "b must have a constant number of rows, not " + columns.str());
  Type type(a.dtype(), {rows, Dim(options.heads * columns.value())});
  return make_value(std::make_unique<HeadProducts>(options), {a, b}, std::move(type));
}

std::span<const OpEntry> head_product_ops() {
  static constexpr OpEntry entries[] = {
      {"headProducts",
       [](std::span<const Value> in, const Attributes& attributes) -> std::vector<Value> {
         require_inputs(in, 2);
         return {head_products(in[0], in[1],
                               {attributes.integer("heads"), attributes.flag("transposeA", false),
                                attributes.flag("transposeB", false), attributes.number("scale", 1)})};
       }},
  };
  return entries;
}

}  // namespace tiny
