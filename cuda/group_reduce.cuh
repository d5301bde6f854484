// Reductions and scans over the threads of a group: some lanes of a warp, or several warps, that share a row.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/**
 * Combines N values over the threads of a group, in a fixed order; every thread gets the results. `scratch`: 32 · N
 * elements of shared memory. All threads of the block take part.
 */
template <int N, class T, class Op> __device__ __forceinline__ void group_reduce(T (&value)[N], int lanes, T neutral, T* scratch, Op op) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) {
    if (offset >= lanes) continue;
#pragma unroll
    for (int k = 0; k < N; k++) value[k] = op(value[k], __shfl_xor_sync(all_lanes, value[k], offset));
  }
  if (lanes <= 32) return;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = lanes >> 5;
  if (lane == 0) {
#pragma unroll
    for (int k = 0; k < N; k++) scratch[k * 32 + warp] = value[k];
  }
  __syncthreads();
#pragma unroll
  for (int k = 0; k < N; k++) value[k] = warp_reduce(lane < warps ? scratch[k * 32 + lane] : neutral, op);
  __syncthreads();
}

/**
 * Combines the values of the lanes of a group in front of a thread's own; `backward`: of those after it. `whole`: of
 * all of them. What a thread gets never depends on its own value, so nothing has to be taken out of a sum again. All
 * threads of the block take part; they all have the same number of lanes, so they all leave at the same place.
 * `scratch`: 32 elements of shared memory.
 */
template <class T, class Op>
__device__ __forceinline__ T group_scan(T value, int lane, int lanes, bool backward, T neutral, T* scratch, T& whole, Op op) {
  const int width = lanes < 32 ? lanes : 32, at = lane & (width - 1);  // lanes of the group in this warp; the thread's among them
  for (int offset = 1; offset < width; offset *= 2) {
    const T before = __shfl_up_sync(all_lanes, value, offset), after = __shfl_down_sync(all_lanes, value, offset);
    if (!backward && at >= offset) value = op(before, value);
    if (backward && at + offset < width) value = op(value, after);
  }
  const int first = (int(threadIdx.x) & 31) - at;  // of the group in its warp
  whole = __shfl_sync(all_lanes, value, backward ? first : first + width - 1);
  const T before = __shfl_up_sync(all_lanes, value, 1), after = __shfl_down_sync(all_lanes, value, 1);
  T exclusive = neutral;
  if (!backward && at > 0) exclusive = before;
  if (backward && at + 1 < width) exclusive = after;
  if (lanes <= 32) return exclusive;
  const int warp = int(threadIdx.x) >> 5, warps = lanes >> 5;
  if (at == 0) scratch[warp] = whole;
  __syncthreads();
  whole = neutral;
  T others = neutral;
  for (int k = 0; k < warps; k++) {
    whole = op(whole, scratch[k]);
    if (backward ? k > warp : k < warp) others = op(others, scratch[k]);
  }
  __syncthreads();
  return backward ? op(exclusive, others) : op(others, exclusive);
}

}  // namespace weft::cuda
