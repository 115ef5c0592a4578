#pragma once

#include <cstdint>

#include "runtime/cpu.h"
#include "runtime/thread_pool.h"

namespace tiny {

// Loops of independent multiply-adds in registers: what no product can be faster than.
struct PeakKernels {
  // Run for `steps` and return a number that depends on all of it; `operations` floating-point operations a
  // step.
  double (*fma)(int64_t steps) noexcept;
  double (*bf16)(int64_t steps) noexcept;  // products of bfloat16 pairs; null where the ISA has none
  int64_t fma_operations, bf16_operations;
};

const PeakKernels& peak_kernels(Isa isa = tiny::isa());

enum class PeakKind { Fma, Bf16 };

// Operations per second of the whole pool over about `seconds`; 0 for bfloat16 where the ISA lacks it.
double measure_peak(ThreadPool& pool, PeakKind kind, double seconds = 0.02, Isa isa = tiny::isa());

// Bytes per second that the whole pool reads from memory: a sum over `bytes`, the better of two passes.
// Throws OutOfMemoryError.
double measure_read(ThreadPool& pool, size_t bytes = size_t{256} << 20);

}  // namespace tiny
