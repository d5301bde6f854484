// watch: waits for another thread for a short while without going to sleep. To wake a sleeping thread costs more time
// than most runs take.
#pragma once
#include <sched.h>

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#define WEFT_PAUSE() _mm_pause()
#elif defined(__aarch64__)
#define WEFT_PAUSE() asm volatile("yield")
#else
#define WEFT_PAUSE() ((void)0)
#endif

namespace weft {

/**
 * Calls `ready()` again and again until it holds, for about the given time. Returns whether it holds. After a short
 * while it gives way between the calls to other threads that could run.
 */
template <class F> bool watch(std::chrono::microseconds time, F&& ready) {
  for (int spins = 0; spins < 500; spins++) {
    if (ready()) return true;
    WEFT_PAUSE();
  }
  const auto end = std::chrono::steady_clock::now() + time;
  do {
    for (int spins = 0; spins < 16; spins++) {
      if (ready()) return true;
      WEFT_PAUSE();
    }
    sched_yield();
  } while (std::chrono::steady_clock::now() < end);
  return ready();
}

/** How long a thread usually waits for what it watches for. */
class Idleness {
 public:
  /** Whether it is usually shorter than this, in microseconds. */
  bool below(double microseconds) const { return usual_ < microseconds; }
  /** Notes a wait. A long one counts no more than that it was long. */
  void waited(double microseconds) { usual_ += (std::min(microseconds, longest) - usual_) / 4; }

 private:
  static constexpr double longest = 250;
  double usual_ = 0;
};

}  // namespace weft
