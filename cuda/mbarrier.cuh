// Barriers in shared memory (mbarrier, sm_90). A phase of a barrier ends when `count` threads have arrived and all the
// bytes that were announced for it have come.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

__device__ __forceinline__ void barrier_init(uint64_t* barrier, unsigned count) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_init(barrier, count);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
#endif
}
/**
 * After barrier_init, before other threads (by a barrier of the block or cluster) or the copy engine use the barriers.
 */
__device__ __forceinline__ void fence_barrier_init() {
#ifndef WEFT_EMULATED
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
/** Arrives, and announces bytes that copies will bring in this phase. */
__device__ __forceinline__ void barrier_expect(uint64_t* barrier, unsigned bytes) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_arrive(barrier, bytes, -1);
#else
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes) : "memory");
#endif
}
__device__ __forceinline__ void barrier_arrive(uint64_t* barrier) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_arrive(barrier, 0, -1);
#else
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
#endif
}
/** Arrives at the same barrier of another block of the cluster. */
__device__ __forceinline__ void barrier_arrive_at(uint64_t* barrier, unsigned rank) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_arrive(barrier, 0, int(rank));
#else
  asm volatile(
      "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, %1;\n"
      "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(shared_address(barrier)),
      "r"(rank)
      : "memory");
#endif
}
/** Waits for the end of the phase of this parity: 0 for the first. A fresh barrier lets a wait for parity 1 pass. */
__device__ __forceinline__ void barrier_wait(uint64_t* barrier, unsigned parity) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_wait(barrier, parity);
#else
  asm volatile(
      "{\n.reg .pred done;\nagain:\nmbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 done, [%0], %1;\n@!done bra again;\n}" ::"r"(
          shared_address(barrier)),
      "r"(parity)
      : "memory");
#endif
}

}  // namespace weft::cuda
