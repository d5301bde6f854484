// The functions that code compiled with -fsanitize=thread calls, in place of the sanitizer's own library. Only kernels
// matter: host code has no running thread of the emulation, and its atomics are just done.
#include <cstdint>
#include <cstring>

#include "race.h"

#define CODE __builtin_return_address(0)
#define SIZES(X) X(1) X(2) X(4) X(8) X(16)

extern "C" {
#define ACCESS(N)                                                                      \
  void __tsan_read##N(void* p) { emulator::race_access(p, N, false, CODE); }           \
  void __tsan_write##N(void* p) { emulator::race_access(p, N, true, CODE); }           \
  void __tsan_unaligned_read##N(void* p) { emulator::race_access(p, N, false, CODE); } \
  void __tsan_unaligned_write##N(void* p) { emulator::race_access(p, N, true, CODE); }
SIZES(ACCESS)
void __tsan_read_range(void* p, unsigned long bytes) { emulator::race_access(p, bytes, false, CODE); }
void __tsan_write_range(void* p, unsigned long bytes) { emulator::race_access(p, bytes, true, CODE); }
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
  emulator::race_access(from, bytes, false, CODE);
  emulator::race_access(to, bytes, true, CODE);
  return memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, unsigned long bytes) {
  emulator::race_access(from, bytes, false, CODE);
  emulator::race_access(to, bytes, true, CODE);
  return memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, unsigned long bytes) {
  emulator::race_access(to, bytes, true, CODE);
  return memset(to, value, bytes);
}
void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_read(void**) {}
void __tsan_vptr_update(void**, void*) {}

#define ATOMICS(B)                                                                                                                 \
  using word##B = uint##B##_t;                                                                                                     \
  word##B __tsan_atomic##B##_load(const volatile word##B* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }                 \
  void __tsan_atomic##B##_store(volatile word##B* p, word##B v, int) { __atomic_store_n(p, v, __ATOMIC_SEQ_CST); }                 \
  word##B __tsan_atomic##B##_exchange(volatile word##B* p, word##B v, int) { return __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST); } \
  word##B __tsan_atomic##B##_fetch_add(volatile word##B* p, word##B v, int) { return __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST); } \
  word##B __tsan_atomic##B##_fetch_sub(volatile word##B* p, word##B v, int) { return __atomic_fetch_sub(p, v, __ATOMIC_SEQ_CST); } \
  word##B __tsan_atomic##B##_fetch_and(volatile word##B* p, word##B v, int) { return __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST); } \
  word##B __tsan_atomic##B##_fetch_or(volatile word##B* p, word##B v, int) { return __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST); }   \
  word##B __tsan_atomic##B##_fetch_xor(volatile word##B* p, word##B v, int) { return __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST); } \
  int __tsan_atomic##B##_compare_exchange_strong(volatile word##B* p, word##B* expected, word##B v, int, int) {                    \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                 \
  }                                                                                                                                \
  int __tsan_atomic##B##_compare_exchange_weak(volatile word##B* p, word##B* expected, word##B v, int, int) {                      \
    return __atomic_compare_exchange_n(p, expected, v, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                                 \
  }
ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)
void __tsan_atomic_thread_fence(int) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
void __tsan_atomic_signal_fence(int) {}
}
