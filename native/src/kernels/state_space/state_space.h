#pragma once

#include <cstdint>

#include "runtime/cpu.h"

namespace tiny {

// The two recurrences of a Mamba-2 layer (Dao and Gu 2024): a short convolution of each channel over time,
// and the scan of a linear state. Strides are in elements.

// Tokens of one sequence under a depthwise causal convolution of `count` taps: the token's own input meets
// the last.
template <typename T>
struct ConvolutionRows {
  const T* x = nullptr;  // the sequence's first token
  int64_t x_stride = 0;
  const T* before = nullptr;  // [count - 1, width]: what came before it
  const T* taps = nullptr;    // [count, width]
  const T* bias = nullptr;    // [width], or null
  int64_t width = 0, count = 0;
  bool silu = false;
};

// Consecutive tokens of one head of one sequence, at most kScanTokens: with dt and decay = exp(dt A) of each
// token, h_t = decay_t h_{t-1} + dt_t B_t ⊗ x_t, y_t = C_t h_t + skip x_t. The state h is [state, width],
// contiguous.
template <typename T>
struct ScanBlock {
  int64_t tokens = 0, width = 0, state = 0;
  const T* x = nullptr;  // [width] of each token
  const T* b = nullptr;  // [state] of each token
  const T* c = nullptr;
  const T* dt = nullptr;  // one of each token
  const T* decay = nullptr;
  int64_t x_stride = 0, b_stride = 0, c_stride = 0, dt_stride = 0;
  T skip = 0;
};

template <typename T>
struct ScanGradients {
  const T* dy = nullptr;  // [width] of each token
  int64_t dy_stride = 0;
  const T* h = nullptr;  // the state before the block
  // The gradient of the state after the block, which becomes that of the state before it.
  T* dh = nullptr;
  T* dx = nullptr;  // [width] of each token
  int64_t dx_stride = 0;
  T *db = nullptr, *dc = nullptr;  // [tokens, state]: this head's share
  // One of each token, `dt_stride` apart like dt: gradients of dt where it scales x, of log(decay), and of
  // the skip.
  T *ddt = nullptr, *dlog = nullptr, *dskip = nullptr;
  T* scratch = nullptr;  // kScanScratch elements
};

inline constexpr int64_t kScanTokens = 32;
inline constexpr int64_t kScanScratch = kScanTokens * 128;

template <typename T>
struct StateSpaceTable {
  // y of tokens [begin, end); y is the sequence's first row, contiguous rows.
  void (*convolve)(const ConvolutionRows<T>& rows, int64_t begin, int64_t end, T* y) noexcept;
  // The gradient before the activation, of tokens [begin, end): dz = dy act'(z).
  void (*convolve_delta)(const ConvolutionRows<T>& rows, const T* dy, int64_t dy_stride, int64_t begin,
                         int64_t end, T* dz) noexcept;
  // dx of tokens [begin, end) of a sequence of `length`; dz and dx are its first rows.
  void (*convolve_back)(const ConvolutionRows<T>& rows, const T* dz, int64_t dz_stride, int64_t length,
                        int64_t begin, int64_t end, T* dx) noexcept;
  // sums [count + 1, width] += the gradients of the taps and, last, of the bias, of tokens [begin, end) in
  // order.
  void (*convolve_taps)(const ConvolutionRows<T>& rows, const T* dz, int64_t dz_stride, int64_t begin,
                        int64_t end, T* sums) noexcept;
  // Moves the state h over the block, and gives y of each token unless that is null.
  void (*scan)(const ScanBlock<T>& block, T* h, T* y, int64_t y_stride) noexcept;
  void (*scan_back)(const ScanBlock<T>& block, const ScanGradients<T>& gradients) noexcept;
};

using StateSpaceKernels = StateSpaceTable<float>;

const StateSpaceKernels& state_space_kernels(Isa isa = tiny::isa());

// The same by element type: float64 runs on the reference.
template <typename T>
const StateSpaceTable<T>& state_space_table();

}  // namespace tiny
