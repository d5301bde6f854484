// The order in which the threads of a kernel run.
#pragma once
#include "state.h"

namespace emulator {

void begin_kernel(const std::function<void()>& thread);
/** False after a mistake. */
bool end_kernel();
/** Forgets all threads; then the threads of blocks are added, and run to their end. False: all that are left wait. */
void begin_group();
void add_threads(Block&);
bool run_group();

/** Notes a mistake: the kernel will not go on. */
void fail();
bool has_failed();
[[noreturn]] void fail_here();

/** Lets others run until the thread is ready. */
void suspend();
/** The thread made ready last need not be. */
void take_back_ready();

/** Lets those go on whom a thread that returned kept waiting. */
void release_barriers(Block&);

}  // namespace emulator
