// keep_apart: threads that compute at the same time each on a processor of their own.
#pragma once
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>

namespace weft {

/** The processor that the calling thread runs on; -1 where nobody knows. */
inline int processor_now() { return sched_getcpu(); }

/**
 * Moves the calling thread away where it runs on one of the `count` processors `taken`, which other threads are using,
 * and it may use others. On a machine of few processors the system does not look for an idle one when it wakes a thread
 * (Linux, select_idle_cpu: from a load of 43 % on), and two threads then share a processor for milliseconds while
 * another is idle. The thread may use the same processors as before afterwards. Moves are rare, because the system may
 * have its reasons.
 */
inline void keep_apart(int* taken, int count) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::microseconds pause(1000);
  thread_local Clock::time_point moved{};
  const int here = processor_now();
  bool shared = false;
  int known[64];
  count = std::min(count, 64);
  for (int i = 0; i < count; i++) {
    known[i] = std::atomic_ref<int>(taken[i]).load(std::memory_order_relaxed);
    shared = shared || known[i] == here;
  }
  if (here < 0 || !shared) return;
  const Clock::time_point now = Clock::now();
  if (now - moved < pause) return;
  moved = now;
  cpu_set_t before, others;
  if (sched_getaffinity(0, sizeof before, &before) != 0) return;
  others = before;
  for (int i = 0; i < count; i++)
    if (known[i] >= 0 && known[i] < CPU_SETSIZE) CPU_CLR(known[i], &others);
  if (CPU_COUNT(&others) == 0 || sched_setaffinity(0, sizeof others, &others) != 0) return;
  sched_setaffinity(0, sizeof before, &before);
}

}  // namespace weft
