// Stacks of the emulated threads, and the switch from one to another.
#include "stacks.h"

#include <pthread.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "emulator.h"
#include "sanitizer.h"

extern "C" void emulator_switch(void** save, void* to) __asm__("emulator_switch");
#if defined(__x86_64__)
asm(R"(.text
.globl emulator_switch
emulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp,(%rdi); movq %rsi,%rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");
constexpr int return_word = 6, words = 8;  // six registers, where to go, and nothing to return to
#elif defined(__aarch64__)
asm(R"(.text
.globl emulator_switch
emulator_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]; stp x21, x22, [sp, #16]; stp x23, x24, [sp, #32]; stp x25, x26, [sp, #48]; stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]; stp d8, d9, [sp, #96]; stp d10, d11, [sp, #112]; stp d12, d13, [sp, #128]; stp d14, d15, [sp, #144]
  mov x9, sp; str x9, [x0]; mov sp, x1
  ldp x19, x20, [sp]; ldp x21, x22, [sp, #16]; ldp x23, x24, [sp, #32]; ldp x25, x26, [sp, #48]; ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]; ldp d8, d9, [sp, #96]; ldp d10, d11, [sp, #112]; ldp d12, d13, [sp, #128]; ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
)");
constexpr int return_word = 11, words = 20;
#else
#error "a switch of stacks is missing for this processor"
#endif

namespace emulator {

namespace {
std::vector<std::unique_ptr<Stack>> stacks;
std::vector<Stack*> unused;
constexpr size_t page = 4096;
Stack host{};
pthread_t host_thread;
size_t host_bytes;
}  // namespace

Stack* take_stack() {
  if (unused.empty()) {
    void* base = mmap(nullptr, stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED) fault("no memory for the stack of a thread");
    if (stacks.size() < 8192) mprotect(base, page, PROT_NONE);  // a guard, while mappings last: a process has a limited number
    stacks.push_back(std::make_unique<Stack>(Stack{static_cast<char*>(base)}));
    return stacks.back().get();
  }
  Stack* stack = unused.back();
  unused.pop_back();
  return stack;
}

void give_stack(Stack* stack) { unused.push_back(stack); }

void reclaim_stacks() {
  unused.clear();
  for (auto& stack : stacks) {
    if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(stack->base + page, stack_bytes - page);
    stack->fake = nullptr;
    unused.push_back(stack.get());
  }
}

void* fresh_stack(Stack* stack, void (*first)()) {
  // different distances from the end, so that the stacks do not compete for the same sets of the cache
  const size_t distance = reinterpret_cast<uintptr_t>(stack->base) / stack_bytes % 16 * 192;
  // a function begins with its stack pointer 8 short of a multiple of 16 (x86-64), or at one
  void** pointer = reinterpret_cast<void**>(stack->base + stack_bytes - 64 - distance) - words;
  std::fill_n(pointer, words, nullptr);
  pointer[return_word] = reinterpret_cast<void*>(first);
  return pointer;
}

Stack* host_stack() {
  if (__sanitizer_start_switch_fiber && (!host.base || !pthread_equal(host_thread, pthread_self()))) {
    host_thread = pthread_self();
    pthread_attr_t attributes;
    pthread_getattr_np(host_thread, &attributes);
    void* base = nullptr;
    pthread_attr_getstack(&attributes, &base, &host_bytes);
    pthread_attr_destroy(&attributes);
    host.base = static_cast<char*>(base);
  }
  return &host;
}

void switch_stack(Stack* from, void** save, Stack* to, void* pointer, bool done) {
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(done ? nullptr : &from->fake, to->base, to == &host ? host_bytes : stack_bytes);
  emulator_switch(save, pointer);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr);
}

void entered_stack() {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
}

}  // namespace emulator
