// Gradients of the activations: (g, y) from the output, (g, x) from the input.
#include "gelu.h"
#include "pointwise_runs.h"

namespace weft::cpu::WEFT_ISA {

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cpu, name) { return pointwise(call, Runs{binary<name##_of, float>, binary<name##_of, double>}, cheap_grain); }
WEFT_GRADIENT_FROM_OUTPUT(X)
#undef X

#define X(name, expression) WEFT_BINARY_FUNCTOR(name, expression)
WEFT_GRADIENT_FROM_INPUT(X)
#undef X

template <> struct InFloat<geluGrad_of> { using Type = FloatGeluGrad; };

#define X(name, expression)                                                              \
  KERNEL(cpu, name) {                                                                    \
    const Runs runs{binary<InFloat<name##_of>::Type, float>, binary<name##_of, double>}; \
    return pointwise(call, runs, function_grain);                                      \
  }
WEFT_GRADIENT_FROM_INPUT(X)
#undef X

#define X(name, expression)                                                                                          \
  WEFT_BINARY_FUNCTOR(name, expression)                                                                              \
  KERNEL(cpu, name) {                                                                                                \
    const double alpha = call.attrs.number("alpha");                                                                 \
    return pointwise(call, Runs{binary<name##_of, float>, binary<name##_of, double>}, function_grain, {alpha, 0}); \
  }
WEFT_GRADIENT_ALPHA(X)
#undef X

struct clipGrad_of {
  template <class T> static WEFT_INLINE T at(T g, T x, T low, T high) { return select((x < low) | (x > high) | (x != x), T(0), g); }
};
KERNEL(cpu, clipGrad) {
  const double low = call.attrs.number("min"), high = call.attrs.number("max");
  return pointwise(call, Runs{binary<clipGrad_of, float>, binary<clipGrad_of, double>}, cheap_grain, {low, high});
}

}  // namespace weft::cpu::WEFT_ISA
