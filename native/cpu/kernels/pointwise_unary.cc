// Unary pointwise kernels: arithmetic, rounding and tests.
#include "pointwise_runs.h"

namespace weft::cpu::WEFT_ISA {

#define X(name, expression)                                                                                                             \
  WEFT_UNARY_FUNCTOR(name, expression)                                                                                                  \
  KERNEL(cpu, name) {                                                                                                                   \
    const Runs runs{unary<name##_of, float>, unary<name##_of, double>, unary<name##_of, int32_t, uint32_t>, unary<name##_of, uint8_t>}; \
    return pointwise(call, runs, cheap_grain);                                                                                        \
  }
WEFT_UNARY_WRAPPING(X)
#undef X

#define X(name, expression)                                                                                                   \
  WEFT_UNARY_FUNCTOR(name, expression)                                                                                        \
  KERNEL(cpu, name) {                                                                                                         \
    const Runs runs{unary<name##_of, float>, unary<name##_of, double>, unary<name##_of, int32_t>, unary<name##_of, uint8_t>}; \
    return pointwise(call, runs, cheap_grain);                                                                              \
  }
WEFT_UNARY_NUMBER(X)
#undef X

#define X(name, expression)            \
  WEFT_UNARY_FUNCTOR(name, expression) \
  KERNEL(cpu, name) { return pointwise(call, Runs{unary<name##_of, float>, unary<name##_of, double>}, cheap_grain); }
WEFT_UNARY_FLOAT(X)
#undef X

/** Tests read float32 one by one: comparisons that end in bytes are left to the compiler. */
#define X(name, expression)                                                                        \
  WEFT_UNARY_FUNCTOR(name, expression)                                                             \
  static void name##_float(const void* const* in, unsigned, void* out, int64_t n, const double*) { \
    const float* x = static_cast<const float*>(in[0]);                                             \
    uint8_t* y = static_cast<uint8_t*>(out);                                                       \
    for (int64_t i = 0; i < n; i++) y[i] = name##_of::at(x[i], 0.0f, 0.0f);                        \
  }                                                                                                \
  KERNEL(cpu, name) { return pointwise(call, Runs{name##_float, unary<name##_of, double, double, uint8_t>}, cheap_grain); }
WEFT_UNARY_TEST(X)
#undef X

struct logicalNot_of {
  static WEFT_INLINE uint8_t at(uint8_t x, uint8_t, uint8_t) { return x == 0; }
};
KERNEL(cpu, logicalNot) {
  Runs runs;
  runs.boolean = unary<logicalNot_of, uint8_t>;
  return pointwise(call, runs, cheap_grain);
}

}  // namespace weft::cpu::WEFT_ISA
