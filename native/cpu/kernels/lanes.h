// One vocabulary for vectors of float and of double: Vector<T>, MaskOf<T>, lanes_of<T>, and the functions of simd.h for
// double. With it a kernel is one template for both.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

typedef double DoubleVec __attribute__((vector_size(4 * width)));
typedef int64_t LongVec __attribute__((vector_size(4 * width)));
#if WEFT_LEVEL == 2
using DoubleMask = __mmask8;
#else
using DoubleMask = LongVec;
#endif

template <class T> struct LanesOf;
template <> struct LanesOf<float> {
  using Vector = Vec;
  using MaskType = Mask;
  static constexpr int count = width;
};
template <> struct LanesOf<double> {
  using Vector = DoubleVec;
  using MaskType = DoubleMask;
  static constexpr int count = width / 2;
};
template <class T> using Vector = typename LanesOf<T>::Vector;
template <class T> using MaskOf = typename LanesOf<T>::MaskType;
template <class T> constexpr int lanes_of = LanesOf<T>::count;

WEFT_INLINE DoubleVec load(const double* p) {
  DoubleVec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
WEFT_INLINE void store(double* p, DoubleVec v) { std::memcpy(p, &v, sizeof v); }

#if WEFT_LEVEL == 2
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return _mm512_maskz_loadu_pd(m, p); }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) { _mm512_mask_storeu_pd(p, m, v); }
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return _mm512_fmadd_pd(a, b, c); }
WEFT_INLINE DoubleMask greater(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_GT_OQ); }
WEFT_INLINE DoubleMask equal(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_EQ_OQ); }
WEFT_INLINE DoubleMask unordered(DoubleVec a, DoubleVec b) { return _mm512_cmp_pd_mask(a, b, _CMP_UNORD_Q); }
WEFT_INLINE DoubleVec select(DoubleMask m, DoubleVec a, DoubleVec b) { return _mm512_mask_blend_pd(m, b, a); }
WEFT_INLINE bool all_lanes(DoubleMask m) { return m == 0xff; }
#else
#if WEFT_LEVEL == 1
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return _mm256_maskload_pd(p, (__m256i)m); }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) { _mm256_maskstore_pd(p, (__m256i)m, v); }
#else
WEFT_INLINE DoubleVec load_masked(const double* p, DoubleMask m) { return m[1] ? load(p) : m[0] ? DoubleVec{*p} : DoubleVec{}; }
WEFT_INLINE void store_masked(double* p, DoubleVec v, DoubleMask m) {
  if (m[1]) store(p, v);
  else if (m[0]) *p = v[0];
}
#endif
WEFT_INLINE bool all_lanes(DoubleMask m) { return m[width / 2 - 1] != 0; }
#if WEFT_LEVEL == 1
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return _mm256_fmadd_pd(a, b, c); }
#else
WEFT_INLINE DoubleVec fma(DoubleVec a, DoubleVec b, DoubleVec c) { return a * b + c; }
#endif
WEFT_INLINE DoubleMask greater(DoubleVec a, DoubleVec b) { return (DoubleMask)(a > b); }
WEFT_INLINE DoubleMask equal(DoubleVec a, DoubleVec b) { return (DoubleMask)(a == b); }
WEFT_INLINE DoubleMask unordered(DoubleVec a, DoubleVec b) { return (DoubleMask)(a != a) | (DoubleMask)(b != b); }
WEFT_INLINE DoubleVec select(DoubleMask m, DoubleVec a, DoubleVec b) { return (DoubleVec)((m & (LongVec)a) | (~m & (LongVec)b)); }
#endif

/** a > b ? a : b. Where a or b is NaN, the result is b. */
WEFT_INLINE DoubleVec max(DoubleVec a, DoubleVec b) { return select(greater(a, b), a, b); }
WEFT_INLINE DoubleVec load_bytes_double(const uint8_t* p) {
  DoubleVec v{};
  for (int i = 0; i < width / 2; i++) v[i] = double(p[i]);
  return v;
}
WEFT_INLINE void store_bytes(uint8_t* p, DoubleVec v) {
  for (int i = 0; i < width / 2; i++) p[i] = uint8_t(v[i]);
}

template <class T> WEFT_INLINE Vector<T> splat(T value) { return value - Vector<T>{}; }

template <class T> WEFT_INLINE MaskOf<T> lanes_below(int n) {
  if constexpr (sizeof(T) == 4) {
    return first_lanes(n);
  } else {
#if WEFT_LEVEL == 2
    return DoubleMask((1u << n) - 1u);
#else
    DoubleMask m{};
    for (int i = 0; i < n; i++) m[i] = -1;
    return m;
#endif
  }
}

/**
 * Reads places in a pooling window. In memory a place is a byte or an int32. In registers it is a lane of T. Where n is
 * less than lanes_of<T>, n places are read and no more.
 */
template <class T, class Index> WEFT_INLINE Vector<T> load_places(const Index* p, int n = lanes_of<T>) {
  if constexpr (sizeof(Index) == 1) {
    if (n == lanes_of<T>) {
      if constexpr (sizeof(T) == 4) return load_bytes(p);
      else return load_bytes_double(p);
    }
  }
  Vector<T> v{};
  for (int i = 0; i < n; i++) v[i] = T(p[i]);
  return v;
}
template <class T, class Index> WEFT_INLINE void store_places(Index* p, Vector<T> v, int n = lanes_of<T>) {
  if constexpr (sizeof(Index) == 1) {
    if (n == lanes_of<T>) {
      store_bytes(p, v);
      return;
    }
  }
  for (int i = 0; i < n; i++) p[i] = Index(v[i]);
}

}  // namespace weft::cpu::WEFT_ISA
