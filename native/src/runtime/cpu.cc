#include "runtime/cpu.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "base/error.h"

#if defined(__x86_64__) || defined(_M_X64)
#define TINY_X86 1
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <unistd.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif
#endif
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace tiny {

namespace {

constexpr std::array<std::pair<Isa, std::string_view>, 8> kNames{{
    {Isa::Scalar, "scalar"},
    {Isa::Sse2, "sse2"},
    {Isa::Avx2, "avx2"},
    {Isa::Avx512, "avx512"},
    {Isa::Avx512Bf16, "avx512bf16"},
    {Isa::Neon, "neon"},
    {Isa::NeonBf16, "neon_bf16"},
    {Isa::NeonI8mm, "neon_i8mm"},
}};

#if defined(TINY_X86)

struct Registers {
  unsigned a = 0, b = 0, c = 0, d = 0;
};

Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  if (__get_cpuid_max(leaf & 0x80000000u, nullptr) >= leaf) __cpuid_count(leaf, subleaf, r.a, r.b, r.c, r.d);
  return r;
}

// Register state that the operating system saves: AVX needs bits 1-2, AVX-512 also 5-7.
unsigned long long xcr0() {
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
}

constexpr bool all(unsigned value, unsigned mask) { return (value & mask) == mask; }

bool hardware_has(Isa candidate) {
  if (candidate == Isa::Scalar || candidate == Isa::Sse2) return true;
  const Registers one = cpuid(1), seven = cpuid(7), seven1 = cpuid(7, 1), extended = cpuid(0x80000001u);
  const bool osxsave = one.c & (1u << 27);
  const unsigned long long state = osxsave ? xcr0() : 0;
  // x86-64-v3: FMA, MOVBE, AVX, F16C, SSE4.2, POPCNT; BMI1, AVX2, BMI2; LZCNT.
  const unsigned v3 = 1u << 12 | 1u << 22 | 1u << 28 | 1u << 29 | 1u << 20 | 1u << 23;
  const bool avx2 = (state & 6) == 6 && all(one.c, v3) && all(seven.b, 1u << 3 | 1u << 5 | 1u << 8) &&
                    (extended.c & (1u << 5));
  if (candidate == Isa::Avx2) return avx2;
  // x86-64-v4: AVX-512 F, DQ, CD, BW, VL.
  const bool avx512 =
      avx2 && (state & 0xe6) == 0xe6 && all(seven.b, 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31);
  if (candidate == Isa::Avx512) return avx512;
  // AVX512_VNNI and AVX512_BF16.
  if (candidate == Isa::Avx512Bf16) return avx512 && (seven.c & (1u << 11)) && (seven1.a & (1u << 5));
  return false;
}

#elif defined(__aarch64__) || defined(_M_ARM64)

#if defined(__APPLE__)
bool feature(const char* name) {
  int value = 0;
  size_t size = sizeof value;
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value != 0;
}
#endif

bool hardware_has(Isa candidate) {
  if (candidate == Isa::Scalar || candidate == Isa::Neon) return true;
#if defined(__APPLE__)
  const bool bf16 = feature("hw.optional.arm.FEAT_BF16") && feature("hw.optional.arm.FEAT_DotProd");
  const bool i8mm = feature("hw.optional.arm.FEAT_I8MM");
#elif defined(__linux__)
  // HWCAP_ASIMDDP, HWCAP2_I8MM, HWCAP2_BF16
  const bool bf16 = (getauxval(AT_HWCAP) & (1ul << 20)) && (getauxval(AT_HWCAP2) & (1ul << 14));
  const bool i8mm = getauxval(AT_HWCAP2) & (1ul << 13);
#else
  const bool bf16 = false, i8mm = false;
#endif
  if (candidate == Isa::NeonBf16) return bf16;
  if (candidate == Isa::NeonI8mm) return bf16 && i8mm;
  return false;
}

#else

bool hardware_has(Isa candidate) { return candidate == Isa::Scalar; }

#endif

bool built_with(Isa candidate) {
  switch (candidate) {
    case Isa::Scalar:
      return true;
#if defined(TINY_HAVE_SSE2)
    case Isa::Sse2:
      return true;
#endif
#if defined(TINY_HAVE_AVX2)
    case Isa::Avx2:
      return true;
#endif
#if defined(TINY_HAVE_AVX512)
    case Isa::Avx512:
      return true;
#endif
#if defined(TINY_HAVE_AVX512BF16)
    case Isa::Avx512Bf16:
      return true;
#endif
#if defined(TINY_HAVE_NEON)
    case Isa::Neon:
      return true;
#endif
#if defined(TINY_HAVE_NEON_BF16)
    case Isa::NeonBf16:
      return true;
#endif
#if defined(TINY_HAVE_NEON_I8MM)
    case Isa::NeonI8mm:
      return true;
#endif
    default:
      return false;
  }
}

std::vector<Isa> available() {
  std::vector<Isa> best_first;
  for (auto entry = kNames.rbegin(); entry != kNames.rend(); ++entry) {
    if (built_with(entry->first) && hardware_has(entry->first)) best_first.push_back(entry->first);
  }
  return best_first;
}

CacheSizes read_cache_sizes() {
  CacheSizes sizes;
#if defined(__linux__) && defined(_SC_LEVEL1_DCACHE_SIZE)
  const auto read = [](int name, size_t& into) {
    if (const long value = sysconf(name); value > 0) into = static_cast<size_t>(value);
  };
  read(_SC_LEVEL1_DCACHE_SIZE, sizes.l1);
  read(_SC_LEVEL2_CACHE_SIZE, sizes.l2);
  read(_SC_LEVEL3_CACHE_SIZE, sizes.l3);
#elif defined(__APPLE__)
  const auto read = [](const char* name, size_t& into) {
    int64_t value = 0;
    size_t size = sizeof value;
    if (sysctlbyname(name, &value, &size, nullptr, 0) == 0 && value > 0) into = static_cast<size_t>(value);
  };
  read("hw.perflevel0.l1dcachesize", sizes.l1);
  read("hw.perflevel0.l2cachesize", sizes.l2);
#endif
  return sizes;
}

std::string read_model() {
#if defined(TINY_X86)
  char brand[49] = {};
  for (unsigned i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(brand + 16 * i, &r, 16);
  }
  return brand;
#elif defined(__APPLE__)
  char brand[128] = {};
  size_t size = sizeof brand - 1;
  sysctlbyname("machdep.cpu.brand_string", brand, &size, nullptr, 0);
  return brand;
#else
  return "aarch64";
#endif
}

}  // namespace

std::string_view name_of(Isa isa) {
  for (const auto& [value, name] : kNames) {
    if (value == isa) return name;
  }
  return "unknown";
}

std::optional<Isa> isa_from(std::string_view name) {
  for (const auto& [value, known] : kNames) {
    if (known == name) return value;
  }
  return std::nullopt;
}

Isa isa_capped(std::string_view cap) {
  const std::vector<Isa> best_first = available();
  if (cap.empty()) return best_first.front();
  std::string names;
  for (Isa candidate : best_first) {
    if (name_of(candidate) == cap) return candidate;
    names += (names.empty() ? "" : ", ") + std::string(name_of(candidate));
  }
  throw Error(ErrorCode::Option, "",
              "TINY_ISA=" + std::string(cap) + " is not among what this machine runs: " + names);
}

Isa isa() {
  static const Isa chosen = [] {
    const char* cap = std::getenv("TINY_ISA");
    return isa_capped(cap == nullptr ? "" : cap);
  }();
  return chosen;
}

bool usable(Isa candidate) {
  // Within one architecture the enum is ordered, and Scalar runs everywhere.
  return candidate <= isa() && built_with(candidate) && hardware_has(candidate);
}

std::vector<Isa> usable_isas() {
  std::vector<Isa> best_first;
  for (Isa candidate : available()) {
    if (usable(candidate)) best_first.push_back(candidate);
  }
  return best_first;
}

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = read_cache_sizes();
  return sizes;
}

const char* cpu_model() {
  static const std::string* model = new std::string(read_model());
  return model->c_str();
}

}  // namespace tiny
