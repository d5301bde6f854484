// Clusters (sm_90 and later): blocks that run together and reach each other's shared memory.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/** This block's number in its cluster. */
__device__ __forceinline__ unsigned cluster_rank() {
#ifdef WEFT_EMULATED
  return emulator::cluster_rank();
#else
  unsigned rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
#endif
}
__device__ __forceinline__ unsigned cluster_size() {
#ifdef WEFT_EMULATED
  return emulator::cluster_size();
#else
  unsigned size;
  asm volatile("mov.u32 %0, %%cluster_nctarank;" : "=r"(size));
  return size;
#endif
}
/**
 * A barrier in two halves of all threads of the cluster; shared memory written before the first is seen after the
 * second.
 */
__device__ __forceinline__ void cluster_arrive() {
#ifdef WEFT_EMULATED
  emulator::cluster_arrive();
#else
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void cluster_wait() {
#ifdef WEFT_EMULATED
  emulator::cluster_wait();
#else
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void cluster_sync() {
  cluster_arrive();
  cluster_wait();
}
/** The address in block `rank`'s shared memory of what lies at `shared` in this block's. */
template <class T> __device__ __forceinline__ T* cluster_map(T* shared, unsigned rank) {
#ifdef WEFT_EMULATED
  return static_cast<T*>(emulator::cluster_map(shared, rank));
#else
  T* remote;
  asm volatile("mapa.u64 %0, %1, %2;" : "=l"(remote) : "l"(shared), "r"(rank));
  return remote;
#endif
}

}  // namespace weft::cuda
