// gelu and its derivative for vectors of floats: the normal distribution function and its density share one
// exponential.
#pragma once
#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/** Φ(x), the share of the normal distribution below x, and exp(-x²/2). */
struct Bell {
  Vec below, height;
  WEFT_INLINE explicit Bell(Vec x) {
    const Vec size = min(broadcast(40.0f), abs(x));  // in this order NaN passes
    height = exp_below_88(size * size * -0.5f);
    // Φ(-t) = exp(-t²/2)·u·p(u) with u = 1 / (1 + 0.45 t/√2), the form of Hastings 1955; absolute error 9e-10
    const Vec u = reciprocal(fma(size, broadcast(0.318198052f), broadcast(1.0f)));
    const Vec p = polynomial(u, 0.045859545f, -0.24501063f, 0.42452665f, -0.18362977f, 0.22757305f, 0.10128706f, 0.129394085f);
    const Vec tail = p * u * height;
    below = select(less(x, zero()), tail, broadcast(1.0f) - tail);
  }
};

/** x·Φ(x) and its derivative. */
WEFT_INLINE Lanes gelu(Lanes x) { return Lanes(x.v * Bell(x.v).below); }
WEFT_INLINE Lanes gelu_slope(Lanes x) {
  const Bell bell(x.v);
  return Lanes(fma(x.v * 0.39894228f, bell.height, bell.below));
}
WEFT_INLINE double gelu(double x) { return 0.5 * x * (1 + erf(x * 0.70710678118654752)); }
WEFT_INLINE double gelu_slope(double x) { return 0.5 * (1 + erf(x * 0.70710678118654752)) + x * 0.39894228040143268 * exp(-0.5 * x * x); }

}  // namespace weft::cpu::WEFT_ISA
