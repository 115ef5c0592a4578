#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include "kernels/state_space/state_space.h"
#include "ops/dtype_dispatch.h"
#include "ops/reduce.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/state_space.h"

namespace tiny {

namespace {

constexpr int64_t kGrain = 1024;  // steps dt that a thread takes at once

// Heads whose shares of db and dc are held at a time and then added in order: what bounds the workspace, and
// how many threads one sequence's gradient can use.
constexpr int64_t kHeadsAtOnce = 16;

struct Sizes {
  int64_t tokens, sequences, heads, groups, width, state;

  Sizes(const StateScanOptions& options, const View& x, const View& b, const View& offsets)
      : tokens(x.rows()),
        sequences(offsets.size() - 1),
        heads(options.heads),
        groups(options.groups),
        width(x.width() / options.heads),
        state(b.width() / options.groups) {}
  int64_t group_of(int64_t head) const { return head / (heads / groups); }
  int64_t state_size() const { return state * width; }
  int64_t head_block() const { return std::min(heads, kHeadsAtOnce); }
};

// Calls body(task, thread) for every task, dealt out as threads become free.
template <typename Body>
void deal(ThreadPool& pool, int64_t tasks, const Body& body) {
  struct Context {
    std::atomic<int64_t> next{0};
    int64_t tasks;
    const Body* body;
  } context{{}, tasks, &body};
  if (tasks == 0) return;
  pool.run(
      [](void* raw, int thread) {
        Context& shared = *static_cast<Context*>(raw);
        for (int64_t task; (task = shared.next.fetch_add(1, std::memory_order_relaxed)) < shared.tasks;)
          (*shared.body)(task, thread);
      },
      &context);
}

// PyTorch's, which is linear beyond 20.
double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// The inputs of the scan and the sizes of its steps, for one run.
template <typename T>
class Scan {
 public:
  // Inputs from `first` on are x, dt, a, b, c, offsets, d, dtBias; `memory` is for dt and decay, [tokens,
  // heads] each.
  Scan(Run& run, const StateScanOptions& options, size_t first, T* memory)
      : x_(run.input(first)),
        b_(run.input(first + 3)),
        c_(run.input(first + 4)),
        offsets_(run.input(first + 5)),
        raw_(run.input(first + 1)),
        sizes_(options, x_, b_, offsets_),
        a_(run.input(first + 2).as<T>()),
        d_(run.has(first + 6) ? run.input(first + 6).as<T>() : nullptr),
        bias_(run.has(first + 7) ? run.input(first + 7).as<T>() : nullptr),
        dt_(memory),
        decay_(memory + sizes_.tokens * sizes_.heads) {
    run.pool().ranges(
        sizes_.tokens, std::max<int64_t>(1, kGrain / sizes_.heads), [&](int64_t begin, int64_t end) {
          for (int64_t t = begin; t < end; ++t) {
            for (int64_t h = 0; h < sizes_.heads; ++h) {
              double step = softplus(raw(t, h));
              if (step < options.dt_min) step = options.dt_min;
              if (step > options.dt_max) step = options.dt_max;
              const T rounded = static_cast<T>(step);
              dt_[t * sizes_.heads + h] = rounded;
              decay_[t * sizes_.heads + h] =
                  static_cast<T>(std::exp(static_cast<double>(rounded) * static_cast<double>(a_[h])));
            }
          }
        });
  }

  const Sizes& sizes() const { return sizes_; }
  int64_t start(int64_t s) const { return offsets_.as<int32_t>()[s]; }
  int64_t length(int64_t s) const { return start(s + 1) - start(s); }
  // Before softplus.
  double raw(int64_t token, int64_t head) const {
    const double bias = bias_ == nullptr ? 0.0 : static_cast<double>(bias_[head]);
    return static_cast<double>(raw_.as<T>()[token * raw_.row_stride + head]) + bias;
  }
  T dt(int64_t token, int64_t head) const { return dt_[token * sizes_.heads + head]; }
  T a(int64_t head) const { return a_[head]; }

  // Tokens [token, token + count) of the batch, which are one sequence's.
  ScanBlock<T> block(int64_t head, int64_t token, int64_t count) const {
    ScanBlock<T> block;
    const int64_t group = sizes_.group_of(head) * sizes_.state;
    block.tokens = count;
    block.width = sizes_.width;
    block.state = sizes_.state;
    block.x = x_.as<T>() + token * x_.row_stride + head * sizes_.width;
    block.b = b_.as<T>() + token * b_.row_stride + group;
    block.c = c_.as<T>() + token * c_.row_stride + group;
    block.dt = dt_ + token * sizes_.heads + head;
    block.decay = decay_ + token * sizes_.heads + head;
    block.x_stride = x_.row_stride;
    block.b_stride = b_.row_stride;
    block.c_stride = c_.row_stride;
    block.dt_stride = sizes_.heads;
    block.skip = d_ == nullptr ? T{0} : d_[head];
    return block;
  }

 private:
  const View &x_, &b_, &c_, &offsets_, &raw_;
  Sizes sizes_;
  const T *a_, *d_, *bias_;
  T *dt_, *decay_;
};

// (dy, x, dt, a, b, c, offsets, d?, dtBias?) -> dx, ddt, db, dc, and the terms of da and dd [tokens, heads]
class StateScanGradient final : public Primitive {
 public:
  enum : size_t { Dx, Ddt, Db, Dc, DaTerms, DdTerms };

  explicit StateScanGradient(StateScanOptions options) : options_(options) {}
  const char* name() const override { return "stateScanGradient"; }

  size_t scratch(const Extent& extent) const override {
    const Sizes sizes(options_, extent.inputs[1], extent.inputs[4], extent.inputs[6]);
    return static_cast<size_t>(Layout(sizes, extent.threads).total) * size_of(extent.inputs[1].dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(1).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

 private:
  // Where things lie in the workspace, in elements. States between blocks of tokens are kept while their head
  // is worked on; inside a block they are computed again.
  struct Layout {
    int64_t steps, shares, boundaries, threads, total;
    int64_t step, share, boundary, thread;  // sizes of one

    Layout(const Sizes& sizes, int count) {
      step = sizes.tokens * sizes.heads;
      share = sizes.head_block() * sizes.tokens * sizes.state;
      boundary = sizes.tokens / kScanTokens * sizes.state_size();
      thread = 2 * sizes.state_size() + kScanTokens * sizes.width + kScanScratch;
      steps = 2 * step;  // after dt and decay
      shares = steps + 3 * step;
      boundaries = shares + 2 * share;
      threads = boundaries + sizes.head_block() * boundary;
      total = threads + count * thread;
    }
  };

  template <typename T>
  void run_in(Run& run) const {
    T* memory = static_cast<T*>(run.scratch());
    const Scan<T> scan(run, options_, 1, memory);
    const Sizes& sizes = scan.sizes();
    const Layout layout(sizes, run.pool().size());
    for (int64_t first = 0; first < sizes.heads; first += kHeadsAtOnce) {
      const int64_t count = std::min(kHeadsAtOnce, sizes.heads - first);
      deal(run.pool(), sizes.sequences * count, [&](int64_t task, int thread) {
        one_head(run, scan, layout, memory, task / count, first, task % count, thread);
      });
      for (const size_t output : {Db, Dc}) {
        if (run.wanted(output))
          add_shares(run, sizes, memory + layout.shares + (output == Db ? 0 : layout.share), output, first,
                     count);
      }
    }
    finish(run, scan, memory + layout.steps, layout.step);
  }

  // Head `first + number` of a sequence.
  template <typename T>
  void one_head(Run& run, const Scan<T>& scan, const Layout& layout, T* memory, int64_t s, int64_t first,
                int64_t number, int thread) const {
    const Sizes& sizes = scan.sizes();
    const auto& table = state_space_table<T>();
    const int64_t head = first + number, start = scan.start(s), length = scan.length(s),
                  size = sizes.state_size();
    const int64_t blocks = (length + kScanTokens - 1) / kScanTokens;
    T* own = memory + layout.threads + thread * layout.thread;
    T *h = own, *dh = own + size, *spare = own + 2 * size, *scratch = spare + kScanTokens * sizes.width;
    T* kept = memory + layout.boundaries + number * layout.boundary + start / kScanTokens * size;
    const auto block_at = [&](int64_t i) {
      return scan.block(head, start + i * kScanTokens, std::min(kScanTokens, length - i * kScanTokens));
    };
    std::fill_n(h, 2 * size, T{0});
    for (int64_t i = 0; i + 1 < blocks; ++i) {
      table.scan(block_at(i), h, nullptr, 0);
      std::copy_n(h, size, kept + i * size);
    }
    const View& dy = run.input(0);
    T* steps = memory + layout.steps;
    for (int64_t i = blocks - 1; i >= 0; --i) {
      if (i == 0) std::fill_n(h, size, T{0});
      const int64_t token = start + i * kScanTokens;
      const int64_t at = token * sizes.heads + head, share = (number * sizes.tokens + token) * sizes.state;
      ScanGradients<T> g;
      g.dy = dy.as<T>() + token * dy.row_stride + head * sizes.width;
      g.dy_stride = dy.row_stride;
      g.h = i == 0 ? h : kept + (i - 1) * size;
      g.dh = dh;
      g.dx = spare;
      g.dx_stride = sizes.width;
      if (run.wanted(Dx)) {
        g.dx_stride = sizes.heads * sizes.width;
        g.dx = run.output(Dx).template as<T>() + token * g.dx_stride + head * sizes.width;
      }
      g.db = memory + layout.shares + share;
      g.dc = g.db + layout.share;
      g.ddt = steps + at;
      g.dlog = steps + layout.step + at;
      g.dskip = steps + 2 * layout.step + at;
      g.scratch = scratch;
      table.scan_back(block_at(i), g);
    }
  }

  // The output's rows [groups * N] from those of `count` heads, added in their order.
  template <typename T>
  void add_shares(Run& run, const Sizes& sizes, const T* shares, size_t output, int64_t first,
                  int64_t count) const {
    T* to = run.output(output).template as<T>();
    run.pool().ranges(sizes.tokens, 16, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) {
        for (int64_t j = 0; j < count; ++j) {
          const int64_t group = sizes.group_of(first + j);
          const bool opens = (first + j) % (sizes.heads / sizes.groups) == 0;
          T* row = to + (t * sizes.groups + group) * sizes.state;
          const T* share = shares + (j * sizes.tokens + t) * sizes.state;
          for (int64_t n = 0; n < sizes.state; ++n) row[n] = (opens ? T{0} : row[n]) + share[n];
        }
      }
    });
  }

  // What follows from the gradients of dt, of log(decay) = dt a and of the skip.
  template <typename T>
  void finish(Run& run, const Scan<T>& scan, const T* steps, int64_t step) const {
    const Sizes& sizes = scan.sizes();
    T* outputs[3];
    for (size_t i = 0; i < 3; ++i) {
      const size_t output = std::array{Ddt, DaTerms, DdTerms}[i];
      outputs[i] = run.wanted(output) ? run.output(output).template as<T>() : nullptr;
    }
    const auto [ddt, da, dd] = outputs;
    run.pool().ranges(
        sizes.tokens, std::max<int64_t>(1, kGrain / sizes.heads), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin * sizes.heads; i < end * sizes.heads; ++i) {
            const int64_t t = i / sizes.heads, head = i % sizes.heads;
            const T dlog = steps[step + i];
            if (da != nullptr) da[i] = dlog * scan.dt(t, head);
            if (dd != nullptr) dd[i] = steps[2 * step + i];
            if (ddt == nullptr) continue;
            const double raw = scan.raw(t, head), unclamped = softplus(raw);
            const bool inside = unclamped >= options_.dt_min && unclamped <= options_.dt_max;
            const double slope = inside ? 1 / (1 + std::exp(-raw)) : 0;
            ddt[i] = static_cast<T>(static_cast<double>(steps[i] + dlog * scan.a(head)) * slope);
          }
        });
  }

  StateScanOptions options_;
};

// (x, dt, a, b, c, offsets, d?, dtBias?, state?, readSlots?, writeSlots?) -> y
class StateScan final : public Primitive {
 public:
  enum : size_t { X, Dt, A, B, C, Offsets, D, DtBias, State, ReadSlots, WriteSlots, Count };

  explicit StateScan(StateScanOptions options) : options_(options) {}
  const char* name() const override { return "stateScan"; }

  // Without a cache, threads have a state each.
  size_t scratch(const Extent& extent) const override {
    const Sizes sizes(options_, extent.inputs[X], extent.inputs[B], extent.inputs[Offsets]);
    const int64_t elements = 2 * sizes.tokens * sizes.heads + extent.threads * sizes.state_size();
    return static_cast<size_t>(elements) * size_of(extent.inputs[X].dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(X).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    if (context.input(State))
      throw Error(ErrorCode::Gradient, name(), "has no gradient where it goes on from a state");
    std::vector<Value> inputs{context.gradients[0]};
    for (size_t i = 0; i < State; ++i) inputs.push_back(context.input(i));
    const Value &x = inputs[1], &dt = inputs[2], &b = inputs[4];
    const Type step(dt.dtype(), dt.shape()), entering(b.dtype(), b.shape());
    using Out = StateScanGradient;
    const auto flowing = make_node(std::make_unique<StateScanGradient>(options_), std::move(inputs),
                                   {Type(x.dtype(), x.shape()), step, entering, entering, step, step});
    std::vector<Value> gradients(Count);
    const auto give = [&](size_t input, auto value) {
      if (context.wants[input]) gradients[input] = value();
    };
    give(X, [&] { return flowing[Out::Dx]; });
    give(Dt, [&] { return flowing[Out::Ddt]; });
    give(B, [&] { return flowing[Out::Db]; });
    give(C, [&] { return flowing[Out::Dc]; });
    give(A, [&] { return sum(flowing[Out::DaTerms], Axis::Rows); });
    give(D, [&] { return sum(flowing[Out::DdTerms], Axis::Rows); });
    give(DtBias, [&] { return sum(flowing[Out::Ddt], Axis::Rows); });
    return gradients;
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    check_offsets(name(), "offsets", run.input(Offsets), run.input(X).rows());
    T* memory = static_cast<T*>(run.scratch());
    const Scan<T> scan(run, options_, 0, memory);
    const Sizes& sizes = scan.sizes();
    T* states = memory + 2 * sizes.tokens * sizes.heads;
    const bool stateful = run.has(State);
    const View& cache = run.input(State);
    if (stateful) check_slots(name(), cache, run.input(ReadSlots), run.input(WriteSlots));
    const View& y = run.output(0);
    deal(run.pool(), sizes.sequences * sizes.heads, [&](int64_t task, int thread) {
      const int64_t s = task / sizes.heads, head = task % sizes.heads, size = sizes.state_size();
      T* h = states + thread * size;
      if (stateful) {
        const int32_t from = run.input(ReadSlots).as<int32_t>()[s],
                      to = run.input(WriteSlots).as<int32_t>()[s];
        h = cache.as<T>() + to * cache.row_stride + head * size;
        if (from < 0) {
          std::fill_n(h, size, T{0});
        } else if (from != to) {
          std::copy_n(cache.as<T>() + from * cache.row_stride + head * size, size, h);
        }
      } else {
        std::fill_n(h, size, T{0});
      }
      const int64_t start = scan.start(s), length = scan.length(s);
      for (int64_t i = 0; i < length; i += kScanTokens) {
        state_space_table<T>().scan(scan.block(head, start + i, std::min(kScanTokens, length - i)), h,
                                    y.as<T>() + (start + i) * y.row_stride + head * sizes.width,
                                    y.row_stride);
      }
    });
  }

  StateScanOptions options_;
};

void require_columns(const char* name, const Value& value, const StateScanInputs& in, const Dim& width) {
  require_dtype("", name, value, in.x.dtype());
  if (value.shape() == Shape{in.x.shape()[0], width}) return;
  throw Error(ErrorCode::Shape, "",
              std::string(name) + " must be " + str({in.x.shape()[0], width}) + " beside x " +
                  str(in.x.shape()) + ", not " + str(value.shape()));
}

void require_each_head(const char* name, const Value& value, const StateScanInputs& in, int64_t heads) {
  require_dtype("", name, value, in.x.dtype());
  if (!value || value.shape() == Shape{Dim(heads)}) return;
  throw Error(ErrorCode::Shape, "",
              std::string(name) + " must be [" + std::to_string(heads) + "], one for each head, not " +
                  str(value.shape()));
}

std::vector<Value> build_state_scan(std::span<const Value> inputs, const Attributes& at) {
  if (inputs.size() < 6 || inputs.size() > StateScan::Count)
    throw Error(ErrorCode::Option, "", "takes 6 to 11 inputs, not " + std::to_string(inputs.size()));
  std::vector<Value> in(inputs.begin(), inputs.end());
  in.resize(StateScan::Count);
  StateScanOptions options;
  options.heads = at.integer("heads");
  options.groups = at.integer("groups", 1);
  options.dt_min = at.number("dtMin", 0);
  options.dt_max = at.number("dtMax", std::numeric_limits<double>::infinity());
  return {
      state_scan({in[0], in[1], in[2], in[3], in[4], in[5], in[6], in[7]}, options, {in[8], in[9], in[10]})};
}

}  // namespace

Value state_scan(const StateScanInputs& in, const StateScanOptions& options, const RecurrentState& state) {
  for (const auto& [name, value] :
       {std::pair{"x", in.x}, std::pair{"dt", in.dt}, std::pair{"a", in.a}, std::pair{"b", in.b},
        std::pair{"c", in.c}, std::pair{"offsets", in.offsets}})
    if (!value) throw Error(ErrorCode::Option, "", std::string(name) + " is missing");
  require_float("", in.x.dtype());
  require_offsets("", in.offsets);
  const int64_t heads = options.heads, groups = options.groups;
  if (heads < 1 || groups < 1 || heads % groups != 0) {
    throw Error(ErrorCode::Option, "",
                std::to_string(heads) + " heads cannot share " + std::to_string(groups) + " groups evenly");
  }
  if (!(options.dt_min <= options.dt_max))
    throw Error(ErrorCode::Option, "", "dtMin must not be above dtMax");
  const auto parts = [](const Value& value, int64_t count) {
    return value.shape().size() == 2 && value.shape()[1].is_constant() && value.shape()[1].value() > 0 &&
           value.shape()[1].value() % count == 0;
  };
  if (!parts(in.x, heads) || !parts(in.b, groups)) {
    throw Error(ErrorCode::Shape, "",
                "takes x [tokens, heads * width] of " + std::to_string(heads) +
                    " heads and b [tokens, groups * state] of " + std::to_string(groups) + " groups, not " +
                    str(in.x.shape()) + " and " + str(in.b.shape()),
                {{"x", str(in.x.shape())}, {"b", str(in.b.shape())}});
  }
  const Dim entering = in.b.shape()[1];
  require_columns("dt", in.dt, in, Dim(heads));
  require_columns("b", in.b, in, entering);
  require_columns("c", in.c, in, entering);
  require_each_head("a", in.a, in, heads);
  require_each_head("d", in.d, in, heads);
  require_each_head("dtBias", in.dt_bias, in, heads);
  require_state(state, in.x, in.offsets, Dim(in.x.shape()[1].value() * (entering.value() / groups)));
  return make_value(std::make_unique<StateScan>(options),
                    {in.x, in.dt, in.a, in.b, in.c, in.offsets, in.d, in.dt_bias, state.cache,
                     state.read_slots, state.write_slots},
                    Type(in.x.dtype(), in.x.shape()));
}

std::span<const OpEntry> state_scan_ops() {
  static const OpEntry entries[] = {{"stateScan", build_state_scan}};
  return entries;
}

}  // namespace tiny
