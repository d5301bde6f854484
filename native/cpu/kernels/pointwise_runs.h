// Runs: loops over one stretch of elements, made from a functor F of native/pointwise.h.
#pragma once
#include "pointwise.h"
#include "numbers.h"
#include "pointwise/lines.h"

namespace weft::cpu::WEFT_ISA {

/** Parameters of a call in the type of computation. */
template <class T> WEFT_INLINE T parameter(const double* parameters, int i) { return T(parameters[i]); }

template <class F> void unary_run(const float* x, float* y, int64_t n, const double* parameters) {
  const Lanes p0(parameters[0]), p1(parameters[1]);
  int64_t i = 0;
  for (; i + width <= n; i += width) store(y + i, F::at(Lanes(load(x + i)), p0, p1).v);
  if (i < n) store_partial(y + i, F::at(Lanes(load_partial(x + i, int(n - i))), p0, p1).v, int(n - i));
}
template <class F, class T, class Out> void unary_run(const T* x, Out* y, int64_t n, const double* parameters) {
  const T p0(parameters[0]), p1(parameters[1]);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] = Out(F::at(x[i], p0, p1));
}
/** The run function of a unary functor: T in memory, computed in C (same size). */
template <class F, class T, class C = T, class Out = C>
void unary(const void* const* in, unsigned, void* out, int64_t n, const double* parameters) {
  static_assert(sizeof(T) == sizeof(C));
  unary_run<F>(static_cast<const C*>(in[0]), static_cast<Out*>(out), n, parameters);
}

template <class F> void binary_run(const float* x, const float* y, unsigned fixed, float* z, int64_t n, const double* parameters) {
  const Lanes p0(parameters[0]), p1(parameters[1]);
  const int rest = int(n % width);
  const int64_t whole = n - rest;
  if (fixed == 0) {
    for (int64_t i = 0; i < whole; i += width) store(z + i, F::at(Lanes(load(x + i)), Lanes(load(y + i)), p0, p1).v);
    if (rest) store_partial(z + whole, F::at(Lanes(load_partial(x + whole, rest)), Lanes(load_partial(y + whole, rest)), p0, p1).v, rest);
  } else if (fixed == 1) {
    const Lanes a(broadcast(*x));
    for (int64_t i = 0; i < whole; i += width) store(z + i, F::at(a, Lanes(load(y + i)), p0, p1).v);
    if (rest) store_partial(z + whole, F::at(a, Lanes(load_partial(y + whole, rest)), p0, p1).v, rest);
  } else {
    const Lanes b(broadcast(*y));
    const bool both = fixed == 3;  // one element
    for (int64_t i = 0; i < whole; i += width) store(z + i, F::at(both ? Lanes(broadcast(*x)) : Lanes(load(x + i)), b, p0, p1).v);
    if (rest) {
      const Lanes a = both ? Lanes(broadcast(*x)) : Lanes(load_partial(x + whole, rest));
      store_partial(z + whole, F::at(a, b, p0, p1).v, rest);
    }
  }
}
template <class F, class T, class Out>
void binary_run(const T* x, const T* y, unsigned fixed, Out* z, int64_t n, const double* parameters) {
  const T p0(parameters[0]), p1(parameters[1]);
  if (fixed == 0) {
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = Out(F::at(x[i], y[i], p0, p1));
  } else if (fixed == 1) {
    const T a = *x;
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = Out(F::at(a, y[i], p0, p1));
  } else if (fixed == 2) {
    const T b = *y;
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = Out(F::at(x[i], b, p0, p1));
  } else {
    for (int64_t i = 0; i < n; i++) z[i] = Out(F::at(*x, *y, p0, p1));
  }
}
template <class F, class T, class C = T, class Out = C>
void binary(const void* const* in, unsigned fixed, void* out, int64_t n, const double* parameters) {
  static_assert(sizeof(T) == sizeof(C));
  binary_run<F>(static_cast<const C*>(in[0]), static_cast<const C*>(in[1]), fixed, static_cast<Out*>(out), n, parameters);
}

/** The functor of a line of native/pointwise.h. */
#define WEFT_UNARY_FUNCTOR(name, expression)                                                               \
  struct name##_of {                                                                                       \
    template <class T> static WEFT_INLINE auto at(T x, [[maybe_unused]] T alpha, T) { return expression; } \
  };
#define WEFT_BINARY_FUNCTOR(name, expression)                                                                   \
  struct name##_of {                                                                                            \
    template <class T> static WEFT_INLINE auto at(T x, T y, [[maybe_unused]] T alpha, T) { return expression; } \
  };

}  // namespace weft::cpu::WEFT_ISA
