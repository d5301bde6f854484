// Stacks of the emulated threads, and the switch from one to another.
#pragma once
#include <cstddef>

namespace emulator {

constexpr size_t stack_bytes = 256 << 10;
struct Stack {
  char* base;
  void* fake = nullptr;  // AddressSanitizer's
};

Stack* take_stack();
void give_stack(Stack*);
/** Takes back all stacks, whoever uses them. */
void reclaim_stacks();
/** The stack pointer with which a stack begins to run `first`, which must not return. */
void* fresh_stack(Stack*, void (*first)());
/** What `first` calls before anything else. */
void entered_stack();
/** Goes from a stack, whose pointer it saves, to another. `done`: nobody comes back. */
void switch_stack(Stack* from, void** save, Stack* to, void* pointer, bool done);
/** The stack on which the operating system's thread calls; it changes with the thread. */
Stack* host_stack();

}  // namespace emulator
