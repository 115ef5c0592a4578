#include "ops/shape.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "ops/arity.h"
#include "ops/registry.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

class Contiguous final : public Primitive {
 public:
  const char* name() const override { return "contiguous"; }
  void forward(Run& run) const override { copy_view(run.pool(), run.output(0).data, run.input(0)); }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {context.gradients[0]};
  }
};

class Reshape final : public Primitive {
 public:
  const char* name() const override { return "reshape"; }
  void forward(Run&) const override {}
  Effect effect() const override { return Effect::Alias; }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {reshape(context.gradients[0], context.input(0).shape())};
  }
};

// The same memory, past which no gradient flows.
class Detach final : public Primitive {
 public:
  const char* name() const override { return "detach"; }
  void forward(Run&) const override {}
  Effect effect() const override { return Effect::Alias; }
  std::vector<Value> gradient(const GradientContext&) const override { return {Value{}}; }
};

class Slice final : public Primitive {
 public:
  Slice(ConcatAxis axis, Dim start, Dim offset)
      : axis_(axis), start_(std::move(start)), offset_(std::move(offset)) {}
  const char* name() const override { return axis_ == ConcatAxis::Rows ? "sliceRows" : "sliceColumns"; }
  void forward(Run&) const override {}
  Effect effect() const override { return Effect::Alias; }
  Dim alias_offset() const override { return offset_; }
  std::vector<Value> gradient(const GradientContext& context) const override {
    return {place(context.gradients[0], context.input(0).shape(), axis_, start_)};
  }

 private:
  ConcatAxis axis_;
  Dim start_, offset_;
};

// Throws where it is known that [start, start + length) does not lie in [0, size). Sizes that are
// symbolic are left to the caller of the compiled plan, who made them from that plan's inputs.
void require_range(const char* op, const Dim& start, const Dim& length, const Dim& size, const Shape& shape) {
  const Dim rest = size - start - length;
  const bool outside = (start.is_constant() && start.value() < 0) ||
                       (length.is_constant() && length.value() < 0) ||
                       (rest.is_constant() && rest.value() < 0);
  if (!outside) return;
  throw Error(
      ErrorCode::Shape, op,
      "rows or columns " + start.str() + " to " + (start + length).str() + " are not in " + str(shape));
}

// total / product for affine sizes of which one is a multiple of the other; 0 / 0 is 0.
Dim quotient(const Dim& total, const Dim& product) {
  if (product.is_constant()) {
    if (product.value() == 0) return Dim(0);
    if (total.divisible_by(product.value())) return total / product.value();
  } else {
    const auto& [name, factor] = product.terms().front();
    for (const auto& [other, own] : total.terms()) {
      if (other == name && own % factor == 0 && product * (own / factor) == total) return Dim(own / factor);
    }
  }
  throw Error(ErrorCode::Shape, "reshape", total.str() + " elements do not divide into " + product.str());
}

// Removes dimensions that occur in both, so that products of two symbolic sizes need no affine form.
void cancel(Shape& a, Shape& b) {
  for (auto dim = a.begin(); dim != a.end();) {
    const auto same = std::find(b.begin(), b.end(), *dim);
    if (same != b.end() && !(*dim == Dim(0))) {
      b.erase(same);
      dim = a.erase(dim);
    } else {
      ++dim;
    }
  }
}

}  // namespace

Value contiguous(const Value& x) {
  if (x.type().contiguous()) return x;
  return make_value(std::make_unique<Contiguous>(), {x}, Type(x.dtype(), x.shape()));
}

Value detach(const Value& x) { return make_value(std::make_unique<Detach>(), {x}, x.type()); }

Value reshape(const Value& x, Shape shape) {
  Shape given = shape, have = x.shape();
  const auto is_open = [](const Dim& dim) { return dim == Dim(-1); };
  const auto open = std::find_if(shape.begin(), shape.end(), is_open);
  for (const Dim& dim : shape) {
    if (dim.is_constant() && dim.value() < 0 && !is_open(dim)) {
      throw Error(ErrorCode::Shape, "reshape", "a size is negative in " + str(shape));
    }
  }
  std::erase_if(given, is_open);
  if (given.size() + 1 < shape.size()) {
    throw Error(ErrorCode::Shape, "reshape", "only one size may be -1 in " + str(shape));
  }
  cancel(have, given);
  if (open != shape.end()) {
    *open = quotient(elements(have), elements(given));
  } else if (!(elements(have) == elements(given))) {
    throw Error(ErrorCode::Shape, "reshape",
                str(x.shape()) + " does not have as many elements as " + str(shape));
  }
  Type type(x.dtype(), std::move(shape));
  return make_value(std::make_unique<Reshape>(), {contiguous(x)}, std::move(type));
}

Value slice_rows(const Value& x, const Dim& start, const Dim& length) {
  if (x.shape().empty()) throw Error(ErrorCode::Shape, "sliceRows", "a scalar has no rows");
  require_range("sliceRows", start, length, x.shape().front(), x.shape());
  Dim step(1);
  for (size_t i = 1; i + 1 < x.shape().size(); ++i) step = step * x.shape()[i];
  if (x.shape().size() > 1) step = step * x.type().row_stride;
  Shape shape = x.shape();
  shape.front() = length;
  Type type = x.shape().size() > 1 ? Type(x.dtype(), shape, x.type().row_stride) : Type(x.dtype(), shape);
  return make_value(std::make_unique<Slice>(ConcatAxis::Rows, start, start * step), {x}, std::move(type));
}

Value slice_columns(const Value& x, const Dim& start, const Dim& length) {
  if (x.shape().empty()) throw Error(ErrorCode::Shape, "sliceColumns", "a scalar has no columns");
  require_range("sliceColumns", start, length, x.shape().back(), x.shape());
  Shape shape = x.shape();
  shape.back() = length;
  Type type = x.shape().size() > 1 ? Type(x.dtype(), shape, x.type().row_stride) : Type(x.dtype(), shape);
  return make_value(std::make_unique<Slice>(ConcatAxis::Last, start, start), {x}, std::move(type));
}

std::span<const OpEntry> shape_ops() {
  using Inputs = std::span<const Value>;
  using Values = std::vector<Value>;
  static constexpr OpEntry entries[] = {
      {"reshape",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         return {reshape(in[0], at.shape("shape"))};
       }},
      {"sliceRows",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         return {slice_rows(in[0], at.dim("start"), at.dim("length"))};
       }},
      {"sliceColumns",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 1);
         return {slice_columns(in[0], at.dim("start"), at.dim("length"))};
       }},
      {"contiguous",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 1);
         return {contiguous(in[0])};
       }},
      {"detach",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 1);
         return {detach(in[0])};
       }},
      {"concat",
       [](Inputs in, const Attributes& at) -> Values {
         const std::string axis = at.text("axis");
         if (axis != "rows" && axis != "last") {
           throw Error(ErrorCode::Option, "", "axis must be 'rows' or 'last', not '" + axis + "'");
         }
         return {concat(in, axis == "rows" ? ConcatAxis::Rows : ConcatAxis::Last)};
       }},
      {"transpose",
       [](Inputs in, const Attributes&) -> Values {
         require_inputs(in, 1);
         return {transpose(in[0])};
       }},
      {"full",
       [](Inputs in, const Attributes& at) -> Values {
         require_inputs(in, 0);
         return {full(at.shape("shape"), at.number("value"), dtype_from(at.text("dtype", "float32")))};
       }},
  };
  return entries;
}

}  // namespace tiny
