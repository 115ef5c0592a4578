#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace tiny {

// Instruction sets that kernels are compiled for, worst first within an architecture. `Scalar` is
// the reference; the others hold everything that those before them on the same architecture hold.
enum class Isa { Scalar, Sse2, Avx2, Avx512, Avx512Bf16, Neon, NeonBf16, NeonI8mm };

std::string_view name_of(Isa isa);  // "avx512bf16"
std::optional<Isa> isa_from(std::string_view name);

// The best ISA that processor and operating system support and this binary was built with, capped
// by the environment variable TINY_ISA. Decided once, at first use. A TINY_ISA that names none or
// one that this machine lacks throws OptionError.
Isa isa();

// What isa() is under a value of TINY_ISA; empty caps nothing.
Isa isa_capped(std::string_view cap);

// Whether kernels of `candidate` may run: at or below isa().
bool usable(Isa candidate);

// Usable ISAs, best first, ending in Scalar: what tests iterate over.
std::vector<Isa> usable_isas();

struct CacheSizes {
  size_t l1 = 32 << 10;   // bytes, per core
  size_t l2 = 512 << 10;  // bytes, per core
  size_t l3 = 8 << 20;    // bytes, shared
};
const CacheSizes& cache_sizes();

// The processor's own name, for benchmarks and reports.
const char* cpu_model();

}  // namespace tiny
