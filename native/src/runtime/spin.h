#pragma once

#include <thread>

namespace tiny {

// Tells the core that this thread is waiting.
inline void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Waits for at most `spins` pauses (15 to 40 ns each) and says whether `ready` became true.
template <typename Ready>
bool spin_until(int spins, const Ready& ready) {
  for (; spins > 0; --spins) {
    if (ready()) return true;
    pause();
    // Whoever has work and no processor goes first.
    if ((spins & 127) == 0) std::this_thread::yield();
  }
  return ready();
}

}  // namespace tiny
