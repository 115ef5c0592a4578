#pragma once

// Random attention problems for tests, the same numbers in float and double.
#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/attention/attention.h"
#include "runtime/thread_pool.h"

namespace tiny {

enum class Positions { Index, Shifted, Shuffled };

struct AttentionCase {
  std::vector<int32_t> queries, keys;  // per sequence
  int64_t heads = 2, kv_heads = 2, head_dim = 16, value_dim = 16;
  bool causal = false;
  int64_t window_left = -1, window_right = -1;
  double softcap = 0, dropout = 0;
  bool bias = false, sinks = false, d_lse = false;
  bool query_terms = false, key_terms = false;
  bool falling_keys = false;  // buckets of keys' terms, rather than of queries', fall with distance
  Positions positions = Positions::Index;
  uint32_t seed = 1;
};

template <typename T>
struct AttentionResult {
  std::vector<T> o, lse, dq, dk, dv, d_bias, d_sinks, d_query_terms, d_key_terms, weights;
  bool operator==(const AttentionResult& other) const {
    const auto same = [](const std::vector<T>& a, const std::vector<T>& b) {
      return a.size() == b.size() &&
             (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
    };
    return same(o, other.o) && same(lse, other.lse) && same(dq, other.dq) && same(dk, other.dk) &&
           same(dv, other.dv) && same(d_bias, other.d_bias) && same(d_sinks, other.d_sinks) &&
           same(d_query_terms, other.d_query_terms) && same(d_key_terms, other.d_key_terms) &&
           same(weights, other.weights);
  }
};

inline std::vector<int32_t> offsets_of(const std::vector<int32_t>& lengths) {
  std::vector<int32_t> offsets{0};
  for (const int32_t length : lengths) offsets.push_back(offsets.back() + length);
  return offsets;
}

// q is a slice of columns and d_o is, too, so that strides differ from widths.
template <typename T>
struct AttentionProblem {
  static constexpr int64_t kBuckets = 5, kDistance = 9, kExtra = 3;

  explicit AttentionProblem(const AttentionCase& given) : settings(given) {
    std::mt19937 random(given.seed);
    const auto normals = [&](int64_t count) {
      std::vector<T> values(static_cast<size_t>(count));
      // Irwin-Hall: the same on every standard library.
      for (T& value : values) {
        float sum = -6;
        for (int i = 0; i < 12; ++i) sum += static_cast<float>(random()) * 0x1p-32f;
        value = sum;
      }
      return values;
    };
    query_offsets = offsets_of(given.queries);
    key_offsets = offsets_of(given.keys);
    queries = query_offsets.back();
    keys = key_offsets.back();
    q_stride = given.heads * given.head_dim + kExtra;
    o_width = given.heads * given.value_dim;
    q = normals(queries * q_stride + 1);
    k = normals(keys * given.kv_heads * given.head_dim);
    v = normals(keys * given.kv_heads * given.value_dim);
    d_o = normals(queries * (o_width + kExtra) + 1);
    d_lse = normals(queries * given.heads);
    bias = normals(kBuckets * given.heads);
    sinks = normals(given.heads);
    for (int64_t i = 0; i <= 2 * kDistance; ++i)
      bucket_table.push_back(static_cast<int32_t>(i * i % kBuckets));
    // Buckets of 40 near distances, one after the other, and 7 in no order.
    for (int64_t i = 0; i <= 60; ++i)
      falling_table.push_back(static_cast<int32_t>(std::clamp<int64_t>(50 - i, 0, 39)));
    for (int64_t i = 0; i <= 8; ++i) other_table.push_back(static_cast<int32_t>(i * 3 % 7));
    query_terms = normals(queries * (given.heads * query_buckets() + kExtra));
    key_terms = normals(keys * given.heads * key_buckets());
    positions_q = positions(given.queries, random);
    positions_k = positions(given.keys, random);
  }

  std::vector<int32_t> positions(const std::vector<int32_t>& lengths, std::mt19937& random) const {
    std::vector<int32_t> all;
    for (const int32_t length : lengths) {
      std::vector<int32_t> some(static_cast<size_t>(length));
      for (int32_t i = 0; i < length; ++i) some[static_cast<size_t>(i)] = i + 3;
      // Few exchanges leave some tiles consecutive.
      for (int32_t i = 0; settings.positions == Positions::Shuffled && i < length / 20 + 1 && length > 0;
           ++i) {
        std::swap(some[random() % some.size()], some[random() % some.size()]);
      }
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }

  int64_t query_buckets() const { return settings.falling_keys ? 7 : 40; }
  int64_t key_buckets() const { return settings.falling_keys ? 40 : 7; }

  Attention<T> call() const {
    Attention<T> call;
    call.sequences = static_cast<int64_t>(settings.queries.size());
    call.heads = settings.heads;
    call.kv_heads = settings.kv_heads;
    call.head_dim = settings.head_dim;
    call.value_dim = settings.value_dim;
    call.scale = static_cast<T>(0.25f);
    call.softcap = static_cast<T>(settings.softcap);
    call.causal = settings.causal;
    call.window_left = settings.window_left;
    call.window_right = settings.window_right;
    call.dropout = settings.dropout;
    call.key = {7, 3, 2};
    call.query_offsets = query_offsets.data();
    call.key_offsets = key_offsets.data();
    call.q = q.data() + 1;
    call.q_stride = q_stride;
    call.k = k.data();
    call.k_stride = settings.kv_heads * settings.head_dim;
    call.v = v.data();
    call.v_stride = settings.kv_heads * settings.value_dim;
    if (settings.bias) {
      call.bias = bias.data();
      call.bias_stride = settings.heads;
      call.buckets = kBuckets;
      call.bucket_table = bucket_table.data();
      call.max_distance = kDistance;
    }
    if (settings.query_terms) {
      const auto& table = settings.falling_keys ? other_table : falling_table;
      call.query_terms = {query_terms.data(), settings.heads * query_buckets() + kExtra, query_buckets(),
                          table.data(), static_cast<int64_t>(table.size() / 2)};
    }
    if (settings.key_terms) {
      const auto& table = settings.falling_keys ? falling_table : other_table;
      call.key_terms = {key_terms.data(), settings.heads * key_buckets(), key_buckets(), table.data(),
                        static_cast<int64_t>(table.size() / 2)};
    }
    if (settings.sinks) call.sinks = sinks.data();
    if (settings.positions != Positions::Index) {
      call.positions_q = positions_q.data();
      call.positions_k = positions_k.data();
    }
    return call;
  }

  AttentionResult<T> run(const AttentionFunctions<T>& kernels, int threads, bool gradients = true) const {
    ThreadPool pool(threads);
    AttentionResult<T> result;
    result.o.resize(static_cast<size_t>(queries * o_width));
    result.lse.resize(static_cast<size_t>(queries * settings.heads));
    Attention<T> forward = call();
    forward.o = result.o.data();
    forward.o_stride = o_width;
    forward.lse = result.lse.data();
    AlignedBytes scratch(attention_scratch(kernels, forward, queries, threads));
    attention_forward(kernels, forward, pool, scratch.data());

    const auto longest = [](const std::vector<int32_t>& lengths) {
      return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
    };
    const int64_t most_queries = longest(settings.queries) + 1, most_keys = longest(settings.keys) + 2;
    result.weights.resize(
        settings.queries.size() * static_cast<size_t>(settings.heads * most_queries * most_keys), T(-1));
    attention_weights(kernels, forward, result.weights.data(), most_queries, most_keys, pool, scratch.data());
    if (!gradients) return result;

    AttentionGradient<T> gradient;
    gradient.forward = forward;
    gradient.d_o = d_o.data() + 1;
    gradient.d_o_stride = o_width + kExtra;
    if (settings.d_lse) {
      gradient.d_lse = d_lse.data();
      gradient.d_lse_stride = settings.heads;
    }
    result.dq.resize(static_cast<size_t>(queries * settings.heads * settings.head_dim), T(-1));
    result.dk.resize(k.size(), T(-1));
    result.dv.resize(v.size(), T(-1));
    gradient.dq = result.dq.data();
    gradient.dk = result.dk.data();
    gradient.dv = result.dv.data();
    if (settings.bias) {
      result.d_bias.resize(bias.size());
      gradient.d_bias = result.d_bias.data();
    }
    if (settings.sinks) {
      result.d_sinks.resize(sinks.size());
      gradient.d_sinks = result.d_sinks.data();
    }
    if (settings.query_terms) {
      result.d_query_terms.resize(static_cast<size_t>(queries * settings.heads * query_buckets()), T(-1));
      gradient.d_query_terms = result.d_query_terms.data();
    }
    if (settings.key_terms) {
      result.d_key_terms.resize(key_terms.size(), T(-1));
      gradient.d_key_terms = result.d_key_terms.data();
    }
    AlignedBytes space(attention_gradient_scratch(kernels, forward, queries, keys, settings.bias, threads));
    attention_backward(kernels, gradient, pool, space.data());
    return result;
  }

  AttentionCase settings;
  std::vector<int32_t> query_offsets, key_offsets, bucket_table, falling_table, other_table, positions_q,
      positions_k;
  int64_t queries, keys, q_stride, o_width;
  std::vector<T> q, k, v, d_o, d_lse, bias, sinks, query_terms, key_terms;
};

}  // namespace tiny
