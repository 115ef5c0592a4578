#include "ops/matmul.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/gradient.h"
#include "graph/variable.h"
#include "ops/accumulate.h"
#include "ops/cast.h"
#include "ops/elementwise.h"
#include "ops/gather.h"
#include "ops/linear_cross_entropy.h"
#include "ops/op_cases.h"
#include "ops/optimizer.h"
#include "ops/packed_weight.h"
#include "ops/reduce.h"
#include "ops/shape.h"

namespace tiny {

namespace {

using Numbers = std::vector<double>;

Draw make(DType dtype = DType::Float32) { return Draw(dtype, Draw::Purpose::Comparison, 3, 1); }

Numbers evaluated(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

template <typename Make>
Error error_of(const Make& make) {
  try {
    evaluated(make());
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error was thrown");
  return Error(ErrorCode::Internal, "", "");
}

bool mentions(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

Value apply_matmul(std::vector<Value> inputs,
                   std::initializer_list<std::pair<const char*, Attributes::Item>> items) {
  return apply("matmul", inputs, op_attributes(items))[0];
}

std::shared_ptr<Variable> variable_of(const Value& tensor, bool frozen) {
  auto variable = Variable::create(tensor.type(), tensor.node->result(0), "weight");
  variable->set_frozen(frozen);
  return variable;
}

Value copied(const Value& tensor) {
  const auto contents = tensor.node->result(tensor.index);
  auto buffer = Buffer::allocate(contents->bytes());
  std::memcpy(buffer->data(), contents->data(), contents->bytes());
  return constant(tensor.type(), std::move(buffer));
}

const PackedMatrix* packed(Variable& variable, bool transposed) {
  View view;
  view.dtype = variable.type().dtype;
  return packed_weight(&variable, view, transposed, false);
}

double largest_difference(const Numbers& a, const Numbers& b) {
  REQUIRE(a.size() == b.size());
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::fmax(largest, std::fabs(a[i] - b[i]));
  return largest;
}

TEST_CASE("a frozen weight is packed at first use and gives the same bits as a plain one") {
  Draw draw = make();
  const Value x = draw.normals({9, 70}), w = draw.normals({45, 70});
  auto frozen = variable_of(w, true), trained = variable_of(w, false);
  MatmulOptions options;
  options.transpose_b = true;
  const Numbers expected = evaluated(matmul(x, w, options));
  CHECK(evaluated(matmul(x, trained->read(), options)) == expected);
  CHECK(packed(*trained, true) == nullptr);
  CHECK(evaluated(matmul(x, frozen->read(), options)) == expected);
  CHECK(packed(*frozen, true) != nullptr);
  CHECK(evaluated(matmul(x, frozen->read(), options)) == expected);
  frozen->set_frozen(false);
  CHECK(packed(*frozen, true) == nullptr);
}

TEST_CASE("a product reads what was assigned to a frozen weight in the same evaluation") {
  Draw draw = make();
  const Value x = draw.normals({9, 70}), w = draw.normals({70, 45}), other = draw.normals({70, 45});
  auto buffer = Buffer::allocate(70 * 45 * sizeof(float));
  std::memcpy(buffer->data(), w.node->result(0)->data(), buffer->bytes());
  auto frozen = Variable::create(w.type(), std::move(buffer), "weight");
  const Value before = matmul(x, frozen->read());
  const Value after = matmul(x, assign(frozen->read(), other));
  ThreadPool pool(2);
  const Value roots[] = {before, after};
  evaluate(roots, pool);
  CHECK(numbers_of(before) == evaluated(matmul(x, w)));
  CHECK(numbers_of(after) == evaluated(matmul(x, other)));
  CHECK(evaluated(matmul(x, frozen->read())) == numbers_of(after));
}

TEST_CASE("the gradient of an input reads the packed form of a frozen weight, and packs no second one") {
  Draw draw = make();
  for (const bool transposed : {true, false}) {
    CAPTURE(transposed);
    // Beyond a chunk of sums, and no multiple of a panel.
    const int64_t k = 70, n = 645;
    const Value x = draw.normals({9, k}), plain = draw.normals(transposed ? Shape{n, k} : Shape{k, n});
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
      CAPTURE(std::string(name_of(dtype)));
      for (const bool bf16 : {false, true}) {
        CAPTURE(bf16);
        const Value w = cast(plain, dtype);
        evaluated(w);
        auto frozen = variable_of(copied(w), true);
        MatmulOptions options;
        options.transpose_b = transposed;
        options.bf16 = bf16;
        const auto gradient = [&](const Value& weight) {
          const Value loss = sum(square(matmul(x, weight, options)), Axis::All);
          return gradients(loss, full({}, 1), {&x, 1}, accumulate_gradients)[0];
        };
        const Numbers expected = evaluated(gradient(w));
        CHECK(evaluated(gradient(frozen->read())) == expected);
        View view;
        view.dtype = dtype;
        CHECK(packed_weight(frozen.get(), view, transposed, bf16) != nullptr);
        CHECK(packed_weight(frozen.get(), view, !transposed, bf16) == nullptr);
        // The plain form is not looked at.
        const Value forward = matmul(x, frozen->read(), options);
        evaluated(forward);
        if (const auto plain = frozen->held()) std::memset(plain->data(), 0xff, plain->bytes());
        CHECK(evaluated(gradient(frozen->read())) == expected);
      }
    }
  }
}

TEST_CASE("a frozen weight that owns its memory is held once, and comes back bit for bit") {
  Draw draw = make();
  for (const bool transposed : {true, false}) {
    for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
      CAPTURE(transposed);
      CAPTURE(std::string(name_of(dtype)));
      const int64_t k = 71, n = 645;
      const Value x = draw.normals({9, k});
      const Value w = cast(draw.normals(transposed ? Shape{n, k} : Shape{k, n}), dtype);
      const Numbers bits = evaluated(w);
      auto frozen = variable_of(copied(w), true);
      MatmulOptions options;
      options.transpose_b = transposed;
      const auto bytes = static_cast<int64_t>(frozen->contents()->bytes());
      const int64_t before = memory_stats().live;
      const Numbers expected = evaluated(matmul(x, frozen->read(), options));
      CHECK(frozen->held() == nullptr);
      CHECK(memory_stats().live - before < bytes / 10 + 9 * n * 4);
      CHECK(evaluated(matmul(x, frozen->read(), options)) == expected);

      const auto same = [&](const std::shared_ptr<Buffer>& buffer) {
        return std::memcmp(buffer->data(), w.node->result(0)->data(), static_cast<size_t>(bytes)) == 0;
      };
      CHECK(same(frozen->snapshot()));
      CHECK(frozen->held() == nullptr);
      // An op that looks at it gets it back, and it stays.
      CHECK(evaluated(transpose(frozen->read())) == evaluated(transpose(w)));
      CHECK(same(frozen->held()));
      CHECK(evaluated(matmul(x, frozen->read(), options)) == expected);
      CHECK(frozen->held() != nullptr);
      // So does an update, once it is trained.
      frozen->set_frozen(false);
      frozen->set_frozen(true);
      evaluated(matmul(x, frozen->read(), options));
      CHECK(frozen->held() == nullptr);
      frozen->set_frozen(false);
      CHECK(evaluated(matmul(x, frozen->read(), options)) == expected);
      CHECK(same(frozen->held()));
    }
  }
  // Rows of a table that a head is tied to are looked up in what the head multiplies by.
  const Value ids = draw.integers({5}, {0, 644, 3, 31, 32});
  for (const DType dtype : {DType::Float32, DType::BFloat16, DType::Float16}) {
    CAPTURE(std::string(name_of(dtype)));
    const Value table = cast(draw.normals({645, 301}), dtype), hidden = draw.normals({4, 301});
    evaluated(table);
    auto tied = variable_of(copied(table), true);
    MatmulOptions options;
    options.transpose_b = true;
    for (int i = 0; i < 2; ++i) {
      const Value found[] = {embedding(tied->read(), ids), matmul(hidden, tied->read(), options)};
      ThreadPool pool(2);
      evaluate(found, pool);
      CHECK(numbers_of(found[0]) == evaluated(embedding(table, ids)));
    }
    CHECK(tied->held() == nullptr);
  }
  // Rounded panels do not hold everything.
  const Value x = draw.normals({9, 64}), w = draw.normals({64, 64});
  auto frozen = variable_of(copied(w), true);
  MatmulOptions rounded;
  rounded.bf16 = true;
  evaluated(matmul(x, frozen->read(), rounded));
  CHECK(frozen->held() != nullptr);
}

TEST_CASE("weights in half widths are multiplied as they are, or everything in bfloat16") {
  Draw draw = make();
  const Value x = draw.normals({9, 301}), w = draw.normals({45, 301}), bias = draw.normals({45});
  for (const DType dtype : {DType::BFloat16, DType::Float16}) {
    const Value half = cast(w, dtype);
    const Numbers expected =
        evaluated(apply_matmul({x, cast(half, DType::Float32), bias}, {{"transposeB", true}}));
    auto frozen = variable_of(w, true);
    CHECK(evaluated(apply_matmul({x, half, bias}, {{"transposeB", true}})) == expected);
    const Numbers half_bias = evaluated(apply_matmul({x, half, cast(bias, dtype)}, {{"transposeB", true}}));
    CHECK(largest_difference(half_bias, expected) < 0.02);
    CHECK(half_bias != expected);
  }
  const auto rounded = [](const Value& v) { return cast(cast(v, DType::BFloat16), DType::Float32); };
  const Numbers expected = evaluated(apply_matmul({rounded(x), rounded(w)}, {{"transposeB", true}}));
  const Numbers products =
      evaluated(apply_matmul({x, w}, {{"transposeB", true}, {"precision", std::string("bfloat16")}}));
  CHECK(largest_difference(products, expected) < 5e-5);
  CHECK(largest_difference(products, evaluated(apply_matmul({x, w}, {{"transposeB", true}}))) > 1e-3);

  const Value emitted =
      apply_matmul({cast(x, DType::BFloat16), cast(w, DType::BFloat16)}, {{"transposeB", true}});
  CHECK(emitted.dtype() == DType::BFloat16);
  CHECK(largest_difference(evaluated(emitted), expected) < 0.2);
}

TEST_CASE("what does not fit is refused by name") {
  Draw draw = make();
  const Value x = draw.normals({2, 3}), w = draw.normals({4, 5}),
              doubles = make(DType::Float64).normals({3, 2});
  const Error shapes = error_of([&] { return apply_matmul({x, w}, {}); });
  CHECK(shapes.code() == ErrorCode::Shape);
  CHECK(mentions(shapes, "[2, 3]"));
  CHECK(mentions(shapes, "[4, 5]"));
  const Value fitting = draw.normals({3, 4});
  CHECK(mentions(error_of([&] {
                   return apply_matmul({x, fitting, draw.normals({5})}, {});
                 }),
                 "bias must be [4]"));
  CHECK(mentions(error_of([&] {
                   return apply_matmul({x, fitting, {}, draw.normals({4, 2})}, {});
                 }),
                 "residual must be [2, 4]"));
  CHECK(error_of([&] { return apply_matmul({x, doubles}, {}); }).code() == ErrorCode::DType);
  CHECK(error_of([&] {
          return apply_matmul({x, draw.integers({3, 2}, 0, 9)}, {});
        }).code() == ErrorCode::DType);
  CHECK(mentions(error_of([&] {
                   return apply_matmul({x, fitting}, {{"activation", std::string("swish")}});
                 }),
                 "swish"));
  CHECK(mentions(error_of([&] { return apply_matmul({x, fitting}, {{"tranposeB", true}}); }), "tranposeB"));
  CHECK(mentions(error_of([&] {
                   return apply_matmul({x, fitting}, {{"precision", std::string("int8")}});
                 }),
                 "int8"));
}

TEST_CASE("a label out of range is named with its position") {
  Draw draw = make();
  const Value hidden = draw.normals({4, 3}), weight = draw.normals({5, 3});
  for (const int32_t wrong : {5, -1}) {
    const Value labels = draw.integers({4}, {1, -100, wrong, 0});
    const Error error = error_of([&] { return linear_cross_entropy(hidden, weight, {}, labels)[0]; });
    CHECK(error.code() == ErrorCode::Index);
    CHECK(mentions(error, "label " + std::to_string(wrong) + " at position 2"));
  }
}

TEST_CASE("the loss of a language model holds the logits of one tile of tokens at a time") {
  Draw draw = make();
  // Six tiles of 512 tokens, 4 MB of logits each and as much for packing; all logits would be 24 MB.
  const int64_t tokens = 3000, vocabulary = 2000, width = 8;
  const Value hidden = draw.normals({tokens, width}), weight = draw.normals({vocabulary, width});
  std::vector<int32_t> labels;
  for (int32_t i = 0; i < tokens; ++i) labels.push_back(i % 3 == 0 ? -100 : i * 7 % 2000);
  const auto outputs = linear_cross_entropy(hidden, weight, {}, draw.integers({tokens}, labels));
  const Value wrt[] = {hidden, weight};
  const auto flowing = gradients(outputs[0], full({}, 1), wrt, accumulate_gradients);
  reset_memory_peak();
  const int64_t before = memory_stats().live;
  ThreadPool pool(2);
  const Value roots[] = {outputs[0], outputs[1], flowing[0], flowing[1]};
  evaluate(roots, pool);
  CHECK(memory_stats().peak - before < 10 << 20);
  CHECK(numbers_of(outputs[1]) == Numbers{2000});

  // The same from all logits.
  const Value inputs[] = {apply_matmul({hidden, weight}, {{"transposeB", true}}),
                          draw.integers({tokens}, labels)};
  const auto composed = apply("crossEntropy", inputs, {});
  const auto expected = gradients(composed[0], full({}, 1), wrt, accumulate_gradients);
  CHECK(numbers_of(outputs[0])[0] == doctest::Approx(evaluated(composed[0])[0]).epsilon(1e-5));
  CHECK(largest_difference(numbers_of(flowing[0]), evaluated(expected[0])) < 1e-5);
  CHECK(largest_difference(numbers_of(flowing[1]), evaluated(expected[1])) < 1e-4);
}

}  // namespace

}  // namespace tiny
