#include "ops/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "graph/evaluate.h"
#include "graph/variable.h"
#include "ops/op_cases.h"

namespace tiny {

namespace {

Draw make() { return Draw(DType::Float32, Draw::Purpose::Comparison, 3, 1); }

Value integers(const std::vector<int32_t>& values) {
  return make().integers({Dim(static_cast<int64_t>(values.size()))}, values);
}

std::vector<double> evaluated(const Value& value) {
  ThreadPool pool(2);
  evaluate({&value, 1}, pool);
  return numbers_of(value);
}

template <typename Make>
Error error_of(const Make& make_value) {
  try {
    evaluated(make_value());
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorCode::Internal, "", "no error");
}

bool says(const Error& error, ErrorCode code, const char* op, const char* part) {
  INFO(std::string(error.what()));
  const bool right =
      error.code() == code && error.op() == op && std::string(error.what()).find(part) != std::string::npos;
  CHECK(right);
  return right;
}

Attributes two_heads(std::initializer_list<std::pair<const char*, Attributes::Item>> more = {}) {
  Attributes attributes = op_attributes({{"heads", 2.0}, {"headDim", 4.0}});
  for (const auto& [name, item] : more) attributes.set(name, item);
  return attributes;
}

Value rows(int64_t count, int64_t width = 8) { return make().normals({Dim(count), Dim(width)}); }

Value attended(std::vector<Value> inputs, const Attributes& attributes = two_heads()) {
  return apply("attention", inputs, attributes).front();
}

TEST_CASE("attention names the input that does not fit") {
  const Value q = rows(3), offsets = integers({0, 3});
  const auto error = [&](std::vector<Value> inputs, const Attributes& attributes = two_heads()) {
    return error_of([&] { return attended(inputs, attributes); });
  };
  says(error({rows(3, 7), q, q, offsets, offsets}), ErrorCode::Shape, "attention",
       "q must be [rows, 8], not [3, 7]");
  says(error({q, rows(3, 4), q, offsets, offsets}), ErrorCode::Shape, "attention",
       "k must be [rows, 8], not [3, 4]");
  says(error({q, q, rows(2), offsets, offsets}), ErrorCode::Shape, "attention", "[3, 8] and [2, 8]");
  says(error({q, q, q, offsets}), ErrorCode::Shape, "attention", "keyOffsets is missing");
  says(error({q, q, q, offsets, q}), ErrorCode::DType, "attention", "keyOffsets must be int32");
  says(error({q, q, q, offsets, offsets, rows(5, 2)}), ErrorCode::Shape, "attention",
       "bucketTable is missing");
  says(error({q, q, q, offsets, offsets, rows(5, 2), integers({0, 1})}), ErrorCode::Shape, "attention",
       "[2 * maxDistance + 1], not [2]");
  says(error({q, q, q, offsets, offsets, {}, {}, rows(1, 3)}), ErrorCode::Shape, "attention",
       "sinks must be [2]");
  says(error({q, q, q, offsets, offsets, {}, {}, {}, integers({0, 1, 2})}), ErrorCode::Shape, "attention",
       "positionsK is missing");
  const auto with_terms = [&](const Value& terms, const Value& table) {
    return error({q, q, q, offsets, offsets, {}, {}, {}, {}, {}, {}, terms, table});
  };
  says(with_terms(rows(3, 5), integers({0})), ErrorCode::Shape, "attention",
       "queryTerms must be [3, 2 * buckets], not [3, 5]");
  says(with_terms(rows(2, 6), integers({0})), ErrorCode::Shape, "attention", "not [2, 6]");
  says(with_terms(rows(3, 6), {}), ErrorCode::Shape, "attention", "queryTable is missing");
  says(with_terms({}, integers({0})), ErrorCode::Shape, "attention", "queryTerms is missing");
  says(with_terms(rows(3, 6), integers({0, 3, 1})), ErrorCode::Index, "attention",
       "queryTable[1] is 3, outside the 3 buckets");
  says(error({q, q, q, offsets, offsets}, two_heads({{"dropout", 0.5}})), ErrorCode::Shape, "attention",
       "key is missing");
  says(error({q, q, q, offsets, offsets}, two_heads({{"dropout", 1.0}})), ErrorCode::Option, "attention",
       "below 1");
  says(error({q, q, q, offsets, offsets}, two_heads({{"kvHeads", 3.0}})), ErrorCode::Option, "attention",
       "multiple of kvHeads");
  says(error({q, q, q, offsets, offsets}, two_heads({{"windowLeft", -2.0}})), ErrorCode::Option, "attention",
       "windowLeft must be at least 0");
  says(error({q, q, q, offsets, offsets}, two_heads({{"colour", 1.0}})), ErrorCode::Option, "attention",
       "colour");
}

TEST_CASE("offsets, buckets, blocks and lengths are checked while running") {
  const Value q = rows(3), offsets = integers({0, 3});
  for (const auto& wrong : {std::vector<int32_t>{0, 4}, {1, 3}, {0, 2}}) {
    says(error_of([&] {
           return attended({q, q, q, integers(wrong), offsets});
         }),
         ErrorCode::Index, "attention", "offsets must rise from 0 to the 3 rows there are");
    says(error_of([&] {
           return attended({q, q, q, offsets, integers(wrong)});
         }),
         ErrorCode::Index, "attention", "keyOffsets[");
  }
  says(error_of([&] {
         return attended({q, q, q, integers({0, 2, 1, 3}), integers({0, 1, 2, 3})});
       }),
       ErrorCode::Index, "attention", "queryOffsets");
  says(error_of([&] {
         return attended({q, q, q, offsets, offsets, rows(5, 2), integers({0, 5, 1})});
       }),
       ErrorCode::Index, "attention", "bucketTable[1] is 5");

  const Value cache = rows(128);
  const auto cached = [&](const std::vector<int32_t>& table, int32_t length, double window) {
    const Value inputs[] = {
        q, cache, cache, offsets, make().integers({Dim(1), Dim(2)}, table), integers({length})};
    const auto attributes =
        window < 0 ? two_heads({{"causal", true}}) : two_heads({{"causal", true}, {"windowLeft", window}});
    return error_of([&] { return apply("cachedAttention", inputs, attributes).front(); });
  };
  says(cached({0, 2}, 70, -1), ErrorCode::Index, "cachedAttention", "blockTable[0, 1] is 2");
  says(cached({-1, 1}, 70, -1), ErrorCode::Index, "cachedAttention", "blockTable[0, 0] is -1");
  says(cached({0, 1}, 129, -1), ErrorCode::Index, "cachedAttention", "length 129");
  says(cached({0, 1}, -1, -1), ErrorCode::Index, "cachedAttention", "length -1");
  CHECK(std::string(cached({0, 77}, 64, -1).what()).find("no error") != std::string::npos);  // not reached
  CHECK(std::string(cached({-1, 1}, 80, 3).what()).find("no error") != std::string::npos);   // dropped
  says(cached({-1, 1}, 80, 14), ErrorCode::Index, "cachedAttention", "blockTable[0, 0]");

  const Value weights_inputs[] = {q, q, offsets, offsets};
  says(error_of([&] {
         return apply("attentionWeights", weights_inputs, two_heads({{"queries", Dim(2)}, {"keys", Dim(3)}}))
             .front();
       }),
       ErrorCode::Index, "attentionWeights", "has 3 queries; the output has room for 2");
}

TEST_CASE("rows appended to a cache are seen by the attention that follows") {
  auto contents = Buffer::allocate(128 * 8 * sizeof(float));
  std::memset(contents->data(), 0, contents->bytes());
  const auto cache = Variable::create(Type(DType::Float32, {Dim(2), Dim(64), Dim(8)}), contents, "cache");
  const Value keys = rows(70), q = rows(2);
  std::vector<int32_t> slots;
  for (int32_t i = 0; i < 70; ++i) slots.push_back((i + 64) % 128);  // block 1, then block 0
  const Value append[] = {cache->read(), keys, integers(slots)};
  const Value appended = apply("cacheAppend", append, {}).front();
  const Value cached[] = {
      q, appended, appended, integers({0, 2}), make().integers({Dim(1), Dim(2)}, {1, 0}), integers({70})};
  const Value o = apply("cachedAttention", cached, two_heads({{"causal", true}})).front();
  const Value expected =
      attended({q, keys, keys, integers({0, 2}), integers({0, 70})}, two_heads({{"causal", true}}));
  CHECK(evaluated(o) == evaluated(expected));
  const auto* stored = static_cast<const float*>(cache->contents()->data());
  CHECK(std::memcmp(stored + 64 * 8, keys.node->result(0)->data(), 64 * 8 * sizeof(float)) == 0);

  const std::vector<float> before(stored, stored + 128 * 8);
  const Value late[] = {cache->read(), rows(2), integers({3, 128})};
  says(error_of([&] { return apply("cacheAppend", late, {}).front(); }), ErrorCode::Index, "cacheAppend",
       "slots[1] is 128; the cache has 128 rows");
  CHECK(std::memcmp(before.data(), cache->contents()->data(), before.size() * sizeof(float)) == 0);
}

TEST_CASE("attention weights are what attention multiplies values by") {
  const Value q = rows(5), k = rows(9), query_offsets = integers({0, 2, 5}),
              key_offsets = integers({0, 2, 9});
  std::vector<double> ones(9 * 8);
  for (size_t j = 0; j < 9; ++j) ones[j * 8 + j % 4] = ones[j * 8 + 4 + j % 4] = 1 + static_cast<double>(j);
  const Value v = make().numbers({Dim(9), Dim(8)}, ones);
  const auto o = evaluated(attended({q, k, v, query_offsets, key_offsets}, two_heads({{"causal", true}})));
  const Value inputs[] = {q, k, query_offsets, key_offsets};
  const auto weights = evaluated(
      apply("attentionWeights", inputs, two_heads({{"causal", true}, {"queries", 3.0}, {"keys", 8.0}}))[0]);
  REQUIRE(weights.size() == 2 * 2 * 3 * 8);
  for (size_t s = 0; s < 2; ++s) {
    const size_t first = s == 0 ? 0 : 2, queries = s == 0 ? 2 : 3, keys = s == 0 ? 2 : 7;
    for (size_t h = 0; h < 2; ++h) {
      for (size_t i = 0; i < 3; ++i) {
        double sums[4] = {};
        for (size_t j = 0; j < 8; ++j) {
          const double weight = weights[((s * 2 + h) * 3 + i) * 8 + j];
          if (i >= queries || j >= keys) CHECK(weight == 0);
          if (j < keys) sums[(first + j) % 4] += weight * (1 + static_cast<double>(first + j));
        }
        for (size_t d = 0; d < 4 && i < queries; ++d) {
          CHECK(std::fabs(sums[d] - o[(first + i) * 8 + h * 4 + d]) < 1e-5);
        }
      }
    }
  }
}

TEST_CASE("sizes may be symbols") {
  const Dim tokens = Dim::of(symbol("tokens")), sequences = Dim::of(symbol("sequences"));
  const Value q = placeholder(Type(DType::Float32, {tokens, Dim(8)}), 0);
  const Value offsets = placeholder(Type(DType::Int32, {sequences + Dim(1)}), 1);
  const Value inputs[] = {q, q, q, offsets, offsets};
  const auto outputs = apply("attention", inputs, two_heads());
  CHECK(str(outputs[0].shape()) == "[tokens, 8]");
  CHECK(str(outputs[1].shape()) == "[tokens, 2]");
  const Value other[] = {q, q, q, offsets, integers({0, 1})};
  CHECK_THROWS_AS(apply("attention", other, two_heads()), Error);
}

}  // namespace

}  // namespace tiny
