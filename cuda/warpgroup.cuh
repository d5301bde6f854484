// Products of a warpgroup (wgmma, sm_90): d (64 x N) += a (64 x K) b (K x N), with a and b in shared memory. A
// warpgroup is four warps, of which the first one's number is a multiple of four. K is 16 for 16-bit elements and 8 for
// tf32.
// Warp w of the group holds rows 16 w to 16 w + 15 of d; lane = 4 * group + quad:
//   d[4 * j + {0, 1}]  row group, columns 8 * j + 2 * quad + {0, 1};  d[4 * j + {2, 3}]  row group + 8
// d may not be touched between the first product and wgmma_wait().
//
// Operands lie in tiles of 128-byte rows, swizzled by 128 bytes, as tma_load writes them from a tensor map with
// CU_TENSOR_MAP_SWIZZLE_128B; tiles begin at multiples of 1024 bytes. With 16-bit elements:
//   K-major   rows of 64 k, one for each m (or n); descriptor_128B(tile); 16 further in k: descriptor + 2
//   MN-major  rows of 64 m (or n), one for each k; wider operands are several such tiles, `leading` bytes apart:
//             descriptor_128B(tile, leading); 16 further in k: descriptor + 128
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

/** Between writes of threads to shared memory and reads of the same by wgmma or tma_store. */
__device__ __forceinline__ void fence_async_proxy() {
#ifndef WEFT_EMULATED
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
}
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

/**
 * N = 64, 128 or 256; bfloat16 operands; `transposed`: that operand is MN-major. Without `accumulate` d begins at zero.
 */
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
/**
 * d (64 x N) += a (64 x 8) b (8 x N) with tf32 operands: both K-major, rows of 32 k; 8 further in k: descriptor + 2.
 */
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

}  // namespace weft::cuda
