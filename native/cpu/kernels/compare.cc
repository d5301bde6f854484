// Comparisons, bool logic and where.
#include "pointwise_runs.h"

namespace weft::cpu::WEFT_ISA {

/** One after another, for the compiler to vectorize: comparisons end in bytes. */
template <class F, class T> static void compare(const void* const* in, unsigned fixed, void* out, int64_t n, const double*) {
  const T *x = static_cast<const T*>(in[0]), *y = static_cast<const T*>(in[1]);
  uint8_t* z = static_cast<uint8_t*>(out);
  if (fixed == 0) {
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = F::at(x[i], y[i], T(0), T(0));
  } else if (fixed == 1) {
    const T a = *x;
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = F::at(a, y[i], T(0), T(0));
  } else if (fixed == 2) {
    const T b = *y;
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) z[i] = F::at(x[i], b, T(0), T(0));
  } else {
    for (int64_t i = 0; i < n; i++) z[i] = F::at(*x, *y, T(0), T(0));
  }
}

#define X(name, expression)                                                                                                          \
  WEFT_BINARY_FUNCTOR(name, expression)                                                                                              \
  KERNEL(cpu, name) {                                                                                                                \
    const Runs runs{compare<name##_of, float>, compare<name##_of, double>, compare<name##_of, int32_t>, compare<name##_of, uint8_t>, \
                    compare<name##_of, uint8_t>};                                                                                    \
    return pointwise(call, runs, cheap_grain);                                                                                     \
  }
WEFT_BINARY_COMPARE(X)
#undef X

#define X(name, expression)                      \
  WEFT_BINARY_FUNCTOR(name, expression)          \
  KERNEL(cpu, name) {                            \
    Runs runs;                                   \
    runs.boolean = compare<name##_of, uint8_t>;  \
    return pointwise(call, runs, cheap_grain); \
  }
WEFT_BINARY_LOGIC(X)
#undef X

/** T stands for any dtype of its size. */
template <class T> static void choose(const void* const* in, unsigned fixed, void* out, int64_t n, const double*) {
  const uint8_t* condition = static_cast<const uint8_t*>(in[0]);
  const T *x = static_cast<const T*>(in[1]), *y = static_cast<const T*>(in[2]);
  T* z = static_cast<T*>(out);
  auto loop = [=]<int64_t X, int64_t Y>() {
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
      const T a = x[i * X], b = y[i * Y];
      z[i] = condition[i] ? a : b;
    }
  };
  if (fixed & 1) {  // one condition: a copy
    const bool first = *condition;
    const T* from = first ? x : y;
    if (fixed & (first ? 2 : 4)) {
      const T a = *from;
      for (int64_t i = 0; i < n; i++) z[i] = a;
    } else {
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) z[i] = from[i];
    }
  } else if (fixed == 0) loop.template operator()<1, 1>();
  else if (fixed == 2) loop.template operator()<0, 1>();
  else if (fixed == 4) loop.template operator()<1, 0>();
  else loop.template operator()<0, 0>();
}

KERNEL(cpu, where) {
  switch (size_of(call.out[0].dtype)) {
    case 1: return pointwise(call, choose<uint8_t>, cheap_grain);
    case 2: return pointwise(call, choose<uint16_t>, cheap_grain);
    case 4: return pointwise(call, choose<uint32_t>, cheap_grain);
    default: return pointwise(call, choose<uint64_t>, cheap_grain);
  }
}

}  // namespace weft::cpu::WEFT_ISA
