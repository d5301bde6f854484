// Copies through pinned memory, and the events that tell when they are done.
#include "staging.h"

#include <algorithm>
#include <cstring>

#include "launch.h"

namespace weft::cuda {

Staging::Staging(cudaStream_t stream) : stream_(stream), events_(events) {
  check(cudaHostAlloc(reinterpret_cast<void**>(&ring_), ring_bytes, cudaHostAllocDefault), "pinned memory");
  for (cudaEvent_t& event : events_) check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "event");
}

uint64_t Staging::mark() {
  if (marked_ - reached_ >= events) wait(marked_ - events + 1);
  marked_++;
  check(cudaEventRecord(events_[marked_ % events], stream_), "mark");
  return marked_;
}

bool Staging::reached(uint64_t mark) {
  while (reached_ < mark) {
    const cudaError_t status = cudaEventQuery(events_[(reached_ + 1) % events]);
    if (status == cudaErrorNotReady) return false;
    check(status, "the device failed, and is of no use to this process any more; WEFT_CUDA_SYNC=1 names the operation");
    reached_++;
    while (!uses_.empty() && uses_.front().mark <= reached_) tail_ = uses_.front().end, uses_.pop_front();
    for (; !deliveries_.empty() && deliveries_.front().mark <= reached_; deliveries_.pop_front())
      std::memcpy(deliveries_.front().to, deliveries_.front().from, deliveries_.front().bytes);
  }
  return true;
}

void Staging::wait(uint64_t mark) {
  check(cudaEventSynchronize(events_[mark % events]), "wait");
  while (!reached(mark)) {}
}

char* Staging::room(size_t bytes) {
  size_t begin = (head_ + 63) / 64 * 64;
  if (begin % ring_bytes + bytes > ring_bytes) begin += ring_bytes - begin % ring_bytes;  // a piece does not wrap around
  while (begin + bytes - tail_ > ring_bytes) {
    if (uses_.front().mark > marked_) mark();
    wait(uses_.front().mark);
  }
  head_ = begin + bytes;
  uses_.push_back({marked_ + 1, head_});
  return ring_ + begin % ring_bytes;
}

void Staging::upload(void* to, const void* from, size_t bytes) {
  for (size_t done = 0; done < bytes; done += piece_bytes) {
    const size_t part = std::min(piece_bytes, bytes - done);
    char* pinned = room(part);
    std::memcpy(pinned, static_cast<const char*>(from) + done, part);
    check(cudaMemcpyAsync(static_cast<char*>(to) + done, pinned, part, cudaMemcpyHostToDevice, stream_), "copy to the device");
    if (bytes > piece_bytes) mark();
  }
}

void Staging::download(void* to, const void* from, size_t bytes) {
  for (size_t done = 0; done < bytes; done += piece_bytes) {
    const size_t part = std::min(piece_bytes, bytes - done);
    char* pinned = room(part);
    check(cudaMemcpyAsync(pinned, static_cast<const char*>(from) + done, part, cudaMemcpyDeviceToHost, stream_), "copy from the device");
    deliveries_.push_back({marked_ + 1, static_cast<char*>(to) + done, pinned, part});
    if (bytes > piece_bytes) mark();
  }
}

}  // namespace weft::cuda
