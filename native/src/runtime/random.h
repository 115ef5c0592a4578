#pragma once

#include <cstdint>

namespace tiny {

// Counter-based random numbers (Philox4x32-10, Salmon et al. 2011): a value is a function of
// (key, counter) and nothing else, so threads, order and recomputation do not change it.
// A key is (seed, step, site): 64 bits of key from seed and step, the site in the counter's top word.
struct RandomKey {
  uint32_t seed = 0;
  uint32_t step = 0;
  uint32_t site = 0;
};

// Four uniform 32-bit words for counter block `index`.
static inline void philox(const RandomKey& key, uint64_t index, uint32_t out[4]) {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32), c2 = key.site, c3 = 0;
  uint32_t k0 = key.seed, k1 = key.step;
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
    const uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0,
                   n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<uint32_t>(p1);
    c3 = static_cast<uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

}  // namespace tiny
