// AddressSanitizer's interface, null where the program is built without it. The emulation itself is never instrumented.
#pragma once
#include <cstddef>

extern "C" {
#define OPTIONAL __attribute__((weak))
void __sanitizer_start_switch_fiber(void** fake_stack, const void* bottom, size_t bytes) OPTIONAL;
void __sanitizer_finish_switch_fiber(void* fake_stack, const void** bottom, size_t* bytes) OPTIONAL;
void __asan_poison_memory_region(const volatile void*, size_t) OPTIONAL;
void __asan_unpoison_memory_region(const volatile void*, size_t) OPTIONAL;
void* __asan_region_is_poisoned(void*, size_t) OPTIONAL;
void __asan_report_load_n(void*, size_t) OPTIONAL;
void __asan_report_store_n(void*, size_t) OPTIONAL;
#undef OPTIONAL
}
