// Unary pointwise kernels with tens of instructions per element: exponentials, activations, trigonometry, and those with attributes.
#include <algorithm>

#include "gelu.h"
#include "pointwise_runs.h"
#include "trigonometry.h"

namespace weft::cpu::WEFT_ISA {

#define X(name, expression) WEFT_UNARY_FUNCTOR(name, expression)
WEFT_UNARY_FUNCTION(X)
#undef X

template <> struct InFloat<gelu_of> { using Type = FloatGelu; };

#define X(name, expression)                                                            \
  KERNEL(cpu, name) {                                                                  \
    const Runs runs{unary<InFloat<name##_of>::Type, float>, unary<name##_of, double>}; \
    return pointwise(call, runs, function_grain);                                    \
  }
WEFT_UNARY_FUNCTION(X)
#undef X

#define X(name, expression)                                                                                        \
  WEFT_UNARY_FUNCTOR(name, expression)                                                                             \
  KERNEL(cpu, name) {                                                                                              \
    const double alpha = call.attrs.number("alpha");                                                               \
    return pointwise(call, Runs{unary<name##_of, float>, unary<name##_of, double>}, function_grain, {alpha, 0}); \
  }
WEFT_UNARY_ALPHA(X)
#undef X

struct clip_of {
  template <class T> static WEFT_INLINE T at(T x, T low, T high) { return clamp(x, low, high); }
};
/** The whole numbers of a dtype between the limits, so that the run's parameters fit it. */
static double whole(double limit, double lowest, double highest) { return std::min(std::max(limit, lowest), highest); }
KERNEL(cpu, clip) {
  double low = call.attrs.number("min"), high = call.attrs.number("max");
  const DType dtype = call.in[0].dtype;
  if (dtype == DType::int32 || dtype == DType::uint8) {
    const double lowest = dtype == DType::int32 ? INT32_MIN : 0, highest = dtype == DType::int32 ? INT32_MAX : UINT8_MAX;
    low = whole(std::ceil(low), lowest, highest);
    high = whole(std::floor(high), lowest, highest);
  }
  const Runs runs{unary<clip_of, float>, unary<clip_of, double>, unary<clip_of, int32_t>, unary<clip_of, uint8_t>};
  return pointwise(call, runs, cheap_grain, {low, high});
}

}  // namespace weft::cpu::WEFT_ISA
