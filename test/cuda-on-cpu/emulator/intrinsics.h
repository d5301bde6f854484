// CUDA's device functions for kernels compiled for the CPU: barriers, warp functions, atomics, bits, conversions and
// arithmetic.
#pragma once

// barriers and fences
inline void __syncthreads() { emulator::barrier(0, 0); }
inline int __syncthreads_or(int predicate) { return emulator::barrier_vote(emulator::Vote::any, predicate != 0); }
inline int __syncthreads_and(int predicate) { return emulator::barrier_vote(emulator::Vote::all, predicate != 0); }
inline int __syncthreads_count(int predicate) { return emulator::barrier_vote(emulator::Vote::count, predicate != 0); }
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulator::syncwarp(mask); }
inline void __threadfence() { emulator::fence(); }
inline void __threadfence_block() { emulator::fence(); }
inline void __threadfence_system() { emulator::fence(); }
[[noreturn]] inline void __trap() { emulator::fault("__trap()"); }
inline void __nanosleep(unsigned) { emulator::yield(); }
inline long long clock64() { return 0; }

// warp functions
template <class T> T __shfl_sync(unsigned mask, T value, int lane, int width = 32) {
  return emulator::from_bits<T>(emulator::shuffle(emulator::Shuffle::from, mask, emulator::as_bits(value), lane, width));
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulator::from_bits<T>(emulator::shuffle(emulator::Shuffle::up, mask, emulator::as_bits(value), int(delta), width));
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  return emulator::from_bits<T>(emulator::shuffle(emulator::Shuffle::down, mask, emulator::as_bits(value), int(delta), width));
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  return emulator::from_bits<T>(emulator::shuffle(emulator::Shuffle::exclusive_or, mask, emulator::as_bits(value), lanes, width));
}
inline unsigned __ballot_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0); }
inline int __any_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return emulator::ballot(mask, predicate != 0) == mask; }
template <class T> unsigned __match_any_sync(unsigned mask, T value) { return emulator::match_any(mask, emulator::as_bits(value)); }
inline unsigned __reduce_add_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::add, mask, value));
}
inline int __reduce_add_sync(unsigned mask, int value) { return int(emulator::reduce(emulator::Reduction::add, mask, value)); }
inline unsigned __reduce_min_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::minimum, mask, value));
}
inline int __reduce_min_sync(unsigned mask, int value) { return int(emulator::reduce(emulator::Reduction::minimum, mask, value)); }
inline unsigned __reduce_max_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::maximum, mask, value));
}
inline int __reduce_max_sync(unsigned mask, int value) { return int(emulator::reduce(emulator::Reduction::maximum, mask, value)); }
inline unsigned __reduce_and_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::bit_and, mask, value));
}
inline unsigned __reduce_or_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::bit_or, mask, value));
}
inline unsigned __reduce_xor_sync(unsigned mask, unsigned value) {
  return unsigned(emulator::reduce(emulator::Reduction::bit_xor, mask, value));
}

// atomics: relaxed, as in CUDA
#define UNTRACED __attribute__((no_sanitize("thread")))
#define ATOMIC(T, name, expression)                                                                                               \
  inline T name(T* word, T value) {                                                                                               \
    return emulator::update(word, emulator::Order::relaxed, [=]([[maybe_unused]] T before) UNTRACED -> T { return expression; }); \
  }
#define ATOMICS(T)                                                                                                         \
  ATOMIC(T, atomicAdd, before + value)                                                                                     \
  ATOMIC(T, atomicMax, before > value ? before : value)                                                                    \
  ATOMIC(T, atomicMin, before < value ? before : value)                                                                    \
  ATOMIC(T, atomicAnd, before& value)                                                                                      \
  ATOMIC(T, atomicOr, before | value)                                                                                      \
  ATOMIC(T, atomicXor, before ^ value)                                                                                     \
  ATOMIC(T, atomicExch, value)                                                                                             \
  inline T atomicCAS(T* word, T expected, T value) {                                                                       \
    return emulator::update(word, emulator::Order::relaxed,                                                                \
                            [=]([[maybe_unused]] T before) UNTRACED -> T { return before == expected ? value : before; }); \
  }
ATOMICS(int)
ATOMICS(unsigned)
ATOMICS(unsigned long long)
ATOMIC(float, atomicAdd, before + value)
ATOMIC(double, atomicAdd, before + value)
ATOMIC(float, atomicExch, value)
ATOMIC(int, atomicSub, before - value)
ATOMIC(unsigned, atomicSub, before - value)
ATOMIC(unsigned, atomicInc, before >= value ? 0 : before + 1)
ATOMIC(unsigned, atomicDec, before == 0 || before > value ? value : before - 1)
ATOMIC(long long, atomicMax, before > value ? before : value)
ATOMIC(long long, atomicMin, before < value ? before : value)
#undef ATOMICS
#undef ATOMIC
#undef UNTRACED

// memory
template <class T> T __ldg(const T* p) { return *p; }
template <class T> T __ldcg(const T* p) { return *p; }
template <class T> T __ldca(const T* p) { return *p; }
template <class T> T __ldcs(const T* p) { return *p; }
template <class T> void __stcs(T* p, T value) { *p = value; }
template <class T> void __stcg(T* p, T value) { *p = value; }
inline size_t __cvta_generic_to_shared(const void* p) { return emulator::shared_offset(p); }

// bits
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(unsigned(x)); }
inline int __clzll(long long x) { return std::countl_zero(static_cast<unsigned long long>(x)); }
inline int __ffs(int x) { return __builtin_ffs(x); }
inline int __ffsll(long long x) { return __builtin_ffsll(x); }
inline unsigned __brev(unsigned x) {
  unsigned y = 0;
  for (int i = 0; i < 32; i++) y |= (x >> i & 1u) << (31 - i);
  return y;
}
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned selector) {
  const uint64_t bytes = uint64_t(b) << 32 | a;
  unsigned y = 0;
  for (int i = 0; i < 4; i++) {
    const unsigned chosen = selector >> (4 * i), byte = unsigned(bytes >> (8 * (chosen & 7))) & 0xff;
    y |= (chosen & 8 ? (byte & 0x80 ? 0xffu : 0u) : byte) << (8 * i);
  }
  return y;
}
inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return unsigned(((uint64_t(high) << 32 | low) << (shift & 31)) >> 32);
}
inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return unsigned((uint64_t(high) << 32 | low) >> (shift & 31));
}
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline long long __double_as_longlong(double x) { return std::bit_cast<long long>(x); }
inline double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }

// conversions: out of range values saturate and NaN becomes 0, as on a GPU
namespace emulator {
template <class T> T saturate(double x) {
  constexpr T low = std::numeric_limits<T>::lowest(), high = std::numeric_limits<T>::max();
  return x != x ? T(0) : x <= double(low) ? low : x >= double(high) ? high : T(x);
}
}  // namespace emulator
inline int __float2int_rn(float x) { return emulator::saturate<int>(rintf(x)); }
inline int __float2int_rz(float x) { return emulator::saturate<int>(truncf(x)); }
inline int __float2int_rd(float x) { return emulator::saturate<int>(floorf(x)); }
inline int __float2int_ru(float x) { return emulator::saturate<int>(ceilf(x)); }
inline unsigned __float2uint_rn(float x) { return emulator::saturate<unsigned>(rintf(x)); }
inline unsigned __float2uint_rz(float x) { return emulator::saturate<unsigned>(truncf(x)); }
inline long long __float2ll_rn(float x) { return emulator::saturate<long long>(rintf(x)); }
inline long long __float2ll_rz(float x) { return emulator::saturate<long long>(truncf(x)); }
inline float __int2float_rn(int x) { return float(x); }
inline float __uint2float_rn(unsigned x) { return float(x); }
inline float __ll2float_rn(long long x) { return float(x); }
inline float __ull2float_rn(unsigned long long x) { return float(x); }
inline float __double2float_rn(double x) { return float(x); }

// arithmetic with a rounding of its own: never contracted
namespace emulator {
template <class T> T rounded(T x) {
#if defined(__x86_64__)
  asm("" : "+x"(x));
#else
  asm("" : "+w"(x));
#endif
  return x;
}
}  // namespace emulator
inline float __fadd_rn(float a, float b) { return emulator::rounded(a + b); }
inline float __fsub_rn(float a, float b) { return emulator::rounded(a - b); }
inline float __fmul_rn(float a, float b) { return emulator::rounded(a * b); }
inline float __fdiv_rn(float a, float b) { return emulator::rounded(a / b); }
inline float __frcp_rn(float a) { return emulator::rounded(1 / a); }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return emulator::rounded(a + b); }
inline double __dsub_rn(double a, double b) { return emulator::rounded(a - b); }
inline double __dmul_rn(double a, double b) { return emulator::rounded(a * b); }
inline double __ddiv_rn(double a, double b) { return emulator::rounded(a / b); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

// functions that the C library lacks, and the fast ones. The C library has internal functions of some of these names:
// hence macros
inline float rsqrtf(float x) { return float(1 / sqrt(double(x))); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float sinpif(float x) { return float(sin(3.141592653589793 * double(x))); }
inline float cospif(float x) { return float(cos(3.141592653589793 * double(x))); }
inline void sincospif(float x, float* sine, float* cosine) {
  *sine = sinpif(x);
  *cosine = cospif(x);
}
inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1 : 0; }
inline float __fdividef(float a, float b) { return a / b; }
inline float fdividef(float a, float b) { return a / b; }
inline float __frsqrt_rn(float x) { return rsqrtf(x); }
#define __expf(x) expf(x)
#define __exp10f(x) exp10f(x)
#define __logf(x) logf(x)
#define __log2f(x) log2f(x)
#define __log10f(x) log10f(x)
#define __sinf(x) sinf(x)
#define __cosf(x) cosf(x)
#define __tanf(x) tanf(x)
#define __powf(x, y) powf(x, y)
#define __sincosf(x, sine, cosine) sincosf(x, sine, cosine)

#define MINIMUM_AND_MAXIMUM(A, B, T)                                                                                  \
  constexpr T min(A a, B b) { return static_cast<T>(a) < static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b); } \
  constexpr T max(A a, B b) { return static_cast<T>(a) > static_cast<T>(b) ? static_cast<T>(a) : static_cast<T>(b); }
MINIMUM_AND_MAXIMUM(int, int, int)
MINIMUM_AND_MAXIMUM(unsigned, unsigned, unsigned)
MINIMUM_AND_MAXIMUM(int, unsigned, unsigned)
MINIMUM_AND_MAXIMUM(unsigned, int, unsigned)
MINIMUM_AND_MAXIMUM(long, long, long)
MINIMUM_AND_MAXIMUM(unsigned long, unsigned long, unsigned long)
MINIMUM_AND_MAXIMUM(long, unsigned long, unsigned long)
MINIMUM_AND_MAXIMUM(unsigned long, long, unsigned long)
MINIMUM_AND_MAXIMUM(long long, long long, long long)
MINIMUM_AND_MAXIMUM(unsigned long long, unsigned long long, unsigned long long)
MINIMUM_AND_MAXIMUM(long long, unsigned long long, unsigned long long)
MINIMUM_AND_MAXIMUM(unsigned long long, long long, unsigned long long)
#undef MINIMUM_AND_MAXIMUM
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
