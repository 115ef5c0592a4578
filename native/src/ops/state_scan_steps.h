#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/state_space/state_space.h"
#include "ops/state_space.h"

namespace tiny {

inline constexpr int64_t kStepGrain = 1024;  // steps dt that a thread takes at once

struct ScanSizes {
  int64_t tokens, sequences, heads, groups, width, state;

  ScanSizes(const StateScanOptions& options, const View& x, const View& b, const View& offsets)
      : tokens(x.rows()),
        sequences(offsets.size() - 1),
        heads(options.heads),
        groups(options.groups),
        width(x.width() / options.heads),
        state(b.width() / options.groups) {}
  int64_t group_of(int64_t head) const { return head / (heads / groups); }
  int64_t state_size() const { return state * width; }
};

// PyTorch's, which is linear beyond 20.
inline double softplus(double x) { return x > 20 ? x : std::log1p(std::exp(x)); }

// The inputs of the scan and the sizes of its steps, for one run.
template <typename T>
class ScanSteps {
 public:
  // Inputs from `first` on are x, dt, a, b, c, offsets, d, dtBias; `memory` is for dt and decay, [tokens,
  // heads] each.
  ScanSteps(Run& run, const StateScanOptions& options, size_t first, T* memory)
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
        sizes_.tokens, std::max<int64_t>(1, kStepGrain / sizes_.heads), [&](int64_t begin, int64_t end) {
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

  const ScanSizes& sizes() const { return sizes_; }
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
  ScanSizes sizes_;
  const T *a_, *d_, *bias_;
  T *dt_, *decay_;
};

// The gradient op over dy and state_scan's eight inputs: dx, ddt, db, dc, and the terms of da and dd [tokens,
// heads].
struct StateScanFlow {
  Value dx, ddt, db, dc, da_terms, dd_terms;
};
StateScanFlow state_scan_gradient(const Value& dy, const StateScanInputs& in,
                                  const StateScanOptions& options);

}  // namespace tiny
