#include "kernels/attention/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "base/aligned.h"
#include "kernels/attention/reference.h"
#include "kernels/attention/sequence.h"

namespace tiny {

#define TINY_ATTENTION(isa, name) extern const AttentionKernels attention_##name;
#include "kernels/attention/kernels.inc"
#undef TINY_ATTENTION

namespace {

template <typename T>
int64_t tile_queries(const Attention<T>& call) {
  return std::max<int64_t>(1, kQueryRows / (call.heads / call.kv_heads));
}

// A range of one sequence's rows.
struct Span {
  int64_t sequence, first, count;
};

// Cuts every sequence into spans of at most `size`; returns how many. `count_of` gives a sequence's length.
template <typename CountOf>
int64_t cut(int64_t sequences, int64_t size, Span* spans, const CountOf& count_of) {
  int64_t found = 0;
  for (int64_t s = 0; s < sequences; ++s) {
    const int64_t count = count_of(s);
    for (int64_t first = 0; first < count; first += size) {
      spans[found++] = {s, first, std::min(size, count - first)};
    }
  }
  return found;
}

// Deals items out to the team one at a time, last ones first: causal tiles cost more towards the end.
template <typename Body>
void deal(ThreadPool& pool, int64_t count, const Body& body) {
  if (pool.size() == 1 || count == 1) {
    for (int64_t i = count; i-- > 0;) body(i, 0);
    return;
  }
  struct Context {
    std::atomic<int64_t> left;
    const Body* body;
  } context{{count}, &body};
  pool.run(
      [](void* raw, int thread) {
        Context& shared = *static_cast<Context*>(raw);
        for (int64_t i; (i = shared.left.fetch_sub(1, std::memory_order_relaxed) - 1) >= 0;)
          (*shared.body)(i, thread);
      },
      &context);
}

// Hands out consecutive aligned pieces of a workspace.
class Workspace {
 public:
  explicit Workspace(void* base) : base_(static_cast<char*>(base)) {}
  template <typename U>
  U* take(int64_t count) {
    return reinterpret_cast<U*>(bytes(static_cast<size_t>(count) * sizeof(U)));
  }
  char* bytes(size_t size) {
    char* piece = base_ == nullptr ? nullptr : base_ + used_;
    used_ += align_up(size);
    return piece;
  }
  size_t used() const { return used_; }

 private:
  char* base_;
  size_t used_ = 0;
};

template <typename T>
struct ForwardSpace {
  ForwardSpace(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries, int threads,
               void* base)
      : space(base), per_thread(align_up(kernels.forward_scratch(call))) {
    spans = space.template take<Span>(queries / tile_queries(call) + call.sequences);
    workspaces = space.bytes(per_thread * static_cast<size_t>(threads));
  }
  Workspace space;
  size_t per_thread;
  Span* spans;
  char* workspaces;
};

template <typename T>
struct BackwardSpace {
  BackwardSpace(const AttentionFunctions<T>& kernels, const Attention<T>& call, int64_t queries, int64_t keys,
                bool bias, int threads, void* base)
      : space(base), per_thread(align_up(kernels.backward_scratch(call))) {
    const int64_t key_tiles = keys / kKeyTile + call.sequences;
    first_parts = space.template take<int64_t>(call.sequences);
    query_spans = space.template take<Span>(queries / kKeyTile + call.sequences);
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
#define TINY_ATTENTION(candidate, name) \
  if (isa >= Isa::candidate) return attention_##name;
#include "kernels/attention/kernels.inc"
#undef TINY_ATTENTION
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
  const int64_t spans =
      cut(call.sequences, tile_queries(call), space.spans, [&](int64_t s) { return query_count(call, s); });
  deal(pool, spans * call.kv_heads, [&](int64_t item, int thread) {
    const Span& span = space.spans[item / call.kv_heads];
    kernels.forward(call, {span.sequence, item % call.kv_heads, span.first, span.count},
                    space.workspaces + space.per_thread * static_cast<size_t>(thread));
  });
}

template <typename T>
void attention_weights(const AttentionFunctions<T>& kernels, const Attention<T>& call, T* out,
                       int64_t queries, int64_t keys, ThreadPool& pool, void* scratch) noexcept {
  pool.ranges(call.sequences * call.heads * queries, 64,
              [&](int64_t begin, int64_t end) { std::fill(out + begin * keys, out + end * keys, T(0)); });
  if (call.sequences == 0) return;
  ForwardSpace<T> space(kernels, call, call.query_offsets[call.sequences], pool.size(), scratch);
  const int64_t spans =
      cut(call.sequences, tile_queries(call), space.spans, [&](int64_t s) { return query_count(call, s); });
  deal(pool, spans * call.kv_heads, [&](int64_t item, int thread) {
    const Span& span = space.spans[item / call.kv_heads];
    kernels.weights(call, {span.sequence, item % call.kv_heads, span.first, span.count}, out, queries, keys,
                    space.workspaces + space.per_thread * static_cast<size_t>(thread));
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
  const auto workspace = [&](int thread) {
    return space.workspaces + space.per_thread * static_cast<size_t>(thread);
  };

  compute_delta(gradient, queries, pool);
  if (gradient.d_sinks != nullptr) compute_d_sinks(gradient, queries, pool);
  int64_t parts = 0;
  for (int64_t s = 0; s < sequences; ++s) {
    space.first_parts[s] = parts;
    parts += (key_count(call, s) + kKeyTile - 1) / kKeyTile;
  }

  const bool dq = gradient.dq != nullptr, dkv = gradient.dk != nullptr || gradient.dv != nullptr || bias;
  if (pool.size() == 1 || sequences * call.kv_heads >= 4 * pool.size()) {
    // Whole heads: scores are recomputed once for all gradients.
    deal(pool, dq || dkv ? sequences * call.kv_heads : 0, [&](int64_t item, int thread) {
      const int64_t s = item / call.kv_heads;
      kernels.backward(gradient,
                       {s, item % call.kv_heads, 0, query_count(call, s), 0, key_count(call, s),
                        space.first_parts[s], dq, dkv},
                       workspace(thread));
    });
  } else {
    // Too few heads to go round: key tiles own dk and dv, query tiles dq, at two recomputations.
    const int64_t key_spans =
        dkv ? cut(sequences, kKeyTile, space.key_spans, [&](int64_t s) { return key_count(call, s); }) : 0;
    deal(pool, key_spans * call.kv_heads, [&](int64_t item, int thread) {
      const Span& span = space.key_spans[item / call.kv_heads];
      kernels.backward(gradient,
                       {span.sequence, item % call.kv_heads, 0, query_count(call, span.sequence), span.first,
                        span.count, space.first_parts[span.sequence], false, true},
                       workspace(thread));
    });
    const int64_t query_spans =
        dq ? cut(sequences, kKeyTile, space.query_spans, [&](int64_t s) { return query_count(call, s); }) : 0;
    deal(pool, query_spans * call.kv_heads, [&](int64_t item, int thread) {
      const Span& span = space.query_spans[item / call.kv_heads];
      kernels.backward(gradient,
                       {span.sequence, item % call.kv_heads, span.first, span.count, 0,
                        key_count(call, span.sequence), space.first_parts[span.sequence], true, false},
                       workspace(thread));
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
