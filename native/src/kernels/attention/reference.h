#pragma once

// The definition, one query row at a time: the oracle, the `scalar` kernels and the float64 path.

#include "kernels/attention/attention.h"
#include "kernels/attention/sequence.h"
#include "kernels/scalar_math.h"

namespace tiny {

template <typename T>
static T larger(T a, T b) {
  return a > b ? a : b;
}

// Softcapped score of a pair before the bias.
template <typename T>
static T capped_score(const Attention<T>& call, const T* q, const T* k) {
  T score = 0;
  for (int64_t d = 0; d < call.head_dim; ++d) score += q[d] * k[d];
  score *= call.scale;
  return call.softcap > 0 ? call.softcap * tanh_(score / call.softcap) : score;
}

// Where the term of head h of a row stands for a distance.
template <typename T>
static int64_t term_index(const RelativeTerms<T>& terms, int64_t stride, int64_t row, int64_t h,
                          int64_t distance) {
  return row * stride + h * terms.buckets + bucket_of(terms, distance);
}

// What is added to the softcapped score of query `row` and key `key`, both rows of the whole call.
template <typename T>
static T addend(const Attention<T>& call, int64_t row, int64_t key, int64_t h, int64_t distance) {
  T sum = call.bias != nullptr ? call.bias[bucket_of(call, distance) * call.bias_stride + h] : T(0);
  const RelativeTerms<T>&a = call.query_terms, &b = call.key_terms;
  if (a.values != nullptr) sum += a.values[term_index(a, a.stride, row, h, distance)];
  if (b.values != nullptr) sum += b.values[term_index(b, b.stride, key, h, distance)];
  return sum;
}

template <typename T>
static void add_scaled(T* sum, T factor, const T* x, int64_t count) {
  for (int64_t d = 0; d < count; ++d) sum[d] += factor * x[d];
}

template <typename T>
static void reference_forward(const Attention<T>& call, const QueryTile& tile, void*) {
  const int64_t s = tile.sequence, group = call.heads / call.kv_heads;
  int64_t seen_begin, seen_end;
  seen_keys(call, s, &seen_begin, &seen_end);
  const uint32_t threshold = dropout_threshold(call.dropout);
  const T keep = T(1 / (1 - call.dropout));
  for (int64_t h = tile.kv_head * group; h < (tile.kv_head + tile.kv_heads) * group; ++h) {
    for (int64_t i = tile.first; i < tile.first + tile.count; ++i) {
      const int64_t row = call.query_offsets[s] + i, position = query_position(call, s, i);
      const T* q = call.q + row * call.q_stride + h * call.head_dim;
      T* o = call.o == nullptr ? nullptr : call.o + row * call.o_stride + h * call.value_dim;
      const auto score = [&](int64_t j, int64_t distance) {
        const int64_t key = key_row(call, s, j);
        return capped_score(call, q, call.k + key * call.k_stride + h / group * call.head_dim) +
               addend(call, row, key, h, distance);
      };
      T largest = call.sinks != nullptr ? call.sinks[h] : -T(__builtin_inf());
      for (int64_t j = seen_begin; j < seen_end; ++j) {
        const int64_t distance = key_position(call, s, j) - position;
        if (visible(call, distance)) largest = larger(largest, score(j, distance));
      }
      T sum = call.sinks != nullptr ? exp(call.sinks[h] - largest) : T(0);
      for (int64_t d = 0; o != nullptr && d < call.value_dim; ++d) o[d] = 0;
      for (int64_t j = seen_begin; j < seen_end; ++j) {
        const int64_t distance = key_position(call, s, j) - position;
        if (!visible(call, distance)) continue;
        T p = exp(score(j, distance) - largest);
        sum += p;
        if (call.dropout > 0) p = dropped(call.key, threshold, row * call.heads + h, j) ? T(0) : p * keep;
        const T* v = call.v + key_row(call, s, j) * call.v_stride + h / group * call.value_dim;
        if (o != nullptr) add_scaled(o, p, v, call.value_dim);
      }
      const T normalizer = sum > 0 ? 1 / sum : T(0);
      for (int64_t d = 0; o != nullptr && d < call.value_dim; ++d) o[d] *= normalizer;
      if (call.lse != nullptr)
        call.lse[row * call.heads + h] = sum > 0 ? largest + log(sum) : -T(__builtin_inf());
    }
  }
}

template <typename T>
static void reference_weights(const Attention<T>& call, const QueryTile& tile, T* out, int64_t queries,
                              int64_t keys, void*) {
  const int64_t s = tile.sequence, group = call.heads / call.kv_heads, m = key_count(call, s);
  for (int64_t h = tile.kv_head * group; h < (tile.kv_head + tile.kv_heads) * group; ++h) {
    for (int64_t i = tile.first; i < tile.first + tile.count; ++i) {
      const int64_t row = call.query_offsets[s] + i, position = query_position(call, s, i);
      const T* q = call.q + row * call.q_stride + h * call.head_dim;
      T* weights = out + ((s * call.heads + h) * queries + i) * keys;
      T largest = call.sinks != nullptr ? call.sinks[h] : -T(__builtin_inf());
      for (int64_t j = 0; j < m; ++j) {
        const int64_t distance = key_position(call, s, j) - position;
        weights[j] = -T(__builtin_inf());
        if (!visible(call, distance)) continue;
        const int64_t key = key_row(call, s, j);
        weights[j] = capped_score(call, q, call.k + key * call.k_stride + h / group * call.head_dim) +
                     addend(call, row, key, h, distance);
        largest = larger(largest, weights[j]);
      }
      T sum = call.sinks != nullptr ? exp(call.sinks[h] - largest) : T(0);
      for (int64_t j = 0; j < m; ++j) {
        weights[j] = weights[j] == -T(__builtin_inf()) ? T(0) : exp(weights[j] - largest);
        sum += weights[j];
      }
      for (int64_t j = 0; j < m; ++j) weights[j] = sum > 0 ? weights[j] / sum : T(0);
    }
  }
}

template <typename T>
static void reference_backward(const AttentionGradient<T>& gradient, const GradientTile& tile, void*) {
  const Attention<T>& call = gradient.forward;
  const int64_t s = tile.sequence, group = call.heads / call.kv_heads;
  const int64_t dq_width = call.heads * call.head_dim, dk_width = call.kv_heads * call.head_dim;
  const int64_t dv_width = call.kv_heads * call.value_dim;
  const int64_t first_head = tile.kv_head * group;
  const uint32_t threshold = dropout_threshold(call.dropout);
  const T keep = T(1 / (1 - call.dropout));
  const RelativeTerms<T>&a = call.query_terms, &b = call.key_terms;
  const int64_t da_width = call.heads * a.buckets, db_width = call.heads * b.buckets;
  T* const dq = tile.dq ? gradient.dq : nullptr;
  T* const da = tile.dq ? gradient.d_query_terms : nullptr;
  T* const db = tile.dkv ? gradient.d_key_terms : nullptr;
  T* const dk = tile.dkv ? gradient.dk : nullptr;
  T* const dv = tile.dkv ? gradient.dv : nullptr;
  T* const parts = tile.dkv ? gradient.bias_parts : nullptr;

  for (int64_t i = tile.first_query; dq != nullptr && i < tile.first_query + tile.queries; ++i) {
    T* row = dq + (call.query_offsets[s] + i) * dq_width + first_head * call.head_dim;
    for (int64_t d = 0; d < group * call.head_dim; ++d) row[d] = 0;
  }
  for (int64_t i = tile.first_query; da != nullptr && i < tile.first_query + tile.queries; ++i) {
    T* row = da + (call.query_offsets[s] + i) * da_width + first_head * a.buckets;
    for (int64_t n = 0; n < group * a.buckets; ++n) row[n] = 0;
  }
  for (int64_t j = tile.first_key; j < tile.first_key + tile.keys; ++j) {
    const int64_t row = call.key_offsets[s] + j;
    for (int64_t n = 0; db != nullptr && n < group * b.buckets; ++n)
      db[row * db_width + first_head * b.buckets + n] = 0;
    for (int64_t d = 0; dk != nullptr && d < call.head_dim; ++d)
      dk[row * dk_width + tile.kv_head * call.head_dim + d] = 0;
    for (int64_t d = 0; dv != nullptr && d < call.value_dim; ++d)
      dv[row * dv_width + tile.kv_head * call.value_dim + d] = 0;
  }
  for (int64_t first = tile.first_key; first < tile.first_key + tile.keys; first += kKeyTile) {
    const int64_t last =
        first + kKeyTile < tile.first_key + tile.keys ? first + kKeyTile : tile.first_key + tile.keys;
    T* part =
        parts == nullptr ? nullptr : parts + (tile.first_part + first / kKeyTile) * call.heads * call.buckets;
    for (int64_t b = 0; part != nullptr && b < group * call.buckets; ++b)
      part[first_head * call.buckets + b] = 0;
    for (int64_t h = first_head; h < first_head + group; ++h) {
      for (int64_t i = tile.first_query; i < tile.first_query + tile.queries; ++i) {
        const int64_t row = call.query_offsets[s] + i, position = query_position(call, s, i);
        const T* q = call.q + row * call.q_stride + h * call.head_dim;
        const T* d_o = gradient.d_o + row * gradient.d_o_stride + h * call.value_dim;
        const T lse = call.lse[row * call.heads + h], delta = gradient.delta[row * call.heads + h];
        for (int64_t j = first; j < last; ++j) {
          const int64_t distance = key_position(call, s, j) - position;
          if (!visible(call, distance)) continue;
          const int64_t key = call.key_offsets[s] + j;
          const T* k = call.k + key * call.k_stride + tile.kv_head * call.head_dim;
          const T* v = call.v + key * call.v_stride + tile.kv_head * call.value_dim;
          const T capped = capped_score(call, q, k);
          const int64_t bucket = call.bias != nullptr ? bucket_of(call, distance) : 0;
          const T p = T(exp(capped + addend(call, row, key, h, distance) - lse));
          const T kept = call.dropout == 0                                       ? T(1)
                         : dropped(call.key, threshold, row * call.heads + h, j) ? T(0)
                                                                                 : keep;
          T dp = 0;
          for (int64_t d = 0; d < call.value_dim; ++d) dp += d_o[d] * v[d];
          // One key that has all the weight keeps it whatever its score is: no rounding of delta.
          T ds = p == 1 && gradient.d_lse == nullptr ? T(0) : p * (dp * kept - delta);
          if (part != nullptr) part[h * call.buckets + bucket] += ds;
          if (da != nullptr) da[term_index(a, da_width, row, h, distance)] += ds;
          if (db != nullptr) db[term_index(b, db_width, key, h, distance)] += ds;
          if (call.softcap > 0) ds *= 1 - capped / call.softcap * (capped / call.softcap);
          ds *= call.scale;
          if (dq != nullptr) add_scaled(dq + row * dq_width + h * call.head_dim, ds, k, call.head_dim);
          if (dk != nullptr)
            add_scaled(dk + key * dk_width + tile.kv_head * call.head_dim, ds, q, call.head_dim);
          if (dv != nullptr)
            add_scaled(dv + key * dv_width + tile.kv_head * call.value_dim, p * kept, d_o, call.value_dim);
        }
      }
    }
  }
}

template <typename T>
static size_t no_scratch(const Attention<T>&) {
  return 0;
}

}  // namespace tiny
