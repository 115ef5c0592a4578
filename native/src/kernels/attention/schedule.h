#pragma once

// How a call is cut into pieces of work and dealt out to the team.
#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/aligned.h"
#include "kernels/attention/attention.h"
#include "kernels/attention/sequence.h"
#include "runtime/shares.h"
#include "runtime/thread_pool.h"

namespace tiny {

// Consecutive rows of one sequence; their work is cut into pieces of some key heads, numbered from
// first_piece.
struct Span {
  int64_t sequence, first, count;
  int64_t kv_heads, first_piece;
};

struct Spans {
  const Span* spans;
  int64_t count, pieces;

  // The span of a piece, and its first key head.
  std::pair<const Span&, int64_t> at(int64_t piece) const {
    const Span& span =
        *(std::upper_bound(spans, spans + count, piece,
                           [](int64_t wanted, const Span& s) { return wanted < s.first_piece; }) -
          1);
    return {span, (piece - span.first_piece) * span.kv_heads};
  }
};

// Most spans that cut() makes of `rows` rows.
inline int64_t most_spans(int64_t rows, int64_t size, int64_t sequences) { return rows / size + sequences; }

// Cuts every sequence into spans of at most `size` rows. `rows_of` gives a sequence's length, `heads_of` the
// key heads of a piece with so many rows.
template <typename T, typename RowsOf, typename HeadsOf>
Spans cut(const Attention<T>& call, int64_t size, Span* spans, const RowsOf& rows_of,
          const HeadsOf& heads_of) {
  int64_t found = 0, pieces = 0;
  for (int64_t s = 0; s < call.sequences; ++s) {
    const int64_t rows = rows_of(s);
    for (int64_t first = 0; first < rows; first += size) {
      const int64_t count = std::min(size, rows - first), heads = heads_of(count);
      spans[found++] = {s, first, count, heads, pieces};
      pieces += (call.kv_heads + heads - 1) / heads;
    }
  }
  return {spans, found, pieces};
}

// Queries of a forward tile.
template <typename T>
int64_t tile_queries(const Attention<T>& call) {
  return std::max<int64_t>(1, kQueryRows / (call.heads / call.kv_heads));
}

// A forward call. Single queries of many heads go together, so that cached keys stream row by row, but not so
// many that a thread is left idle.
template <typename T>
Spans cut_forward(const Attention<T>& call, int threads, Span* spans) {
  const int64_t share = (call.sequences * call.kv_heads + 2 * threads - 1) / (2 * threads);
  const int64_t together = std::clamp<int64_t>(share, 1, heads_together(call));
  return cut(
      call, tile_queries(call), spans, [&](int64_t s) { return query_count(call, s); },
      [&](int64_t queries) { return queries == 1 ? together : 1; });
}

template <typename T>
Spans cut_queries(const Attention<T>& call, int64_t size, Span* spans) {
  return cut(
      call, size, spans, [&](int64_t s) { return query_count(call, s); }, [](int64_t) { return int64_t{1}; });
}

template <typename T>
Spans cut_keys(const Attention<T>& call, Span* spans) {
  return cut(
      call, kKeyTile, spans, [&](int64_t s) { return key_count(call, s); },
      [](int64_t) { return int64_t{1}; });
}

// Calls body(piece, thread) for all pieces, one at a time, the last ones of a thread's share first: causal
// tiles cost more towards the end of a sequence.
template <typename Body>
void deal(ThreadPool& pool, int64_t pieces, const Body& body) {
  if (pool.size() == 1 || pieces == 1) {
    for (int64_t i = pieces; i-- > 0;) body(i, 0);
    return;
  }
  if (pieces == 0) return;
  struct Context {
    Shares shares;
    const Body* body;
  } context{{pieces, pool.size()}, &body};
  pool.run(
      [](void* raw, int thread) {
        Context& shared = *static_cast<Context*>(raw);
        shared.shares.each(thread, 1, [&](int64_t unit, int64_t, int share) {
          (*shared.body)(shared.shares.start(share) + shared.shares.start(share + 1) - 1 - unit, thread);
        });
      },
      &context);
}

// Hands out consecutive aligned pieces of a workspace; over null it only measures.
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

}  // namespace tiny
