#include "runtime/cpu.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

#include "base/error.h"

namespace tiny {

TEST_CASE("every name of an instruction set is read back") {
  for (const Isa one : {Isa::Scalar, Isa::Sse2, Isa::Avx2, Isa::Avx512, Isa::Avx512Bf16, Isa::Neon,
                        Isa::NeonBf16, Isa::NeonI8mm}) {
    CHECK(isa_from(name_of(one)) == one);
  }
  CHECK_FALSE(isa_from("AVX2").has_value());
  CHECK_FALSE(isa_from("").has_value());
}

TEST_CASE("usable instruction sets stand best first, from the one in use down to scalar") {
  const std::vector<Isa> usables = usable_isas();
  REQUIRE_FALSE(usables.empty());
  CHECK(usables.front() == isa());
  CHECK(usables.back() == Isa::Scalar);
  for (size_t i = 1; i < usables.size(); ++i) CHECK(usables[i] < usables[i - 1]);
  for (const Isa one : usables) CHECK(usable(one));
}

TEST_CASE("a cap chooses what it names, and none the best") {
  const char* cap = std::getenv("TINY_ISA");
  CHECK(isa_capped(cap == nullptr ? "" : cap) == isa());
  CHECK(isa_capped("") >= isa());
  for (const Isa one : usable_isas()) CHECK(isa_capped(name_of(one)) == one);
}

TEST_CASE("a cap that names nothing, or another architecture's instruction set, is an OptionError") {
#if defined(__aarch64__) || defined(_M_ARM64)
  const std::string_view foreign = "avx2";
#else
  const std::string_view foreign = "neon";
#endif
  for (const std::string_view cap : {foreign, std::string_view("avx9"), std::string_view("AVX2")}) {
    try {
      isa_capped(cap);
      FAIL_CHECK("no error for ", std::string(cap));
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::Option);
      CHECK(std::string(error.what()).find("TINY_ISA=" + std::string(cap)) != std::string::npos);
      CHECK(std::string(error.what()).find("scalar") != std::string::npos);  // what there is instead
    }
  }
}

TEST_CASE("the processor has a name and caches that grow outwards") {
  CHECK(std::string(cpu_model()) != "");
  const CacheSizes& sizes = cache_sizes();
  CHECK(sizes.l1 >= 4096);
  CHECK(sizes.l2 >= sizes.l1);
  CHECK(sizes.l3 > 0);
}

}  // namespace tiny
