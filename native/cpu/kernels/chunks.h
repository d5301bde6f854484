// How kernels cut their work, and the memory that each thread has for its part.
#pragma once
#include <algorithm>

#include "cpu/parallel.h"
#include "kernel.h"
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** Scratch memory of each thread that works on a step. */
struct ThreadScratch {
  View view;
  size_t bytes = 0;

  ThreadScratch() = default;
  WEFT_BINDER ThreadScratch(Call& call, size_t bytes_per_thread) {
    if (bytes_per_thread == 0) return;
    bytes = (bytes_per_thread + 63) / 64 * 64 + 64;  // a line between threads
    view = call.scratch(bytes * size_t(threads()));
  }
  template <class T> T* at(const Frame& frame, int thread) const {
    return bytes ? reinterpret_cast<T*>(frame.at<char>(view) + bytes * size_t(thread)) : nullptr;
  }
};

/**
 * Pieces to cut work of so many multiply-adds into: each long enough to be worth handing to a thread, few enough to be
 * cheap.
 */
inline int64_t pieces_of_work(double multiply_adds, int64_t most = 16) {
  return std::clamp(int64_t(multiply_adds / 1.5e6), int64_t(1), most);
}

}  // namespace weft::cpu::WEFT_ISA
