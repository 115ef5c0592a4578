#include "ops/attention_call.h"

#include <cmath>
#include <limits>

#include "ops/dtype_dispatch.h"

namespace tiny {

namespace {

int64_t at_least(const Attributes& attributes, const char* name, int64_t otherwise, int64_t least) {
  const int64_t value = attributes.integer(name, otherwise);
  if (value < least && value != otherwise) {
    throw Error(
        ErrorCode::Option, "",
        std::string(name) + " must be at least " + std::to_string(least) + ", not " + std::to_string(value));
  }
  return value;
}

double finite(const Attributes& attributes, const char* name, double otherwise, double least) {
  const double value = attributes.number(name, otherwise);
  if (!std::isfinite(value) || value < least) {
    throw Error(ErrorCode::Option, "",
                std::string(name) + " must be a finite number of at least " + std::to_string(least) +
                    ", not " + std::to_string(value));
  }
  return value;
}

void require_present(const char* name, const Value& value) {
  if (!value) throw Error(ErrorCode::Shape, "", std::string(name) + " is missing");
}

}  // namespace

AttentionOptions AttentionOptions::from(const Attributes& attributes, bool random) {
  AttentionOptions options;
  options.heads = attributes.integer("heads");
  options.kv_heads = attributes.integer("kvHeads", options.heads);
  options.head_dim = attributes.integer("headDim");
  options.value_dim = attributes.integer("valueDim", options.head_dim);
  if (options.heads < 1 || options.kv_heads < 1 || options.head_dim < 1 || options.value_dim < 1) {
    throw Error(ErrorCode::Option, "", "heads, kvHeads, headDim and valueDim must be at least 1");
  }
  if (options.heads % options.kv_heads != 0) {
    throw Error(ErrorCode::Option, "",
                "heads (" + std::to_string(options.heads) + ") must be a multiple of kvHeads (" +
                    std::to_string(options.kv_heads) + ")");
  }
  options.causal = attributes.flag("causal", false);
  options.window_left = at_least(attributes, "windowLeft", -1, 0);
  options.window_right = at_least(attributes, "windowRight", -1, 0);
  options.scale = finite(attributes, "scale", 1 / std::sqrt(static_cast<double>(options.head_dim)),
                         -std::numeric_limits<double>::max());
  options.softcap = finite(attributes, "softcap", 0, 0);
  if (random) {
    options.dropout = finite(attributes, "dropout", 0, 0);
    if (options.dropout >= 1) throw Error(ErrorCode::Option, "", "dropout must be below 1");
    const int64_t site = at_least(attributes, "site", 0, 0);
    if (site > std::numeric_limits<uint32_t>::max())
      throw Error(ErrorCode::Option, "", "site must be below 2^32");
    options.site = static_cast<uint32_t>(site);
  }
  return options;
}

std::vector<Value> padded_inputs(std::span<const Value> inputs, size_t count) {
  if (inputs.size() > count) {
    throw Error(ErrorCode::Option, "",
                "takes at most " + std::to_string(count) + " inputs, not " + std::to_string(inputs.size()));
  }
  std::vector<Value> padded(inputs.begin(), inputs.end());
  padded.resize(count);
  return padded;
}

void require_matrix(const char* name, const Value& value, DType dtype, int64_t width) {
  require_present(name, value);
  require_dtype("", name, value, dtype);
  if (value.shape().size() != 2 || !(value.shape()[1] == Dim(width))) {
    throw Error(
        ErrorCode::Shape, "",
        std::string(name) + " must be [rows, " + std::to_string(width) + "], not " + str(value.shape()));
  }
}

void require_integers(const char* name, const Value& value, const Shape& shape) {
  require_present(name, value);
  require_dtype("", name, value, DType::Int32);
  if (value.shape() != shape) {
    throw Error(ErrorCode::Shape, "",
                std::string(name) + " must be " + str(shape) + ", not " + str(value.shape()));
  }
}

namespace {

void require_distances(const char* name, const Value& table) {
  require_present(name, table);
  require_dtype("", name, table, DType::Int32);
  const Shape& shape = table.shape();
  if (shape.size() == 1 && shape[0].is_constant() && shape[0].value() % 2 == 1) return;
  throw Error(ErrorCode::Shape, "", std::string(name) + " must be [2 * maxDistance + 1], not " + str(shape));
}

}  // namespace

void require_bias(const Value& bias, const Value& bucket_table, DType dtype, int64_t heads) {
  if (!bias && !bucket_table) return;
  require_matrix("bias", bias, dtype, heads);
  require_distances("bucketTable", bucket_table);
}

void require_sinks(const Value& sinks, DType dtype, int64_t heads) {
  if (!sinks) return;
  require_dtype("", "sinks", sinks, dtype);
  if (sinks.shape() != Shape{Dim(heads)}) {
    throw Error(ErrorCode::Shape, "",
                "sinks must be [" + std::to_string(heads) + "], not " + str(sinks.shape()));
  }
}

void require_terms(const char* name, const char* table_name, const Value& terms, const Value& table,
                   DType dtype, const Dim& rows, int64_t heads) {
  if (!terms && !table) return;
  require_present(name, terms);
  require_dtype("", name, terms, dtype);
  const Shape& shape = terms.shape();
  const bool fits = shape.size() == 2 && shape[0] == rows && shape[1].is_constant() && shape[1].value() > 0 &&
                    shape[1].value() % heads == 0;
  if (!fits) {
    throw Error(ErrorCode::Shape, "",
                std::string(name) + " must be [" + rows.str() + ", " + std::to_string(heads) +
                    " * buckets], not " + str(shape));
  }
  require_distances(table_name, table);
}

void check_attention_inputs(std::span<const Value> inputs, const AttentionOptions& options) {
  using In = AttentionInput;
  const Value &q = inputs[In::Q], &k = inputs[In::K], &offsets = inputs[In::QueryOffsets];
  require_present("q", q);
  require_float("", q.dtype());
  require_matrix("q", q, q.dtype(), options.heads * options.head_dim);
  require_matrix("k", k, q.dtype(), options.kv_heads * options.head_dim);
  require_present("queryOffsets", offsets);
  if (offsets.shape().size() != 1) {
    throw Error(ErrorCode::Shape, "", "queryOffsets must be [sequences + 1], not " + str(offsets.shape()));
  }
  require_integers("queryOffsets", offsets, offsets.shape());
  require_integers("keyOffsets", inputs[In::KeyOffsets], offsets.shape());
  require_bias(inputs[In::Bias], inputs[In::BucketTable], q.dtype(), options.heads);
  require_sinks(inputs[In::Sinks], q.dtype(), options.heads);
  if (inputs[In::PositionsQ] || inputs[In::PositionsK]) {
    require_integers("positionsQ", inputs[In::PositionsQ], {q.shape()[0]});
    require_integers("positionsK", inputs[In::PositionsK], {k.shape()[0]});
  }
  require_terms("queryTerms", "queryTable", inputs[In::QueryTerms], inputs[In::QueryTable], q.dtype(),
                q.shape()[0], options.heads);
  require_terms("keyTerms", "keyTable", inputs[In::KeyTerms], inputs[In::KeyTable], q.dtype(), k.shape()[0],
                options.heads);
}

void check_buckets(const char* op, const char* name, const View& table, int64_t buckets) {
  for (int64_t i = 0; i < table.width(); ++i) {
    const int32_t bucket = table.as<int32_t>()[i];
    if (bucket >= 0 && bucket < buckets) continue;
    throw Error(ErrorCode::Index, op,
                std::string(name) + "[" + std::to_string(i) + "] is " + std::to_string(bucket) +
                    ", outside the " + std::to_string(buckets) + " buckets there are",
                {{"index", static_cast<double>(bucket)}, {"buckets", static_cast<double>(buckets)}});
  }
}

}  // namespace tiny
