// One vocabulary for vectors of float and of double: Vector<T>, MaskOf<T>, lanes_of<T>, and the functions of simd.h for
// double. With it a kernel is one template for both.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

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

/** a > b ? a : b. Where a or b is NaN, the result is b. */
WEFT_INLINE DoubleVec max(DoubleVec a, DoubleVec b) { return select(greater(a, b), a, b); }
WEFT_INLINE DoubleVec multiplied_root(DoubleVec v) { return sqrt(v); }
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
  if constexpr (sizeof(T) == 4) return first_lanes(n);
  else return first_double_lanes(n);
}

/** Where all lanes of a vector are in use. A mask costs a second operation, so there is none. */
template <class T> struct AllLanes {
  WEFT_INLINE Vector<T> load(const T* from) const { return cpu::WEFT_ISA::load(from); }
  WEFT_INLINE void store(T* to, Vector<T> v) const { cpu::WEFT_ISA::store(to, v); }
};
/** Where only the first lanes are. */
template <class T> struct FirstLanes {
  MaskOf<T> mask;
  WEFT_INLINE Vector<T> load(const T* from) const { return load_masked(from, mask); }
  WEFT_INLINE void store(T* to, Vector<T> v) const { store_masked(to, v, mask); }
};
/** Calls f with the lanes that the first n elements take, or with all lanes. */
template <class T, class F> WEFT_INLINE void with_lanes(int64_t n, F&& f) {
  if (n >= lanes_of<T>) f(AllLanes<T>{});
  else f(FirstLanes<T>{lanes_below<T>(int(n))});
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
