#include "ops/segments.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/reduce/reduce.h"
#include "ops/dtype_dispatch.h"
#include "ops/grain.h"
#include "ops/shape.h"
#include "ops/shape_rows.h"

namespace tiny {

namespace {

// A token's elements and the distance between tokens, in bytes; dimension 0 counts tokens.
struct Tokens {
  int64_t count, bytes, stride;

  explicit Tokens(const View& x) {
    const int64_t size = static_cast<int64_t>(size_of(x.dtype));
    count = x.dims[0];
    bytes = count == 0 ? 0 : x.size() / count * size;
    stride = x.dims.size() == 2 ? x.row_stride * size : bytes;
  }
};

class PadRows final : public Primitive {
 public:
  const char* name() const override { return "padRows"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    const Tokens tokens(x);
    check_offsets(name(), "offsets", offsets, tokens.count);
    const int32_t* at = offsets.as<int32_t>();
    const int64_t length = y.dims[1];
    for (int64_t s = 0; s < y.dims[0]; ++s) {
      if (at[s + 1] - at[s] <= length) continue;
      throw Error(ErrorCode::Index, name(),
                  "sequence " + std::to_string(s) + " has " + std::to_string(at[s + 1] - at[s]) +
                      " tokens, more than the length " + std::to_string(length),
                  {{"sequence", static_cast<double>(s)}, {"length", static_cast<double>(length)}});
    }
    const int64_t row = tokens.count == 0 ? 0 : tokens.bytes;
    if (row == 0) return fill_zeros(run.pool(), y.data, static_cast<int64_t>(y.bytes()));
    run.pool().ranges(y.dims[0], grain_of(length * y.width()), [&](int64_t begin, int64_t end) {
      for (int64_t s = begin; s < end; ++s) {
        char* to = y.as<char>() + s * length * row;
        for (int64_t i = at[s]; i < at[s + 1]; ++i, to += row) {
          std::memcpy(to, x.as<char>() + i * tokens.stride, static_cast<size_t>(row));
        }
        std::memset(to, 0, static_cast<size_t>((length - (at[s + 1] - at[s])) * row));
      }
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {unpad_rows(context.gradients[0], context.input(1), context.input(0).shape()[0]), Value{}};
  }
};

class UnpadRows final : public Primitive {
 public:
  const char* name() const override { return "unpadRows"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    const int64_t sequences = x.dims[0], length = x.dims[1];
    check_offsets(name(), "offsets", offsets, y.dims[0]);
    const int32_t* at = offsets.as<int32_t>();
    for (int64_t s = 0; s < sequences; ++s) {
      if (at[s + 1] - at[s] <= length) continue;
      throw Error(ErrorCode::Index, name(),
                  "sequence " + std::to_string(s) + " has " + std::to_string(at[s + 1] - at[s]) +
                      " tokens, more than the padded length " + std::to_string(length),
                  {{"sequence", static_cast<double>(s)}, {"length", static_cast<double>(length)}});
    }
    const Tokens tokens(y);
    if (tokens.bytes == 0) return;
    run.pool().ranges(
        sequences, grain_of(y.size() / std::max<int64_t>(1, sequences)), [&](int64_t begin, int64_t end) {
          for (int64_t s = begin; s < end; ++s) {
            std::memcpy(y.as<char>() + at[s] * tokens.bytes, x.as<char>() + s * length * tokens.bytes,
                        static_cast<size_t>((at[s + 1] - at[s]) * tokens.bytes));
          }
        });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {pad_rows(context.gradients[0], context.input(1), context.input(0).shape()[1]), Value{}};
  }
};

class SegmentMean final : public Primitive {
 public:
  const char* name() const override { return "segmentMean"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    check_offsets(name(), "offsets", offsets, x.rows());
    const int32_t* at = offsets.as<int32_t>();
    const int64_t width = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(
          y.rows(), grain_of(x.size() / std::max<int64_t>(1, y.rows())), [&](int64_t begin, int64_t end) {
            for (int64_t s = begin; s < end; ++s) {
              T* out = y.as<T>() + s * width;
              const int64_t tokens = at[s + 1] - at[s];
              if (tokens == 0) {
                std::fill_n(out, width, T{0});
                continue;
              }
              reduce_table<T>().sum_rows(x.as<T>() + at[s] * x.row_stride, x.row_stride, tokens, width, out);
              for (int64_t j = 0; j < width; ++j) out[j] /= static_cast<T>(tokens);
            }
          });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {segment_spread(context.gradients[0], context.input(1), context.input(0).shape()[0]), Value{}};
  }
};

class SegmentSpread final : public Primitive {
 public:
  const char* name() const override { return "segmentSpread"; }

  void forward(Run& run) const override {
    const View &x = run.input(0), &offsets = run.input(1), &y = run.output(0);
    check_offsets(name(), "offsets", offsets, y.rows());
    const int32_t* at = offsets.as<int32_t>();
    const int64_t width = y.width();
    with_float(name(), y.dtype, [&](auto zero) {
      using T = decltype(zero);
      run.pool().ranges(x.rows(), grain_of(y.size() / std::max<int64_t>(1, x.rows())),
                        [&](int64_t begin, int64_t end) {
                          for (int64_t s = begin; s < end; ++s) {
                            const T* row = x.as<T>() + s * x.row_stride;
                            const T tokens = static_cast<T>(at[s + 1] - at[s]);
                            for (int64_t i = at[s]; i < at[s + 1]; ++i) {
                              for (int64_t j = 0; j < width; ++j) y.as<T>()[i * width + j] = row[j] / tokens;
                            }
                          }
                        });
    });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    return {segment_mean(context.gradients[0], context.input(1)), Value{}};
  }
};

void require_sequences(const char* op, const Value& x, size_t rank) {
  if (x.shape().size() >= rank) return;
  throw Error(ErrorCode::Shape, op,
              "takes at least " + std::to_string(rank) + " dimensions, not " + str(x.shape()));
}

void require_width(const char* op, const Value& x) {
  require_float(op, x.dtype());
  if (x.shape().size() != 2) throw Error(ErrorCode::Shape, op, "takes [rows, width], not " + str(x.shape()));
}

// Rows of tokens of any rank, where only those of two dimensions may have gaps.
Value token_rows(const Value& x) { return x.shape().size() == 2 ? x : contiguous(x); }

}  // namespace

void require_offsets(const char* op, const Value& offsets) {
  require_dtype(op, "offsets", offsets, DType::Int32);
  if (offsets.shape().size() == 1 && !(offsets.shape()[0] == Dim(0))) return;
  throw Error(ErrorCode::Shape, op, "offsets must be [sequences + 1], not " + str(offsets.shape()));
}

Dim sequences_of(const Value& offsets) { return offsets.shape()[0] - Dim(1); }

void check_offsets(const char* op, const char* name, const View& offsets, int64_t tokens) {
  const int32_t* at = offsets.as<int32_t>();
  const int64_t last = offsets.size() - 1;
  if (last < 0) throw Error(ErrorCode::Index, op, std::string(name) + " is empty; it must hold at least 0");
  for (int64_t i = 0; i <= last; ++i) {
    const bool fits =
        (i == 0 ? at[i] == 0 : at[i] >= at[i - 1]) && at[i] <= tokens && (i < last || at[i] == tokens);
    if (fits) continue;
    throw Error(ErrorCode::Index, op,
                std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(at[i]) +
                    "; offsets must rise from 0 to the " + std::to_string(tokens) + " rows there are",
                {{"offset", static_cast<double>(at[i])},
                 {"position", static_cast<double>(i)},
                 {"rows", static_cast<double>(tokens)}});
  }
}

Value pad_rows(const Value& x, const Value& offsets, const Dim& length) {
  require_offsets("padRows", offsets);
  require_sequences("padRows", x, 1);
  if (length.is_constant() && length.value() < 0) {
    throw Error(ErrorCode::Shape, "padRows", "length " + length.str() + " is negative");
  }
  Shape shape = x.shape();
  shape[0] = length;
  shape.insert(shape.begin(), sequences_of(offsets));
  Type type(x.dtype(), std::move(shape));
  return make_value(std::make_unique<PadRows>(), {token_rows(x), offsets}, std::move(type));
}

Value unpad_rows(const Value& x, const Value& offsets, const Dim& rows) {
  require_offsets("unpadRows", offsets);
  require_sequences("unpadRows", x, 2);
  if (!(x.shape()[0] == sequences_of(offsets))) {
    throw Error(ErrorCode::Shape, "unpadRows",
                str(x.shape()) + " does not have the sequences of offsets " + str(offsets.shape()));
  }
  Shape shape(x.shape().begin() + 1, x.shape().end());
  shape[0] = rows;
  Type type(x.dtype(), std::move(shape));
  return make_value(std::make_unique<UnpadRows>(), {contiguous(x), offsets}, std::move(type));
}

Value segment_mean(const Value& x, const Value& offsets) {
  require_offsets("segmentMean", offsets);
  require_width("segmentMean", x);
  Type type(x.dtype(), {sequences_of(offsets), x.shape()[1]});
  return make_value(std::make_unique<SegmentMean>(), {x, offsets}, std::move(type));
}

Value segment_spread(const Value& x, const Value& offsets, const Dim& tokens) {
  require_offsets("segmentSpread", offsets);
  require_width("segmentSpread", x);
  if (!(x.shape()[0] == sequences_of(offsets))) {
    throw Error(ErrorCode::Shape, "segmentSpread",
                str(x.shape()) + " does not have the sequences of offsets " + str(offsets.shape()));
  }
  Type type(x.dtype(), {tokens, x.shape()[1]});
  return make_value(std::make_unique<SegmentSpread>(), {x, offsets}, std::move(type));
}

}  // namespace tiny
