// Staging: the way between pageable host memory and the device, through a ring of pinned memory.
#pragma once
#include <cuda_runtime.h>

#include <deque>
#include <vector>

#include "kernel.h"

namespace weft::cuda {

/**
 * Work of one stream in order, with marks in it; and copies that are cut to the ring's size. All by the thread of the
 * stream's queue.
 */
class Staging {
 public:
  explicit Staging(cudaStream_t stream);

  void upload(void* to, const void* from, size_t bytes);
  /** `to` is filled when the next mark is reached. */
  void download(void* to, const void* from, size_t bytes);
  uint64_t mark();
  /** Whether all work before the mark is done; fills what was downloaded until then. */
  bool reached(uint64_t mark);
  void wait(uint64_t mark);

 private:
  /** Room in the ring until the next mark is reached. */
  char* room(size_t bytes);

  struct Use {
    uint64_t mark;
    size_t end;  // of the ring's bytes, counted from the beginning of time
  };
  struct Delivery {
    uint64_t mark;
    void* to;
    const char* from;
    size_t bytes;
  };
  static constexpr size_t ring_bytes = size_t(16) << 20, piece_bytes = size_t(2) << 20, events = 256;
  cudaStream_t stream_;
  char* ring_ = nullptr;
  size_t head_ = 0, tail_ = 0;  // bytes handed out and given back since the beginning
  std::deque<Use> uses_;
  std::deque<Delivery> deliveries_;
  std::vector<cudaEvent_t> events_;
  uint64_t marked_ = 0, reached_ = 0;
};

}  // namespace weft::cuda
