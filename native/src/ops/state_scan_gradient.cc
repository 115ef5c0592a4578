#include <array>
#include <cmath>

#include "ops/dtype_dispatch.h"
#include "ops/state_scan_steps.h"

namespace tiny {

namespace {

// Heads whose shares of db and dc are held at a time and then added in order: what bounds the workspace, and
// how many threads one sequence's gradient can use.
constexpr int64_t kHeadsAtOnce = 16;

int64_t head_block(const ScanSizes& sizes) { return std::min(sizes.heads, kHeadsAtOnce); }

// (dy, x, dt, a, b, c, offsets, d?, dtBias?) -> dx, ddt, db, dc, and the terms of da and dd [tokens, heads]
class StateScanGradient final : public Primitive {
 public:
  enum : size_t { Dx, Ddt, Db, Dc, DaTerms, DdTerms };

  explicit StateScanGradient(StateScanOptions options) : options_(options) {}
  const char* name() const override { return "stateScanGradient"; }

  size_t scratch(const Extent& extent) const override {
    const ScanSizes sizes(options_, extent.inputs[1], extent.inputs[4], extent.inputs[6]);
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

    Layout(const ScanSizes& sizes, int count) {
      step = sizes.tokens * sizes.heads;
      share = head_block(sizes) * sizes.tokens * sizes.state;
      boundary = sizes.tokens / kScanTokens * sizes.state_size();
      thread = 2 * sizes.state_size() + kScanTokens * sizes.width + kScanScratch;
      steps = 2 * step;  // after dt and decay
      shares = steps + 3 * step;
      boundaries = shares + 2 * share;
      threads = boundaries + head_block(sizes) * boundary;
      total = threads + count * thread;
    }
  };

  template <typename T>
  void run_in(Run& run) const {
    T* memory = static_cast<T*>(run.scratch());
    const ScanSteps<T> scan(run, options_, 1, memory);
    const ScanSizes& sizes = scan.sizes();
    const Layout layout(sizes, run.pool().size());
    for (int64_t first = 0; first < sizes.heads; first += kHeadsAtOnce) {
      const int64_t count = std::min(kHeadsAtOnce, sizes.heads - first);
      run.pool().tasks(sizes.sequences * count, [&](int64_t task, int thread) {
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
  void one_head(Run& run, const ScanSteps<T>& scan, const Layout& layout, T* memory, int64_t s, int64_t first,
                int64_t number, int thread) const {
    const ScanSizes& sizes = scan.sizes();
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
  void add_shares(Run& run, const ScanSizes& sizes, const T* shares, size_t output, int64_t first,
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
  void finish(Run& run, const ScanSteps<T>& scan, const T* steps, int64_t step) const {
    const ScanSizes& sizes = scan.sizes();
    T* outputs[3];
    for (size_t i = 0; i < 3; ++i) {
      const size_t output = std::array{Ddt, DaTerms, DdTerms}[i];
      outputs[i] = run.wanted(output) ? run.output(output).template as<T>() : nullptr;
    }
    const auto [ddt, da, dd] = outputs;
    run.pool().ranges(
        sizes.tokens, std::max<int64_t>(1, kStepGrain / sizes.heads), [&](int64_t begin, int64_t end) {
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

}  // namespace

StateScanFlow state_scan_gradient(const Value& dy, const StateScanInputs& in,
                                  const StateScanOptions& options) {
  const Type step(in.dt.dtype(), in.dt.shape()), entering(in.b.dtype(), in.b.shape());
  const auto flowing = make_node(std::make_unique<StateScanGradient>(options),
                                 {dy, in.x, in.dt, in.a, in.b, in.c, in.offsets, in.d, in.dt_bias},
                                 {Type(in.x.dtype(), in.x.shape()), step, entering, entering, step, step});
  using Out = StateScanGradient;
  return {flowing[Out::Dx], flowing[Out::Ddt],     flowing[Out::Db],
          flowing[Out::Dc], flowing[Out::DaTerms], flowing[Out::DdTerms]};
}

}  // namespace tiny
