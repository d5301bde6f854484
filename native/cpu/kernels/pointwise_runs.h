// Run functions: loops over one stretch of elements, made from the functors of native/pointwise/. The kernels that
// follow from a line there are made here too.
#pragma once
#include "numbers.h"
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

/** Parameter i of a call, in the type that is computed in. */
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
/** The run function of a unary functor. Elements are T in memory, and C, of the same size, in the computation. */
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
    const bool both = fixed == 3;  // both inputs are one element
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

/** Comparisons and tests give bytes. The loop takes one element after another, and the compiler vectorizes it. */
template <class F, class T> void test(const void* const* in, unsigned, void* out, int64_t n, const double*) {
  const T* x = static_cast<const T*>(in[0]);
  uint8_t* y = static_cast<uint8_t*>(out);
  for (int64_t i = 0; i < n; i++) y[i] = F::at(x[i], T(0), T(0));
}
template <class F, class T> void compare(const void* const* in, unsigned fixed, void* out, int64_t n, const double* parameters) {
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  binary_run<F, T, uint8_t>(x, y, fixed, static_cast<uint8_t*>(out), n, parameters);
}

/** The attributes of a call, in the order in which its line names them. */
using Attributes = std::array<double, 2>;

// a binder for each word that a line may begin with
template <class F> WEFT_BINDER Step unary_wrapping(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{unary<F, float>, unary<F, double>, unary<F, int32_t, uint32_t>, unary<F, uint8_t>}, cheap_grain, a);
}
template <class F> WEFT_BINDER Step unary_number(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{unary<F, float>, unary<F, double>, unary<F, int32_t>, unary<F, uint8_t>}, cheap_grain, a);
}
template <class F> WEFT_BINDER Step unary_float(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{unary<F, float>, unary<F, double>}, cheap_grain, a);
}
template <class F> WEFT_BINDER Step unary_function(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{unary<F, float>, unary<F, double>}, function_grain, a);
}
template <class F> WEFT_BINDER Step unary_test(Call& call, Attributes = {}) {
  return pointwise(call, Runs{test<F, float>, test<F, double>}, cheap_grain);
}

template <class F> WEFT_BINDER Step slope_number(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>}, cheap_grain, a);
}
template <class F> WEFT_BINDER Step slope_float(Call& call, Attributes a = {}) { return slope_number<F>(call, a); }
template <class F> WEFT_BINDER Step slope_function(Call& call, Attributes a = {}) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>}, function_grain, a);
}

template <class F> WEFT_BINDER Step binary_wrapping(Call& call) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>, binary<F, int32_t, uint32_t>, binary<F, uint8_t>}, cheap_grain);
}
template <class F> WEFT_BINDER Step binary_number(Call& call) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>, binary<F, int32_t>, binary<F, uint8_t>}, cheap_grain);
}
template <class F> WEFT_BINDER Step binary_float(Call& call) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>}, cheap_grain);
}
template <class F> WEFT_BINDER Step binary_function(Call& call) {
  return pointwise(call, Runs{binary<F, float>, binary<F, double>}, function_grain);
}
template <class F> WEFT_BINDER Step binary_compare(Call& call) {
  const Runs runs{compare<F, float>, compare<F, double>, compare<F, int32_t>, compare<F, uint8_t>, compare<F, uint8_t>};
  return pointwise(call, runs, cheap_grain);
}
template <class F> WEFT_BINDER Step binary_logic(Call& call) {
  Runs runs;
  runs.boolean = compare<F, uint8_t>;
  return pointwise(call, runs, cheap_grain);
}

// the kernel of a line: WEFT_CPU_UNARY(kind, name, expression) and so on, which are handed to the lists of lines
#define WEFT_CPU_UNARY(kind, name, expression) \
  WEFT_UNARY(name, p, q, expression)           \
  KERNEL(cpu, name) { return unary_##kind<name##_of>(call); }
#define WEFT_CPU_BINARY(kind, name, expression) \
  WEFT_BINARY(name, expression)                 \
  KERNEL(cpu, name) { return binary_##kind<name##_of>(call); }
#define WEFT_CPU_SLOPED(kind, name, expression, slope)        \
  WEFT_UNARY(name, p, q, expression)                          \
  WEFT_SLOPE(name, p, q, slope)                               \
  KERNEL(cpu, name) { return unary_##kind<name##_of>(call); } \
  KERNEL(cpu, name##Grad) { return slope_##kind<name##Grad_of>(call); }
#define WEFT_CPU_SLOPED_1(kind, name, first, expression, slope)                               \
  WEFT_UNARY(name, first, q, expression)                                                      \
  WEFT_SLOPE(name, first, q, slope)                                                           \
  KERNEL(cpu, name) { return unary_##kind<name##_of>(call, {call.attrs.number(#first), 0}); } \
  KERNEL(cpu, name##Grad) { return slope_##kind<name##Grad_of>(call, {call.attrs.number(#first), 0}); }
#define WEFT_CPU_SLOPED_2(kind, name, first, second, expression, slope)                                                \
  WEFT_UNARY(name, first, second, expression)                                                                          \
  WEFT_SLOPE(name, first, second, slope)                                                                               \
  KERNEL(cpu, name) { return unary_##kind<name##_of>(call, {call.attrs.number(#first), call.attrs.number(#second)}); } \
  KERNEL(cpu, name##Grad) { return slope_##kind<name##Grad_of>(call, {call.attrs.number(#first), call.attrs.number(#second)}); }

}  // namespace weft::cpu::WEFT_ISA
