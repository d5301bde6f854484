// What kernels see when they are compiled for the CPU: every CUDA thread is a fiber, and what a GPU does by hardware
// calls emulator::. The emulation: scheduler.cc (threads), launch.cc (blocks, shared memory), barriers.cc, warp.cc
// (collectives), tensor_core.cc (cp.async, ldmatrix, mma), cluster.cc (mbarrier, clusters), copy_engine.cc (TMA),
// group_product.cc (wgmma), race.cc (data races), report.cc (source lines), and runtime.cc, memory.cc and streams.cc
// (the CUDA runtime's host functions).
#pragma once
#include <math.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __cluster_dims__(...)
#define __align__(n) alignas(n)
#ifndef __clang__
#define __builtin_assume(condition) ((void)0)
#endif

#include "vector_types.h"

/** The indices of the thread that runs now; the scheduler sets them at every switch. */
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;
constexpr int warpSize = 32;

struct CUtensorMap;

namespace emulator {

/** Memory order of an atomic operation. */
enum class Order { relaxed, acquire, release, acquire_release };

/** The architecture that the kernels of the emulated GPU count as compiled for; 0: that of the GPU. */
void set_code(int architecture);
/** A fault where the kernels were compiled for an older architecture. */
void needs_code(int architecture);

[[noreturn]] void fault(const char* format, ...) __attribute__((format(printf, 1, 2)));
void yield();
void fence();

// barriers: `threads` 0 means all threads of the block that have not returned
void barrier(int number, int threads);
void barrier_arrive(int number, int threads);
enum class Vote { any, all, count };
int barrier_vote(Vote, bool);

// shared memory of the running block
void* static_shared(const void* site, size_t bytes, size_t alignment);
void* dynamic_shared();
uint32_t shared_offset(const void*);

// warps
enum class Shuffle { from, up, down, exclusive_or };
uint64_t shuffle(Shuffle, unsigned mask, uint64_t value, int operand, int width);
unsigned ballot(unsigned mask, bool);
unsigned match_any(unsigned mask, uint64_t value);
enum class Reduction { add, minimum, maximum, bit_and, bit_or, bit_xor };
int64_t reduce(Reduction, unsigned mask, int64_t value);
void syncwarp(unsigned mask);

// tensor cores (cuda/tensor_core.cuh)
void async_copy(void* to, const void* from, int bytes, bool valid);
void async_commit();
void async_wait(int pending);
void load_matrix(uint32_t* registers, const void* row, int count, bool transposed);
enum class Mma { tf32, bf16, f16, f16_k8 };
void mma(Mma, float* d, const uint32_t* a, const uint32_t* b);
inline uint32_t to_tf32(float x) {
  const uint32_t bits = std::bit_cast<uint32_t>(x);
  return (bits & 0x7f800000u) == 0x7f800000u ? bits : (bits + 0x1000u) & 0xffffe000u;
}

// sm_90 (cuda/mbarrier.cuh, copy_engine.cuh, warpgroup.cuh, cluster.cuh). Barriers: `rank` -1 is the block's own
void shared_barrier_init(uint64_t* barrier, unsigned count);
void shared_barrier_arrive(uint64_t* barrier, unsigned bytes, int rank);
void shared_barrier_wait(uint64_t* barrier, unsigned parity);
void tensor_load(void* to, const CUtensorMap*, uint64_t* barrier, std::initializer_list<int> at, unsigned blocks);
void tensor_store(const CUtensorMap*, const void* from, std::initializer_list<int> at);
void tensor_store_commit();
void tensor_store_wait(int pending);
void group_product(Mma, float* d, int columns, uint64_t a, uint64_t b, bool transposed_a, bool transposed_b, bool accumulate);
void group_product_fence();
void group_product_commit();
void group_product_wait(int pending);
unsigned cluster_rank();
unsigned cluster_size();
void cluster_arrive();
void cluster_wait();
void* cluster_map(void* shared, unsigned rank);

// atomics. The race detector hears of them before they happen, and does not see the plain accesses they are made of
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_DETECT_RACES
#endif
#elif defined(__SANITIZE_THREAD__)
#define WEFT_DETECT_RACES
#endif
#ifdef WEFT_DETECT_RACES
void announce_atomic(const void* word, size_t bytes, bool writes, Order);
#else
inline void announce_atomic(const void*, size_t, bool, Order) {}
#endif
void progressed();

template <class T, class F> __attribute__((no_sanitize("thread"))) T update(T* word, Order order, F change) {
  announce_atomic(word, sizeof(T), true, order);
  const T before = *word;
  *word = change(before);
  progressed();
  return before;
}
inline uint32_t add(uint32_t* word, uint32_t value, Order order) {
  return update(
      word, order, [=](uint32_t before) __attribute__((no_sanitize("thread"))) { return before + value; });
}
__attribute__((no_sanitize("thread"))) inline uint32_t load_acquire(const uint32_t* word) {
  yield();
  announce_atomic(word, sizeof *word, false, Order::acquire);
  return *static_cast<const volatile uint32_t*>(word);
}

template <class T> uint64_t as_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  return bits;
}
template <class T> T from_bits(uint64_t bits) {
  T value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace emulator

/** An array in shared memory: WEFT_SHARED(float, tile, [16][17]); */
#define WEFT_SHARED(T, name, ...)    \
  using name##_type = T __VA_ARGS__; \
  static const char name##_site = 0; \
  name##_type& name = *static_cast<name##_type*>(emulator::static_shared(&name##_site, sizeof(name##_type), alignof(name##_type)))
/** The block's dynamic shared memory as T*, 1024-byte aligned. */
#define WEFT_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(emulator::dynamic_shared())

#include "intrinsics.h"
