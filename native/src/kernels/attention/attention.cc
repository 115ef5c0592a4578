#include "kernels/attention/attention.h"

#include <algorithm>
#include <cmath>

#include "kernels/attention/reference.h"
#include "kernels/attention/schedule.h"

namespace tiny {

#define TINY_KERNEL(name, isa) extern const AttentionKernels attention_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL

namespace {

template <typename T>
struct ForwardSpace {
  ForwardSpace(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries, int threads,
               void* base)
      : space(base), per_thread(align_up(kernels.forward_scratch(call))) {
    spans = space.template take<Span>(most_spans(queries, tile_queries(call), call.sequences));
    workspaces = space.bytes(per_thread * static_cast<size_t>(threads));
  }
  Workspace space;
  size_t per_thread;
  Span* spans;
  char* workspaces;
  char* workspace(int thread) const { return workspaces + per_thread * static_cast<size_t>(thread); }
};

template <typename T>
struct BackwardSpace {
  BackwardSpace(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries, int64_t keys,
                bool bias, int threads, void* base)
      : space(base), per_thread(align_up(kernels.backward_scratch(call))) {
    const int64_t key_tiles = most_spans(keys, kKeyTile, call.sequences);
    first_parts = space.template take<int64_t>(call.sequences);
    query_spans = space.template take<Span>(most_spans(queries, kKeyTile, call.sequences));
    key_spans = space.template take<Span>(key_tiles);
    delta = space.template take<T>(queries * call.heads);
    parts = space.template take<T>(bias ? key_tiles * call.heads * call.buckets : 0);
    workspaces = space.bytes(per_thread * static_cast<size_t>(threads));
  }
  Workspace space;
  size_t per_thread;
  int64_t* first_parts;
  Span *query_spans, *key_spans;
  T *delta, *parts;
  char* workspaces;
  char* workspace(int thread) const { return workspaces + per_thread * static_cast<size_t>(thread); }
};

template <typename T>
void compute_delta(const AttentionGradient<T>& gradient, int64_t queries, ThreadPool& pool) {
  const Attention<T>& call = gradient.forward;
  const int64_t heads = call.heads;
  pool.ranges(queries, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      for (int64_t h = 0; h < heads; ++h) {
        const T* o = call.o + row * call.o_stride + h * call.value_dim;
        const T* d_o = gradient.d_o + row * gradient.d_o_stride + h * call.value_dim;
        T parts[8] = {};  // independent sums that the compiler turns into vectors
        int64_t d = 0;
        for (; d + 8 <= call.value_dim; d += 8) {
          for (int lane = 0; lane < 8; ++lane) parts[lane] += o[d + lane] * d_o[d + lane];
        }
        for (; d < call.value_dim; ++d) parts[d % 8] += o[d] * d_o[d];
        T sum =
            ((parts[0] + parts[4]) + (parts[2] + parts[6])) + ((parts[1] + parts[5]) + (parts[3] + parts[7]));
        if (gradient.d_lse != nullptr) sum -= gradient.d_lse[row * gradient.d_lse_stride + h];
        gradient.delta[row * heads + h] = sum;
      }
    }
  });
}

// A sink takes probability exp(sink - lse) and gives nothing to o.
template <typename T>
void compute_d_sinks(const AttentionGradient<T>& gradient, int64_t queries, ThreadPool& pool) {
  const Attention<T>& call = gradient.forward;
  pool.ranges(call.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      double sum = 0;
      for (int64_t row = 0; row < queries; ++row) {
        const int64_t at = row * call.heads + h;
        sum -= double(std::exp(call.sinks[h] - call.lse[at])) * double(gradient.delta[at]);
      }
      gradient.d_sinks[h] = T(sum);
    }
  });
}

// Whether heads are dealt out whole: where the longest thread then ends before 7/5 of an even share, which is
// what computing scores twice costs.
template <typename T>
bool whole_heads(const Attention<T>& call, int threads) {
  double total = 0, most = 0;
  for (int64_t s = 0; s < call.sequences; ++s) {
    const double pairs = double(query_count(call, s)) * double(key_count(call, s));
    total += pairs * double(call.kv_heads);
    most = std::max(most, pairs);
  }
  const int64_t rounds = (call.sequences * call.kv_heads + threads - 1) / threads;
  const double longest = std::min(double(rounds) * most, (total - most) / threads + most);
  return longest * threads <= 1.4 * total;
}

template <typename T>
void combine_bias_parts(const AttentionGradient<T>& gradient, int64_t parts, ThreadPool& pool) {
  const Attention<T>& call = gradient.forward;
  pool.ranges(call.heads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t h = begin; h < end; ++h) {
      for (int64_t b = 0; b < call.buckets; ++b) {
        double sum = 0;
        for (int64_t part = 0; part < parts; ++part) {
          sum += gradient.bias_parts[(part * call.heads + h) * call.buckets + b];
        }
        gradient.d_bias[b * call.heads + h] = T(sum);
      }
    }
  });
}

}  // namespace

const AttentionKernels& attention_kernels(Isa isa) {
#define TINY_KERNEL(name, row) \
  if (Isa::row <= isa) return attention_##name;
#include "kernels/vector_isas.inc"
#undef TINY_KERNEL
  return attention_scalar;
}

template <typename T>
const AttentionFunctions<T>& attention_reference() {
  static constexpr AttentionFunctions<T> functions = {"reference",          no_scratch<T>,
                                                      reference_forward<T>, reference_weights<T>,
                                                      no_scratch<T>,        reference_backward<T>};
  return functions;
}

template <typename T>
size_t attention_scratch(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries,
                         int threads) {
  return ForwardSpace<T>(kernels, call, queries, threads, nullptr).space.used();
}

template <typename T>
size_t attention_gradient_scratch(const AttentionFunctions<T>& kernels, const Attention<T>& call,
                                  int64_t queries, int64_t keys, bool bias, int threads) {
  return BackwardSpace<T>(kernels, call, queries, keys, bias, threads, nullptr).space.used();
}

template <typename T>
void attention_forward(const AttentionFunctions<T>& kernels, const Attention<T>& call, ThreadPool& pool,
                       void* scratch) noexcept {
  if (call.sequences == 0) return;
  ForwardSpace<T> space(kernels, call, call.query_offsets[call.sequences], pool.size(), scratch);
  const Spans spans = cut_forward(call, pool.size(), space.spans);
  deal(pool, spans.pieces, [&](int64_t piece, int thread) {
    const auto [span, kv_head] = spans.at(piece);
    const int64_t kv_heads = std::min(span.kv_heads, call.kv_heads - kv_head);
    kernels.forward(call, {span.sequence, span.first, span.count, kv_head, kv_heads},
                    space.workspace(thread));
  });
}

template <typename T>
void attention_weights(const AttentionFunctions<T>& kernels, const Attention<T>& call, T* out,
                       int64_t queries, int64_t keys, ThreadPool& pool, void* scratch) noexcept {
  pool.ranges(call.sequences * call.heads * queries, 64,
              [&](int64_t begin, int64_t end) { std::fill(out + begin * keys, out + end * keys, T(0)); });
  if (call.sequences == 0) return;
  ForwardSpace<T> space(kernels, call, call.query_offsets[call.sequences], pool.size(), scratch);
  const Spans spans = cut_queries(call, tile_queries(call), space.spans);
  deal(pool, spans.pieces, [&](int64_t piece, int thread) {
    const auto [span, kv_head] = spans.at(piece);
    kernels.weights(call, {span.sequence, span.first, span.count, kv_head, 1}, out, queries, keys,
                    space.workspace(thread));
  });
}

template <typename T>
void attention_backward(const AttentionFunctions<T>& kernels, AttentionGradient<T> gradient, ThreadPool& pool,
                        void* scratch) noexcept {
  const Attention<T>& call = gradient.forward;
  const int64_t sequences = call.sequences;
  const int64_t queries = sequences == 0 ? 0 : call.query_offsets[sequences];
  const int64_t keys = sequences == 0 ? 0 : call.key_offsets[sequences];
  const bool bias = gradient.d_bias != nullptr;
  BackwardSpace<T> space(kernels, call, queries, keys, bias, pool.size(), scratch);
  gradient.delta = space.delta;
  gradient.bias_parts = bias ? space.parts : nullptr;
  compute_delta(gradient, queries, pool);
  if (gradient.d_sinks != nullptr) compute_d_sinks(gradient, queries, pool);
  int64_t parts = 0;
  for (int64_t s = 0; s < sequences; ++s) {
    space.first_parts[s] = parts;
    parts += (key_count(call, s) + kKeyTile - 1) / kKeyTile;
  }

  const bool dq = gradient.dq != nullptr || gradient.d_query_terms != nullptr;
  const bool dkv =
      gradient.dk != nullptr || gradient.dv != nullptr || gradient.d_key_terms != nullptr || bias;
  if (whole_heads(call, pool.size())) {
    // Scores are recomputed once for all gradients.
    deal(pool, dq || dkv ? sequences * call.kv_heads : 0, [&](int64_t piece, int thread) {
      const int64_t s = piece / call.kv_heads;
      const GradientTile tile{
          s,  piece % call.kv_heads, 0, query_count(call, s), 0, key_count(call, s), space.first_parts[s], dq,
          dkv};
      kernels.backward(gradient, tile, space.workspace(thread));
    });
  } else {
    // Too few heads to go round: key tiles own dk and dv, query tiles dq, at two recomputations.
    const Spans key_spans = cut_keys(call, space.key_spans);
    deal(pool, dkv ? key_spans.pieces : 0, [&](int64_t piece, int thread) {
      const auto [span, kv_head] = key_spans.at(piece);
      const int64_t s = span.sequence;
      const GradientTile tile{
          s, kv_head, 0, query_count(call, s), span.first, span.count, space.first_parts[s], false, true};
      kernels.backward(gradient, tile, space.workspace(thread));
    });
    const Spans query_spans = cut_queries(call, kKeyTile, space.query_spans);
    deal(pool, dq ? query_spans.pieces : 0, [&](int64_t piece, int thread) {
      const auto [span, kv_head] = query_spans.at(piece);
      const int64_t s = span.sequence;
      const GradientTile tile{
          s, kv_head, span.first, span.count, 0, key_count(call, s), space.first_parts[s], true, false};
      kernels.backward(gradient, tile, space.workspace(thread));
    });
  }
  if (bias) combine_bias_parts(gradient, parts, pool);
}

#define TINY_INSTANTIATE(T)                                                                                \
  template const AttentionFunctions<T>& attention_reference<T>();                                          \
  template size_t attention_scratch(const AttentionFunctions<T>&, const Attention<T>&, int64_t, int);      \
  template size_t attention_gradient_scratch(const AttentionFunctions<T>&, const Attention<T>&, int64_t,   \
                                             int64_t, bool, int);                                          \
  template void attention_forward(const AttentionFunctions<T>&, const Attention<T>&, ThreadPool&,          \
                                  void*) noexcept;                                                         \
  template void attention_weights(const AttentionFunctions<T>&, const Attention<T>&, T*, int64_t, int64_t, \
                                  ThreadPool&, void*) noexcept;                                            \
  template void attention_backward(const AttentionFunctions<T>&, AttentionGradient<T>, ThreadPool&,        \
                                   void*) noexcept;
TINY_INSTANTIATE(float)
TINY_INSTANTIATE(double)
#undef TINY_INSTANTIATE

}  // namespace tiny
