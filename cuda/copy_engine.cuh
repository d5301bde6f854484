// The copy engine of sm_90 (TMA): copies of boxes of tensors between global and shared memory. One thread issues a
// copy. Coordinates count elements, the innermost axis first. What lies outside the tensor is read as zero and not
// written. `map` is a __grid_constant__ parameter of the kernel (tensor_map.h).
#pragma once
#include <cuda.h>

#include "vocabulary.cuh"

namespace weft::cuda {

/** Asks for the description of a tensor to be fetched early. */
__device__ __forceinline__ void tma_prefetch(const CUtensorMap* map) {
#ifndef WEFT_EMULATED
  asm volatile("prefetch.tensormap [%0];" ::"l"(map) : "memory");
#else
  (void)map;
#endif
}
/** Copies a box to shared memory; its bytes count for the barrier's phase. */
__device__ __forceinline__ void tma_load_2d(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1}, 0);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1)
      : "memory");
#endif
}
__device__ __forceinline__ void tma_load_3d(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1, int c2) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1, c2}, 0);
#else
  asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
                   shared_address(to)),
               "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_load_4d(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1, int c2, int c3) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1, c2, c3}, 0);
#else
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(
                   shared_address(to)),
               "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_load_5d(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1, int c2, int c3, int c4) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1, c2, c3, c4}, 0);
#else
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5, %6, %7}], [%2];" ::"r"(
                   shared_address(to)),
               "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "r"(c3), "r"(c4)
               : "memory");
#endif
}
/**
 * The same into every block of the cluster whose bit is set in `blocks`: to the same place, counting for the same
 * barrier there.
 */
__device__ __forceinline__ void tma_load_2d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1,
                                                      uint16_t blocks) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1}, blocks);
#else
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4}], [%2], %5;" ::
          "r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "h"(blocks)
      : "memory");
#endif
}
__device__ __forceinline__ void tma_load_3d_multicast(void* to, const CUtensorMap* map, uint64_t* barrier, int c0, int c1, int c2,
                                                      uint16_t blocks) {
#ifdef WEFT_EMULATED
  emulator::tensor_load(to, map, barrier, {c0, c1, c2}, blocks);
#else
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], [%1, {%3, %4, %5}], [%2], "
      "%6;" ::"r"(shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(c0), "r"(c1), "r"(c2), "h"(blocks)
      : "memory");
#endif
}
/**
 * Copies a box from shared to global memory: after fence_async_proxy(), followed by tma_store_commit() and
 * tma_store_wait().
 */
__device__ __forceinline__ void tma_store_2d(const CUtensorMap* map, const void* from, int c0, int c1) {
#ifdef WEFT_EMULATED
  emulator::tensor_store(map, from, {c0, c1});
#else
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map), "r"(shared_address(from)), "r"(c0),
               "r"(c1)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_store_3d(const CUtensorMap* map, const void* from, int c0, int c1, int c2) {
#ifdef WEFT_EMULATED
  emulator::tensor_store(map, from, {c0, c1, c2});
#else
  asm volatile("cp.async.bulk.tensor.3d.global.shared::cta.bulk_group [%0, {%2, %3, %4}], [%1];" ::"l"(map), "r"(shared_address(from)),
               "r"(c0), "r"(c1), "r"(c2)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_store_4d(const CUtensorMap* map, const void* from, int c0, int c1, int c2, int c3) {
#ifdef WEFT_EMULATED
  emulator::tensor_store(map, from, {c0, c1, c2, c3});
#else
  asm volatile("cp.async.bulk.tensor.4d.global.shared::cta.bulk_group [%0, {%2, %3, %4, %5}], [%1];" ::"l"(map), "r"(shared_address(from)),
               "r"(c0), "r"(c1), "r"(c2), "r"(c3)
               : "memory");
#endif
}
__device__ __forceinline__ void tma_store_commit() {
#ifdef WEFT_EMULATED
  emulator::tensor_store_commit();
#else
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
#endif
}
/**
 * Waits until all but the newest `pending` groups of stores have read their shared memory, which may then be written
 * again.
 */
template <int pending> __device__ __forceinline__ void tma_store_wait() {
#ifdef WEFT_EMULATED
  emulator::tensor_store_wait(pending);
#else
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
#endif
}

}  // namespace weft::cuda
