// watch: waiting for another thread for a short while without going to sleep. Waking a sleeping thread costs more than
// most runs.
#pragma once
#include <sched.h>

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#define WEFT_PAUSE() _mm_pause()
#else
#define WEFT_PAUSE() ((void)0)
#endif

namespace weft {

/**
 * Looks until `ready()` holds, for about the given time; returns whether it does. Soon gives way to threads that could
 * run instead.
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
