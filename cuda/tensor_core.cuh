// Tensor cores and asynchronous copies of sm_75 to sm_89: cp.async, ldmatrix, mma.sync, and acquire/release words in
// global memory. Fragment layouts of mma m16n8kK (lane = 4 * group + quad):
//   d[4]   float32  rows group, group + 8 (d[2], d[3]); columns 2 * quad, 2 * quad + 1
//   a[4]   16-bit   a[0] row group, k 2 * quad + {0, 1}; a[1] row group + 8; a[2], a[3] the same at k + 8
//                   (k8: a[0], a[1] only)
//   b[2]   16-bit   b[0] column group, k 2 * quad + {0, 1}; b[1] at k + 8 (k8: b[0] only)
//   tf32            a[0] row group, k quad; a[1] row group + 8; a[2], a[3] at k + 4; b[0] column group, k quad;
//                   b[1] at k + 4
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/**
 * Copies `bytes` (4, 8 or 16, both sides aligned to them) from global to shared memory without passing through
 * registers; zeros where not `valid`, and then `from` is not read. The copy is there, for this thread, after
 * async_commit() and async_wait().
 */
template <int bytes> __device__ __forceinline__ void async_copy(void* to, const void* from, bool valid = true) {
  static_assert(bytes == 4 || bytes == 8 || bytes == 16);
#ifdef WEFT_EMULATED
  emulator::async_copy(to, from, bytes, valid);
#elif __CUDA_ARCH__ >= 800
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid ? 16 : 0) : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(bytes), "r"(valid ? bytes : 0)
                 : "memory");
#else
  using Words = Pack<uint32_t, bytes / 4>;
  Words words{};
  if (valid) words = *static_cast<const Words*>(from);
  *static_cast<Words*>(to) = words;
#endif
}

/** Closes the group of the copies issued since the last one. */
__device__ __forceinline__ void async_commit() {
#ifdef WEFT_EMULATED
  emulator::async_commit();
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/**
 * Waits until at most `pending` of the newest groups of this thread are under way. Other threads see the data after a
 * barrier.
 */
template <int pending> __device__ __forceinline__ void async_wait() {
#ifdef WEFT_EMULATED
  emulator::async_wait(pending);
#elif __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
#endif
}

/**
 * Loads four 8x8 matrices of 16-bit elements: lanes 8 i .. 8 i + 7 give the addresses of the 16-byte rows of matrix i,
 * and r[i] gets elements 2 * (lane % 4) + {0, 1} of row lane / 4. All 32 lanes take part.
 */
__device__ __forceinline__ void load_matrix_x4(uint32_t (&r)[4], const void* row) {
#ifdef WEFT_EMULATED
  emulator::load_matrix(r, row, 4, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}
/** Two matrices; lanes 0 to 15 give addresses. */
__device__ __forceinline__ void load_matrix_x2(uint32_t (&r)[2], const void* row) {
#ifdef WEFT_EMULATED
  emulator::load_matrix(r, row, 2, false);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(r[0]), "=r"(r[1]) : "r"(shared_address(row)) : "memory");
#endif
}
/** Four matrices, each transposed: r[i] gets column lane / 4 of the rows as stored. */
__device__ __forceinline__ void load_matrix_x4_transposed(uint32_t (&r)[4], const void* row) {
#ifdef WEFT_EMULATED
  emulator::load_matrix(r, row, 4, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(shared_address(row))
               : "memory");
#endif
}
__device__ __forceinline__ void load_matrix_x2_transposed(uint32_t (&r)[2], const void* row) {
#ifdef WEFT_EMULATED
  emulator::load_matrix(r, row, 2, true);
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(r[0]), "=r"(r[1])
               : "r"(shared_address(row))
               : "memory");
#endif
}

/** d += a b, m16n8k8, operands tf32 (to_tf32); sm_80 and later. */
__device__ __forceinline__ void mma_tf32(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef WEFT_EMULATED
  WEFT_NEEDS_CODE(80);
  emulator::mma(emulator::Mma::tf32, d, a, b);
#elif __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
/** d += a b, m16n8k16, bfloat16 operands; sm_80 and later. */
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef WEFT_EMULATED
  WEFT_NEEDS_CODE(80);
  emulator::mma(emulator::Mma::bf16, d, a, b);
#elif __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}
/** d += a b, m16n8k8, float16 operands; every GPU. a: two registers (rows group and group + 8). */
__device__ __forceinline__ void mma_f16_k8(float (&d)[4], const uint32_t (&a)[2], const uint32_t& b) {
#ifdef WEFT_EMULATED
  emulator::mma(emulator::Mma::f16_k8, d, a, &b);
#else
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(b));
#endif
}
/** d += a b, m16n8k16, float16 operands; on sm_75 as two products of k 8. */
__device__ __forceinline__ void mma_f16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#ifdef WEFT_EMULATED
  emulator::mma(emulator::Mma::f16, d, a, b);
#elif __CUDA_ARCH__ >= 800
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  const uint32_t low[2] = {a[0], a[1]}, high[2] = {a[2], a[3]};
  mma_f16_k8(d, low, b[0]);
  mma_f16_k8(d, high, b[1]);
#endif
}

/** A float32 rounded to tf32 (10 bits of fraction, ties away from zero), as mma_tf32 takes it. */
__device__ __forceinline__ uint32_t to_tf32(float x) {
#ifdef WEFT_EMULATED
  return emulator::to_tf32(x);
#elif __CUDA_ARCH__ >= 800
  uint32_t y;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
  return y;
#else
  return (__float_as_uint(x) + 0x1000u) & 0xffffe000u;
#endif
}

/**
 * Reads a word; what the writer of its value did before add_release or arrive_add is visible after it. Yields when
 * emulated: use it to spin.
 */
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* word) {
#ifdef WEFT_EMULATED
  return emulator::load_acquire(word);
#else
  uint32_t value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
#endif
}
/** Adds to a word after everything this thread did and saw before. */
__device__ __forceinline__ void add_release(uint32_t* word, uint32_t value) {
#ifdef WEFT_EMULATED
  emulator::add(word, value, emulator::Order::release);
#else
  asm volatile("red.release.gpu.global.add.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
#endif
}
/** add_release that gives the value before and acquires too: for "the last block to arrive goes on". */
__device__ __forceinline__ uint32_t arrive_add(uint32_t* word, uint32_t value = 1) {
#ifdef WEFT_EMULATED
  return emulator::add(word, value, emulator::Order::acquire_release);
#else
  uint32_t before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(word), "r"(value) : "memory");
  return before;
#endif
}
/** Waits until a word that only grows has reached a value. */
__device__ __forceinline__ void wait_reached(const uint32_t* word, uint32_t value) {
  while (int32_t(load_acquire(word) - value) < 0) {}
}

/**
 * A barrier of all blocks of a resident launch. `word` is 0 when the kernel starts; `round` counts the barriers of this
 * thread, from 1. Every thread of every block calls it.
 */
__device__ __forceinline__ void grid_barrier(uint32_t* word, uint32_t round) {
  __syncthreads();
  if (threadIdx.x + threadIdx.y + threadIdx.z == 0) {
    add_release(word, 1);
    wait_reached(word, round * (gridDim.x * gridDim.y * gridDim.z));
  }
  __syncthreads();
}

/** Asks for a line of global memory to be brought to the L2 cache. */
__device__ __forceinline__ void prefetch(const void* global) {
#ifndef WEFT_EMULATED
  asm volatile("prefetch.global.L2 [%0];" ::"l"(global));
#else
  (void)global;
#endif
}

/** A barrier of `threads` threads (whole warps) of a block, by number (1 to 15; 0 is __syncthreads). */
__device__ __forceinline__ void named_barrier(int number, int threads) {
#ifdef WEFT_EMULATED
  emulator::barrier(number, threads);
#else
  asm volatile("bar.sync %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}
/** Arrives at a named barrier without waiting. */
__device__ __forceinline__ void named_barrier_arrive(int number, int threads) {
#ifdef WEFT_EMULATED
  emulator::barrier_arrive(number, threads);
#else
  asm volatile("bar.arrive %0, %1;" ::"r"(number), "r"(threads) : "memory");
#endif
}

}  // namespace weft::cuda
