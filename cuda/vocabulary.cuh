// The vocabulary of kernels: shared memory, wide accesses, reductions over warps and blocks, faults. Every kernel
// includes it. Rules that let the same file run on a CPU (test/cuda-on-cpu): shared memory through WEFT_SHARED and
// WEFT_DYNAMIC_SHARED; every asm in a wrapper with an emulated twin; exact masks for *_sync; loops that wait for
// another thread go through a wrapper that yields.
#pragma once
#include "dtype.h"
#include "launch.h"

#ifdef WEFT_EMULATED
#include "emulator.h"
/**
 * In front of what is compiled for an architecture and later: an emulated GPU whose kernels were compiled for an older
 * one reports it.
 */
#define WEFT_NEEDS_CODE(architecture) emulator::needs_code(architecture)
#else
#define WEFT_NEEDS_CODE(architecture) ((void)0)
/** An array in shared memory: WEFT_SHARED(float, tile, [16][17]); */
#define WEFT_SHARED(T, name, ...) __shared__ T name __VA_ARGS__
/** The block's dynamic shared memory as T*, 1024-byte aligned. */
#define WEFT_DYNAMIC_SHARED(T, name)                                     \
  extern __shared__ __align__(1024) unsigned char weft_dynamic_shared[]; \
  T* name = reinterpret_cast<T*>(weft_dynamic_shared)
#endif

namespace weft::cuda {

constexpr unsigned all_lanes = 0xffffffffu;
constexpr float infinity = __builtin_huge_valf();

#ifndef WEFT_EMULATED
/** A pointer into shared memory as the 32-bit address that PTX takes. */
__device__ __forceinline__ uint32_t shared_address(const void* shared) { return uint32_t(__cvta_generic_to_shared(shared)); }
#endif

/** N elements moved as one access. */
template <class T, int N> struct alignas(sizeof(T) * N) Pack { T at[N]; };
template <int N, class T> __device__ __forceinline__ Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
template <int N, class T> __device__ __forceinline__ void store_pack(T* to, const Pack<T, N>& value) {
  *reinterpret_cast<Pack<T, N>*>(to) = value;
}
/** Whether an address is a multiple of so many bytes. */
__host__ __device__ inline bool aligned(const void* p, size_t bytes) { return reinterpret_cast<uintptr_t>(p) % bytes == 0; }

/** A stored element as the type it is computed in, and back with one rounding. */
template <class T> __device__ __forceinline__ Compute<T> widen(T x) {
#ifndef WEFT_EMULATED
  if constexpr (std::is_same_v<T, Float16>) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
  }
#endif
  return Compute<T>(x);
}
template <class T> __device__ __forceinline__ T narrow(Compute<T> x) {
#ifndef WEFT_EMULATED
  // asm, because the headers of CUDA that have these two cost every file of kernels a second
  if constexpr (std::is_same_v<T, Float16>) {
    Float16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
#if __CUDA_ARCH__ >= 800
  if constexpr (std::is_same_v<T, BFloat16>) {
    BFloat16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
  }
#endif
#endif
  return T(x);
}

struct Sum {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a + b; }
};
/** The larger; NaN where either is. */
struct Max {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a != a || a > b ? a : b; }
};
struct Min {
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a != a || a < b ? a : b; }
};

/** The larger of two floats; of a number and NaN the number. */
struct Larger {
  __device__ __forceinline__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/** Combines the values of a warp's lanes by a butterfly: every lane gets the same result. All 32 lanes take part. */
template <class Op, class T> __device__ __forceinline__ T warp_reduce(T value, Op op) {
#pragma unroll
  for (int offset = 16; offset > 0; offset >>= 1) value = op(value, __shfl_xor_sync(all_lanes, value, offset));
  return value;
}

/**
 * Combines the values of a block's threads (a multiple of 32, at most 1024); every thread gets the result. `scratch`:
 * 32 elements of shared memory, free for reuse when it returns. A fixed order: equal bits on every run.
 */
template <class Op, class T> __device__ T block_reduce(T value, T neutral, T* scratch, Op op) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, warps = (blockDim.x + 31) >> 5;
  value = warp_reduce(value, op);
  if (lane == 0) scratch[warp] = value;
  __syncthreads();
  value = warp_reduce(lane < warps ? scratch[lane] : neutral, op);
  __syncthreads();
  return value;
}

/** Reports a bad value: the first of a run is kept, with the call that met it. The binder must have set call.raises. */
__device__ inline void raise(Fault* fault, int32_t call, int64_t value) {
  int32_t* word = reinterpret_cast<int32_t*>(fault);  // Fault begins with the call, -1 while there is none
  if (atomicCAS(word, -1, call) == -1) *reinterpret_cast<int64_t*>(reinterpret_cast<char*>(fault) + 8) = value;
}
/** Whether a bad value was reported before this kernel started: then a guarded kernel writes nothing. */
__device__ inline bool raised(const Fault* fault) { return *reinterpret_cast<const volatile int32_t*>(fault) >= 0; }

}  // namespace weft::cuda
