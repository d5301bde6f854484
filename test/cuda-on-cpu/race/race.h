// What the instrumentation of kernels tells the race detector.
#pragma once
#include <cstddef>

namespace emulator {
void race_access(const void*, size_t bytes, bool writes, void* code);
}
