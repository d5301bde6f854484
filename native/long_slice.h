// take_long_slices: a thread that computes for long gives way to those that wake for a moment.
#pragma once
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace weft {

/**
 * Lets the system stop the calling thread at once for a thread that wakes on its processor. Without that, a thread that
 * answers requests waits behind a run for milliseconds: since Linux 6.6 a thread that wakes has to wait for the end of
 * the slice of the one that runs. Since 6.12 slices may be asked for, and a thread with a shorter one need not wait
 * (kernel/sched/fair.c, PREEMPT_SHORT). Twice the slice of others is enough for that. A thread with a longer one comes
 * later as well where processors are short, by the difference for each thread that wants its processor. Elsewhere, and
 * where this is not allowed, nothing changes.
 */
inline void take_long_slices() {
#ifdef SYS_sched_setattr
  // struct sched_attr, sched_setattr(2), in its first version
  struct Attributes {
    uint32_t size = sizeof(Attributes), policy = 0;
    uint64_t flags = 0;
    int32_t nice = 0;
    uint32_t priority = 0;
    uint64_t runtime = 0, deadline = 0, period = 0;  // runtime: the slice, in nanoseconds; 0 before 6.12
  } attributes;
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 || attributes.policy != SCHED_OTHER) return;
  attributes.runtime *= 2;
  syscall(SYS_sched_setattr, 0, &attributes, 0);
#endif
}

}  // namespace weft
