#include <cstring>
#include <memory>
#include <string>

#include "kernels/attention/sequence.h"
#include "ops/attention_call.h"
#include "ops/dtype_dispatch.h"

namespace tiny {

namespace {

// Keys and values in blocks of 64 rows: sequence s holds key j in row 64 * blockTable[s, j / 64] + j % 64.
class CachedAttention final : public Primitive {
 public:
  enum : size_t { Q, KCache, VCache, QueryOffsets, BlockTable, Lengths, Bias, BucketTable, Sinks, Count };
  enum : size_t { O, Lse };

  explicit CachedAttention(AttentionOptions options) : options_(options) {}
  const char* name() const override { return "cachedAttention"; }

  void forward(Run& run) const override {
    with_float(name(), run.input(Q).dtype, [&](auto zero) { compute<decltype(zero)>(run); });
  }

  size_t scratch(const Extent& extent) const override {
    return with_float(name(), extent.inputs[Q].dtype, [&](auto zero) {
      using T = decltype(zero);
      const auto call = attention_call<T>(options_, extent.inputs[Lengths].width());
      return attention_scratch(attention_functions<T>(), call, extent.inputs[Q].dims[0], extent.threads);
    });
  }

 private:
  template <typename T>
  void compute(Run& run) const {
    auto call = attention_call<T>(options_, run.input(Lengths).width());
    check_offsets(name(), "queryOffsets", run.input(QueryOffsets), run.input(Q).dims[0]);
    call.query_offsets = run.input(QueryOffsets).as<int32_t>();
    call.lengths = run.input(Lengths).as<int32_t>();
    call.block_table = run.input(BlockTable).as<int32_t>();
    call.max_blocks = run.input(BlockTable).width();
    call.q = run.input(Q).as<T>();
    call.q_stride = run.input(Q).row_stride;
    call.k = run.input(KCache).as<T>();
    call.k_stride = run.input(KCache).row_stride;
    call.v = run.input(VCache).as<T>();
    call.v_stride = run.input(VCache).row_stride;
    if (run.has(Bias)) {
      check_buckets(name(), "bucketTable", run.input(BucketTable), run.input(Bias).dims[0]);
      bind_bias(call, run.input(Bias), run.input(BucketTable));
    }
    if (run.has(Sinks)) call.sinks = run.input(Sinks).as<T>();
    check_blocks(call, run.input(KCache).rows() / kKeyTile);
    if (run.wanted(O)) call.o = run.output(O).template as<T>();
    call.o_stride = run.output(O).row_stride;
    if (run.wanted(Lse)) call.lse = run.output(Lse).template as<T>();
    attention_forward(attention_functions<T>(), call, run.pool(), run.scratch());
  }

  // Blocks that no window reaches may be gone (-1, or anything).
  template <typename T>
  void check_blocks(const Attention<T>& call, int64_t blocks) const {
    for (int64_t s = 0; s < call.sequences; ++s) {
      const int64_t length = call.lengths[s];
      if (length < 0 || length > call.max_blocks * kKeyTile) {
        throw Error(ErrorCode::Index, name(),
                    "length " + std::to_string(length) + " of sequence " + std::to_string(s) +
                        " is beyond its " + std::to_string(call.max_blocks) + " blocks",
                    {{"sequence", static_cast<double>(s)}, {"length", static_cast<double>(length)}});
      }
      int64_t begin, end;
      seen_keys(call, s, &begin, &end);
      for (int64_t b = begin / kKeyTile; b * kKeyTile < end; ++b) {
        const int64_t block = call.block_table[s * call.max_blocks + b];
        if (block >= 0 && block < blocks) continue;
        throw Error(ErrorCode::Index, name(),
                    "blockTable[" + std::to_string(s) + ", " + std::to_string(b) + "] is " +
                        std::to_string(block) + "; the cache has " + std::to_string(blocks) + " blocks",
                    {{"sequence", static_cast<double>(s)}, {"block", static_cast<double>(block)}});
      }
    }
  }

  const AttentionOptions options_;
};

// Writes rows into a cache and is that cache.
class CacheAppend final : public Primitive {
 public:
  enum : size_t { Cache, Rows, Slots, Count };

  const char* name() const override { return "cacheAppend"; }
  Effect effect() const override { return Effect::Alias; }
  bool runs() const override { return true; }

  void forward(Run& run) const override {
    const View &cache = run.input(Cache), &rows = run.input(Rows);
    const int32_t* slots = run.input(Slots).as<int32_t>();
    const int64_t count = rows.dims[0], capacity = cache.rows();
    for (int64_t i = 0; i < count; ++i) {
      if (slots[i] >= 0 && slots[i] < capacity) continue;
      throw Error(ErrorCode::Index, name(),
                  "slots[" + std::to_string(i) + "] is " + std::to_string(slots[i]) + "; the cache has " +
                      std::to_string(capacity) + " rows",
                  {{"index", static_cast<double>(slots[i])}, {"rows", static_cast<double>(capacity)}});
    }
    const size_t item = size_of(cache.dtype), bytes = static_cast<size_t>(cache.width()) * item;
    char* to = cache.as<char>();
    const char* from = rows.as<char>();
    run.pool().ranges(count, 16, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        std::memcpy(to + static_cast<size_t>(slots[i] * cache.row_stride) * item,
                    from + static_cast<size_t>(i * rows.row_stride) * item, bytes);
      }
    });
  }
};

void require_cache(const char* name, const Value& cache, DType dtype, int64_t width) {
  if (!cache) throw Error(ErrorCode::Shape, "", std::string(name) + " is missing");
  require_dtype("", name, cache, dtype);
  const Shape& shape = cache.shape();
  const bool rows = shape.size() == 2 && shape[0].divisible_by(kKeyTile);
  const bool blocks = shape.size() == 3 && shape[1] == Dim(kKeyTile);
  if ((rows || blocks) && shape.back() == Dim(width)) return;
  throw Error(ErrorCode::Shape, "",
              std::string(name) + " must be [blocks * 64, " + std::to_string(width) + "] or [blocks, 64, " +
                  std::to_string(width) + "], not " + str(shape));
}

}  // namespace

std::vector<Value> build_cached_attention(std::span<const Value> given, const Attributes& attributes) {
  using In = CachedAttention;
  const auto options = AttentionOptions::from(attributes, false);
  std::vector<Value> inputs = padded_inputs(given, In::Count);
  const Value& q = inputs[In::Q];
  if (!q) throw Error(ErrorCode::Shape, "", "q is missing");
  require_float("", q.dtype());
  require_matrix("q", q, q.dtype(), options.heads * options.head_dim);
  require_cache("kCache", inputs[In::KCache], q.dtype(), options.kv_heads * options.head_dim);
  require_cache("vCache", inputs[In::VCache], q.dtype(), options.kv_heads * options.value_dim);
  const Dim rows = inputs[In::KCache].type().rows();
  if (!(rows == inputs[In::VCache].type().rows())) {
    throw Error(ErrorCode::Shape, "",
                "kCache and vCache must have equally many rows, not " + str(inputs[In::KCache].shape()) +
                    " and " + str(inputs[In::VCache].shape()));
  }
  const Value& table = inputs[In::BlockTable];
  if (!table || table.shape().size() != 2) {
    throw Error(ErrorCode::Shape, "",
                "blockTable must be [sequences, blocks]" +
                    (table ? ", not " + str(table.shape()) : std::string("; it is missing")));
  }
  require_integers("blockTable", table, table.shape());
  if (!table.type().contiguous())
    throw Error(ErrorCode::Shape, "", "blockTable must not be a slice of columns");
  require_integers("lengths", inputs[In::Lengths], {table.shape()[0]});
  require_integers("queryOffsets", inputs[In::QueryOffsets], {table.shape()[0] + Dim(1)});
  require_bias(inputs[In::Bias], inputs[In::BucketTable], q.dtype(), options.heads);
  require_sinks(inputs[In::Sinks], q.dtype(), options.heads);
  std::vector<Type> types{Type(q.dtype(), {q.shape()[0], Dim(options.heads * options.value_dim)}),
                          Type(q.dtype(), {q.shape()[0], Dim(options.heads)})};
  return make_node(std::make_unique<CachedAttention>(options), std::move(inputs), std::move(types));
}

std::vector<Value> build_cache_append(std::span<const Value> given, const Attributes&) {
  using In = CacheAppend;
  std::vector<Value> inputs = padded_inputs(given, In::Count);
  const Value &cache = inputs[In::Cache], &rows = inputs[In::Rows];
  if (!cache || cache.shape().size() < 2) {
    throw Error(ErrorCode::Shape, "",
                "cache must be [rows, width] or [blocks, 64, width]" +
                    (cache ? ", not " + str(cache.shape()) : std::string("; it is missing")));
  }
  if (!rows || rows.shape().size() != 2 || !(rows.shape()[1] == cache.type().width())) {
    throw Error(ErrorCode::Shape, "",
                "rows must be [tokens, " + cache.type().width().str() + "] as cache " + str(cache.shape()) +
                    (rows ? ", not " + str(rows.shape()) : "; it is missing"));
  }
  require_dtype("", "rows", rows, cache.dtype());
  require_integers("slots", inputs[In::Slots], {rows.shape()[0]});
  Type type = cache.type();
  return {make_value(std::make_unique<CacheAppend>(), std::move(inputs), std::move(type))};
}

}  // namespace tiny
