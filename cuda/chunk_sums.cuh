// Sums of a row's chunks, as the threads of one chunk see them: from the blocks of a cluster, or from scratch memory.
#pragma once
#include "cluster.cuh"

namespace weft::cuda {

/** The sums of a row's chunks, as its cluster's blocks tell each other. */
template <class Sums> struct ClusterSums {
  Sums* slot;  // in shared memory
  int count;

  /** Called by all threads of the cluster; the sums of thread 0 count. */
  __device__ __forceinline__ void give(const Sums& mine) const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    WEFT_NEEDS_CODE(90);
    if (threadIdx.x == 0) *slot = mine;
    __syncwarp();  // the cluster's barrier wants whole warps, and what came before may have parted them
    cluster_sync();
#endif
  }
  __device__ __forceinline__ Sums operator()(int chunk) const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    return *cluster_map(slot, unsigned(chunk));
#else
    return *slot;
#endif
  }
  /** After the last look at the others' sums. */
  __device__ __forceinline__ void leave() const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    __syncwarp();
    cluster_arrive();
#endif
  }
  /** At the kernel's end: shared memory lasts until all have left. */
  __device__ __forceinline__ void end() const {
#if defined(WEFT_EMULATED) || __CUDA_ARCH__ >= 900
    __syncwarp();
    cluster_wait();
#endif
  }
};
/** The sums of a row's chunks from scratch memory. */
template <class Sums> struct ScratchSums {
  const Sums* sums;
  int count;
  __device__ __forceinline__ Sums operator()(int chunk) const { return sums[chunk]; }
};

}  // namespace weft::cuda
