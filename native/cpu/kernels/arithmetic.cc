// Binary pointwise kernels: arithmetic, minimum and maximum, division, powers.
#include "pointwise_runs.h"
#include "power.h"

namespace weft::cpu::WEFT_ISA {

#define X(name, expression)                                                                                    \
  WEFT_BINARY_FUNCTOR(name, expression)                                                                        \
  KERNEL(cpu, name) {                                                                                          \
    const Runs runs{binary<name##_of, float>, binary<name##_of, double>, binary<name##_of, int32_t, uint32_t>, \
                    binary<name##_of, uint8_t>};                                                               \
    return pointwise(call, runs, cheap_grain);                                                               \
  }
WEFT_BINARY_WRAPPING(X)
#undef X

#define X(name, expression)                                                                                                       \
  WEFT_BINARY_FUNCTOR(name, expression)                                                                                           \
  KERNEL(cpu, name) {                                                                                                             \
    const Runs runs{binary<name##_of, float>, binary<name##_of, double>, binary<name##_of, int32_t>, binary<name##_of, uint8_t>}; \
    return pointwise(call, runs, cheap_grain);                                                                                  \
  }
WEFT_BINARY_NUMBER(X)
#undef X

#define X(name, expression)             \
  WEFT_BINARY_FUNCTOR(name, expression) \
  KERNEL(cpu, name) { return pointwise(call, Runs{binary<name##_of, float>, binary<name##_of, double>}, function_grain); }
WEFT_BINARY_FLOAT(X)
#undef X

}  // namespace weft::cpu::WEFT_ISA
