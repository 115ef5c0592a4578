#include <limits>
#include <string>
#include <utility>

#include "ops/dtype_dispatch.h"
#include "ops/reduce.h"
#include "ops/registry.h"
#include "ops/segments.h"
#include "ops/state_scan_steps.h"

namespace tiny {

namespace {

// (x, dt, a, b, c, offsets, d?, dtBias?, state?, readSlots?, writeSlots?) -> y
class StateScan final : public Primitive {
 public:
  enum : size_t { X, Dt, A, B, C, Offsets, D, DtBias, State, ReadSlots, WriteSlots, Count };

  explicit StateScan(StateScanOptions options) : options_(options) {}
  const char* name() const override { return "stateScan"; }

  // Without a cache, threads have a state each.
  size_t scratch(const Extent& extent) const override {
    const ScanSizes sizes(options_, extent.inputs[X], extent.inputs[B], extent.inputs[Offsets]);
    const int64_t elements = 2 * sizes.tokens * sizes.heads + extent.threads * sizes.state_size();
    return static_cast<size_t>(elements) * size_of(extent.inputs[X].dtype);
  }

  void forward(Run& run) const override {
    with_float(name(), run.input(X).dtype, [&](auto zero) { run_in<decltype(zero)>(run); });
  }

  std::vector<Value> gradient(const GradientContext& context) const override {
    if (context.input(State))
      throw Error(ErrorCode::Gradient, name(), "has no gradient where it goes on from a state");
    const auto input = [&](size_t i) { return context.input(i); };
    const StateScanInputs in{input(X), input(Dt),      input(A), input(B),
                             input(C), input(Offsets), input(D), input(DtBias)};
    const StateScanFlow flow = state_scan_gradient(context.gradients[0], in, options_);
    std::vector<Value> gradients(Count);
    const auto give = [&](size_t input, auto value) {
      if (context.wants[input]) gradients[input] = value();
    };
    give(X, [&] { return flow.dx; });
    give(Dt, [&] { return flow.ddt; });
    give(B, [&] { return flow.db; });
    give(C, [&] { return flow.dc; });
    give(A, [&] { return sum(flow.da_terms, Axis::Rows); });
    give(D, [&] { return sum(flow.dd_terms, Axis::Rows); });
    give(DtBias, [&] { return sum(flow.ddt, Axis::Rows); });
    return gradients;
  }

 private:
  template <typename T>
  void run_in(Run& run) const {
    check_offsets(name(), "offsets", run.input(Offsets), run.input(X).rows());
    T* memory = static_cast<T*>(run.scratch());
    const ScanSteps<T> scan(run, options_, 0, memory);
    const ScanSizes& sizes = scan.sizes();
    T* states = memory + 2 * sizes.tokens * sizes.heads;
    const bool stateful = run.has(State);
    const View& cache = run.input(State);
    if (stateful) check_slots(name(), cache, run.input(ReadSlots), run.input(WriteSlots));
    const View& y = run.output(0);
    run.pool().tasks(sizes.sequences * sizes.heads, [&](int64_t task, int thread) {
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
