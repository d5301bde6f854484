// Kernels with a mistake planted in each, and the same without it.
#pragma once
#include "cluster.cuh"
#include "copy_engine.cuh"
#include "mbarrier.cuh"
#include "tensor_core.cuh"
#include "warpgroup.cuh"

namespace weft::cuda {

constexpr int threads = 64;

/** Each block reverses its 64 elements through shared memory. */
template <bool mistake> __global__ void barrier_left_out(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  tile[threadIdx.x] = x[blockIdx.x * threads + threadIdx.x];
  if constexpr (!mistake) __syncthreads();
  y[blockIdx.x * threads + threadIdx.x] = tile[threads - 1 - threadIdx.x];
}

/** The same in two rounds that share the memory. */
template <bool mistake> __global__ void barrier_left_out_before_reuse(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  for (int round = 0; round < 2; round++) {
    const int block = 2 * int(blockIdx.x) + round;
    tile[threadIdx.x] = x[block * threads + threadIdx.x];
    __syncthreads();
    y[block * threads + threadIdx.x] = tile[threads - 1 - threadIdx.x];
    if constexpr (!mistake) __syncthreads();
  }
}

/** Each warp reverses its 32 elements. */
template <bool mistake> __global__ void warp_barrier_left_out(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  tile[threadIdx.x] = x[threadIdx.x];
  if constexpr (!mistake) __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x ^ 31];
  __shfl_sync(all_lanes, 0, 0);
}

/** Two halves of the block pass elements on by a named barrier. */
template <bool mistake> __global__ void named_barrier_left_out(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  if (threadIdx.x < 32) {
    tile[threadIdx.x] = x[threadIdx.x];
    named_barrier_arrive(1, 64);
    y[threadIdx.x] = 0;
  } else {
    if constexpr (!mistake) named_barrier(1, 64);
    y[threadIdx.x] = tile[threadIdx.x - 32];
  }
}

/** The block reverses three tiles, each copied while the one before is used. */
template <bool mistake> __global__ void async_wait_left_out(const float* x, float* y) {
  WEFT_SHARED(float, tile, [2][threads]);
  async_copy<4>(&tile[0][threadIdx.x], x + threadIdx.x);
  async_commit();
  for (int i = 0; i < 3; i++) {
    if (i < 2) async_copy<4>(&tile[(i + 1) % 2][threadIdx.x], x + (i + 1) * threads + threadIdx.x);
    async_commit();
    if constexpr (mistake) async_wait<2>();
    else async_wait<1>();
    __syncthreads();
    y[i * threads + threadIdx.x] = tile[i % 2][threads - 1 - threadIdx.x];
    __syncthreads();
  }
  async_wait<0>();
}

template <bool mistake> __global__ void global_memory_overrun(const float* x, float* y, int n) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (mistake ? i <= n : i < n) y[i] = x[i];
}
template <bool mistake> __global__ void async_copy_overrun(const float* x, float* y, int n) {
  WEFT_SHARED(float, tile, [threads]);
  const int i = int(blockIdx.x * threads + threadIdx.x);
  async_copy<4>(tile + threadIdx.x, x + i, mistake ? i <= n : i < n);
  async_commit();
  async_wait<0>();
  if (i < n) y[i] = tile[threadIdx.x];
}
template <bool mistake> __global__ void shared_array_overrun(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  float* end = tile + threads;
  for (float* at = tile + threadIdx.x; mistake ? at <= end : at < end; at += threads) *at = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threads - 1 - threadIdx.x];
}
template <bool mistake> __global__ void dynamic_shared_overrun(const float* x, float* y) {
  WEFT_DYNAMIC_SHARED(float, tile);
  tile[threadIdx.x + mistake] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = tile[threads - 1 - threadIdx.x + mistake];
}

template <bool mistake> __global__ void shuffle_of_some_lanes(const float* x, float* y) {
  float value = x[threadIdx.x];
  if (!mistake || threadIdx.x % 32 < 16) value = __shfl_xor_sync(all_lanes, value, 1);
  y[threadIdx.x ^ 1] = value;
}
template <bool mistake> __global__ void barrier_of_some_threads(const float* x, float* y) {
  if (!mistake || threadIdx.x < 32) __syncthreads();
  else named_barrier(1, 64);
  y[threadIdx.x] = x[threadIdx.x];
}
template <bool mistake> __global__ void flag_never_set(const float* x, float* y, uint32_t* flag) {
  if (threadIdx.x == 0 && !mistake) add_release(flag, 1);
  wait_reached(flag, 1);
  y[threadIdx.x] = x[threadIdx.x];
}
template <bool mistake> __global__ void copies_under_way_at_the_end(const float* x, float* y) {
  WEFT_SHARED(float, tile, [threads]);
  async_copy<4>(tile + threadIdx.x, x + threadIdx.x);
  async_commit();
  if constexpr (!mistake) async_wait<0>();
  y[threadIdx.x] = x[threadIdx.x];
}

/** Every block adds one to a sum. */
template <bool mistake> __global__ void plain_addition(uint32_t* sum) {
  if (threadIdx.x > 0) return;
  if constexpr (mistake) *sum += 1;
  else atomicAdd(sum, 1u);
}

/** Blocks leave a number each; the last to arrive adds them up. */
template <bool mistake> __global__ void fence_left_out(const float* x, float* partial, uint32_t* arrived, float* y) {
  if (threadIdx.x > 0) return;
  partial[blockIdx.x] = x[blockIdx.x];
  if constexpr (!mistake) __threadfence();
  if (atomicAdd(arrived, 1u) != gridDim.x - 1) return;
  if constexpr (!mistake) __threadfence();
  float sum = 0;
  for (unsigned i = 0; i < gridDim.x; i++) sum += partial[i];
  *y = sum;
}

/** Three steps in which every block reads what its neighbour wrote in the step before. */
template <bool mistake> __global__ void grid_barrier_left_out(float* x, uint32_t* word) {
  const unsigned count = gridDim.x * blockDim.x, i = blockIdx.x * blockDim.x + threadIdx.x;
  for (unsigned step = 0; step < 3; step++) {
    x[(step + 1) % 2 * count + i] = x[step % 2 * count + (i + blockDim.x) % count];
    if constexpr (!mistake) grid_barrier(word, step + 1);
    else __syncthreads();
  }
}

/** Neighbouring 16-bit elements are different elements. */
template <bool mistake> __global__ void two_threads_write_one_element(const float* x, BFloat16* y) {
  y[mistake ? threadIdx.x / 2 : threadIdx.x] = narrow<BFloat16>(x[threadIdx.x]);
}

/** Copies boxes of 8 rows by the copy engine, two at a time under way; threads read them. */
enum class Left { nothing, full_wait, empty_wait };
template <Left left> __global__ void copy_engine(const __grid_constant__ CUtensorMap map, float* y, int rounds) {
  WEFT_DYNAMIC_SHARED(float, box);  // [2][8][32]
  WEFT_SHARED(uint64_t, full, [2]);
  WEFT_SHARED(uint64_t, empty, [2]);
  if (threadIdx.x == 0) {
    for (int i = 0; i < 2; i++) barrier_init(&full[i], 1), barrier_init(&empty[i], threads);
    fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x >= threads) {
    if (threadIdx.x == threads)
      for (int i = 0; i < rounds; i++) {
        if (left != Left::empty_wait) barrier_wait(&empty[i % 2], (unsigned(i) / 2 & 1) ^ 1);
        barrier_expect(&full[i % 2], 1024);
        tma_load_2d(box + i % 2 * 256, &map, &full[i % 2], 0, 8 * i);
      }
    return;
  }
  for (int i = 0; i < rounds; i++) {
    if (left != Left::full_wait) barrier_wait(&full[i % 2], unsigned(i) / 2 & 1);
    for (unsigned e = threadIdx.x; e < 256; e += threads) y[i * 256 + int(e)] = box[i % 2 * 256 + int(e)];
    barrier_arrive(&empty[i % 2]);
  }
  if (left == Left::full_wait)
    for (int i = rounds - 2; i < rounds; i++) barrier_wait(&full[i % 2], unsigned(i) / 2 & 1);
}

/** Blocks of a cluster read each other's shared memory. */
template <bool mistake> __global__ void cluster_barrier_left_out(const float* x, float* y) {
  WEFT_SHARED(float, tile, [32]);
  tile[threadIdx.x] = x[blockIdx.x * 32 + threadIdx.x];
  if constexpr (mistake) cluster_arrive();
  else cluster_sync();
  y[blockIdx.x * 32 + threadIdx.x] = *cluster_map(tile + threadIdx.x, cluster_rank() ^ 1);
  if constexpr (mistake) cluster_wait();
  cluster_sync();
}

/** The copy engine stores a box, which threads then overwrite. */
template <bool mistake> __global__ void store_wait_left_out(const __grid_constant__ CUtensorMap map, const float* x) {
  WEFT_DYNAMIC_SHARED(float, box);  // [8][32]
  for (unsigned i = threadIdx.x; i < 256; i += threads) box[i] = x[i];
  fence_async_proxy();
  __syncthreads();
  if (threadIdx.x == 0) {
    tma_store_2d(&map, box, 0, 0);
    tma_store_commit();
    if constexpr (!mistake) tma_store_wait<0>();
  }
  __syncthreads();
  for (unsigned i = threadIdx.x; i < 256; i += threads) box[i] = 0;
  tma_store_wait<0>();
}

/** The first block of a cluster loads a box for both. */
template <bool mistake> __global__ void cluster_barrier_left_out_before_multicast(const __grid_constant__ CUtensorMap map, float* y) {
  WEFT_DYNAMIC_SHARED(float, box);  // [8][32]
  WEFT_SHARED(uint64_t, full, [1]);
  if (threadIdx.x == 0) {
    barrier_init(full, 1);
    fence_barrier_init();
    barrier_expect(full, 1024);
  }
  if constexpr (mistake) __syncthreads();
  else cluster_sync();
  if (cluster_rank() == 0 && threadIdx.x == 0) tma_load_2d_multicast(box, &map, full, 0, 0, 3);
  barrier_wait(full, 0);
  for (unsigned i = threadIdx.x; i < 256; i += threads) y[blockIdx.x * 256 + i] = box[i];
  cluster_sync();
}

/** One product of a warpgroup; its operand is overwritten as soon as it was waited for. */
template <bool mistake> __global__ void __launch_bounds__(128) group_product_wait_left_out(BFloat16* ones, float* y) {
  WEFT_DYNAMIC_SHARED(BFloat16, a);  // [64][64], then b
  BFloat16* b = a + 4096;
  for (unsigned i = threadIdx.x; i < 8192; i += 128) a[i] = *ones;
  fence_async_proxy();
  __syncthreads();
  float d[32] = {};
  wgmma_fence();
  wgmma_bf16<64>(d, descriptor_128B(a), descriptor_128B(b));
  wgmma_commit();
  if constexpr (!mistake) wgmma_wait<0>();
  __syncthreads();
  for (unsigned i = threadIdx.x; i < 8192; i += 128) a[i] = BFloat16(0.0f);
  wgmma_wait<0>();
  for (int i = 0; i < 32; i++) y[threadIdx.x * 32 + unsigned(i)] = d[i];
}

}  // namespace weft::cuda
