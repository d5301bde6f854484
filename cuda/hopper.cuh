// What sm_90 adds: barriers in shared memory, the bulk copy engine (TMA), products of warpgroups (wgmma), clusters. For *_sm90.cu files.
//
// Operands of wgmma lie in shared memory in tiles of 128-byte rows, swizzled by 128 bytes, as tma_load writes them from a tensor map with
// CU_TENSOR_MAP_SWIZZLE_128B; tiles begin at multiples of 1024 bytes. With 16-bit elements:
//   K-major   rows of 64 k, one for each m (or n); descriptor_128B(tile); 16 further in k: descriptor + 2
//   MN-major  rows of 64 m (or n), one for each k; wider operands are several such tiles, `leading` bytes apart:
//             descriptor_128B(tile, leading); 16 further in k: descriptor + 128
#pragma once
#include <cuda.h>

#include "tensor_core.cuh"

namespace weft::cuda {

// ---- barriers in shared memory: a phase ends when `count` arrivals and all expected bytes have come

__device__ __forceinline__ void barrier_init(uint64_t* barrier, unsigned count) {
#ifdef WEFT_EMULATED
  emulator::shared_barrier_init(barrier, count);
#else
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
#endif
}
/** After barrier_init, before other threads (by a barrier of the block or cluster) or the copy engine use the barriers. */
__device__ __forceinline__ void fence_barrier_init() {
#ifndef WEFT_EMULATED
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
#endif
}
/** Between writes of threads to shared memory and reads of the same by wgmma or tma_store. */
__device__ __forceinline__ void fence_async_proxy() {
#ifndef WEFT_EMULATED
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
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

// ---- bulk copies of boxes of tensors. One thread issues them; coordinates count elements, the innermost axis first; what lies outside the
// tensor is read as zero and not written. `map` is a __grid_constant__ parameter of the kernel.

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
/** The same into every block of the cluster whose bit is set in `blocks`: to the same place, counting for the same barrier there. */
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
/** Copies a box from shared to global memory: after fence_async_proxy(), followed by tma_store_commit() and tma_store_wait(). */
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
/** Waits until all but the newest `pending` groups of stores have read their shared memory, which may then be written again. */
template <int pending> __device__ __forceinline__ void tma_store_wait() {
#ifdef WEFT_EMULATED
  emulator::tensor_store_wait(pending);
#else
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(pending) : "memory");
#endif
}

// ---- products of a warpgroup (four warps that begin at a multiple of four): d (64 x N) += a (64 x 16) b (16 x N), a and b in shared memory.
// Warp w of the group holds rows 16 w to 16 w + 15; lane = 4 * group + quad:
//   d[4 * j + {0, 1}]  row group, columns 8 * j + 2 * quad + {0, 1};  d[4 * j + {2, 3}]  row group + 8
// d may not be touched between the first product and wgmma_wait().

/** A matrix descriptor of a tile swizzled by 128 bytes; `stride`: bytes from eight rows to the next eight. */
__device__ __forceinline__ uint64_t descriptor_128B(const void* tile, unsigned leading = 16, unsigned stride = 1024) {
#ifdef WEFT_EMULATED
  const uint32_t address = emulator::shared_offset(tile);
#else
  const uint32_t address = shared_address(tile);
#endif
  return uint64_t((address & 0x3ffffu) >> 4) | uint64_t(leading >> 4) << 16 | uint64_t(stride >> 4) << 32 | uint64_t(1) << 62;
}
/** Before the first product, and whenever threads have written d since. */
__device__ __forceinline__ void wgmma_fence() {
#ifdef WEFT_EMULATED
  emulator::group_product_fence();
#else
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
__device__ __forceinline__ void wgmma_commit() {
#ifdef WEFT_EMULATED
  emulator::group_product_commit();
#else
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
template <int pending> __device__ __forceinline__ void wgmma_wait() {
#ifdef WEFT_EMULATED
  emulator::group_product_wait(pending);
#else
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(pending) : "memory");
#endif
}

#ifndef WEFT_EMULATED
#define WEFT_REGISTERS_8(i) \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define WEFT_REGISTERS_32(i) WEFT_REGISTERS_8(i), WEFT_REGISTERS_8(i + 8), WEFT_REGISTERS_8(i + 16), WEFT_REGISTERS_8(i + 24)
#define WEFT_LIST_32                                                                                        \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27," \
  "%28,%29,%30,%31}, "
#define WEFT_LIST_64                                                                                         \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"  \
  "%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53," \
  "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63}, "
#define WEFT_LIST_128                                                                                         \
  "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,"   \
  "%28,%29,%30,%31,%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,%48,%49,%50,%51,%52,%53,"  \
  "%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"  \
  "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95,%96,%97,%98,%99,%100,%101,%102,%103,%104," \
  "%105,%106,%107,%108,%109,%110,%111,%112,%113,%114,%115,%116,%117,%118,%119,%120,%121,%122,%123,%124,%125," \
  "%126,%127}, "
#endif

/** N = 64, 128 or 256; bfloat16 operands; `transposed`: that operand is MN-major. Without `accumulate` d begins at zero. */
template <int N, bool transposed_a = false, bool transposed_b = false>
__device__ __forceinline__ void wgmma_bf16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N == 64 || N == 128 || N == 256);
#ifdef WEFT_EMULATED
  emulator::group_product(emulator::Mma::bf16, d, N, a, b, transposed_a, transposed_b, accumulate);
#else
  if constexpr (N == 64)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " WEFT_LIST_32
                 "%32, %33, p, 1, 1, %35, %36;\n}"
                 : WEFT_REGISTERS_32(0)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
  else if constexpr (N == 128)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\nwgmma.mma_async.sync.aligned.m64n128k16.f32.bf16.bf16 " WEFT_LIST_64
                 "%64, %65, p, 1, 1, %67, %68;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\nwgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 " WEFT_LIST_128
                 "%128, %129, p, 1, 1, %131, %132;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32), WEFT_REGISTERS_32(64), WEFT_REGISTERS_32(96)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
#endif
}
/** N = 64, 128 or 256; float16 operands. */
template <int N, bool transposed_a = false, bool transposed_b = false>
__device__ __forceinline__ void wgmma_f16(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N == 64 || N == 128 || N == 256);
#ifdef WEFT_EMULATED
  emulator::group_product(emulator::Mma::f16, d, N, a, b, transposed_a, transposed_b, accumulate);
#else
  if constexpr (N == 64)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " WEFT_LIST_32
                 "%32, %33, p, 1, 1, %35, %36;\n}"
                 : WEFT_REGISTERS_32(0)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
  else if constexpr (N == 128)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\nwgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 " WEFT_LIST_64
                 "%64, %65, p, 1, 1, %67, %68;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\nwgmma.mma_async.sync.aligned.m64n256k16.f32.f16.f16 " WEFT_LIST_128
                 "%128, %129, p, 1, 1, %131, %132;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32), WEFT_REGISTERS_32(64), WEFT_REGISTERS_32(96)
                 : "l"(a), "l"(b), "r"(int(accumulate)), "n"(int(transposed_a)), "n"(int(transposed_b)));
#endif
}
/** d (64 x N) += a (64 x 8) b (8 x N) with tf32 operands: both K-major, rows of 32 k; 8 further in k: descriptor + 2. */
template <int N> __device__ __forceinline__ void wgmma_tf32(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate = true) {
  static_assert(N == 64 || N == 128 || N == 256);
#ifdef WEFT_EMULATED
  emulator::group_product(emulator::Mma::tf32, d, N, a, b, false, false, accumulate);
#else
  if constexpr (N == 64)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k8.f32.tf32.tf32 " WEFT_LIST_32
                 "%32, %33, p, 1, 1;\n}"
                 : WEFT_REGISTERS_32(0)
                 : "l"(a), "l"(b), "r"(int(accumulate)));
  else if constexpr (N == 128)
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\nwgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 " WEFT_LIST_64
                 "%64, %65, p, 1, 1;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32)
                 : "l"(a), "l"(b), "r"(int(accumulate)));
  else
    asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %130, 0;\nwgmma.mma_async.sync.aligned.m64n256k8.f32.tf32.tf32 " WEFT_LIST_128
                 "%128, %129, p, 1, 1;\n}"
                 : WEFT_REGISTERS_32(0), WEFT_REGISTERS_32(32), WEFT_REGISTERS_32(64), WEFT_REGISTERS_32(96)
                 : "l"(a), "l"(b), "r"(int(accumulate)));
#endif
}
#ifndef WEFT_EMULATED
#undef WEFT_REGISTERS_8
#undef WEFT_REGISTERS_32
#undef WEFT_LIST_32
#undef WEFT_LIST_64
#undef WEFT_LIST_128
#endif

/** Takes registers from this warpgroup or gives it more; a multiple of 8. All warps of the group call it. */
template <int registers> __device__ __forceinline__ void fewer_registers() {
#ifndef WEFT_EMULATED
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}
template <int registers> __device__ __forceinline__ void more_registers() {
#ifndef WEFT_EMULATED
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers));
#endif
}

// ---- clusters: blocks that run together and reach each other's shared memory

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
/** A barrier in two halves of all threads of the cluster; shared memory written before the first is seen after the second. */
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
