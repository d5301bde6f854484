// gelu and its derivative for vectors of floats: the normal distribution function and its density share one
// exponential.
#pragma once
#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/** Parts of Φ(-t) = height·share, the share of the normal distribution below -t, for t = |x|. */
struct Bell {
  Vec size, height, share;  // t, exp(-t²/2), u·p(u)
  WEFT_INLINE explicit Bell(Vec x) {
    size = min(broadcast(13.28f), abs(x));  // in this order NaN passes; there the height is 0
    // exp(-s/2) = 2^n exp(-r/2). ln 2 need not be exact: the rounding of s counts for more. exp_below_88() explains n
    constexpr float shift = 12582912.0f + 127;
    const Vec s = size * size, shifted = fma(s, broadcast(-0.72134752f), broadcast(shift)), n = shifted - shift;
    const Vec r = fma(n, broadcast(1.38629436f), s);
    const Vec e = polynomial(r, 2.17978122e-5f, -2.61529814e-4f, 0.00260413788f, -0.0208331478f, 0.125f, -0.5f, 1.0f);
    height = e * float_of(bits_of(shifted) << 23);
    // u = 1 / (1 + 0.45 t/√2), the form of Hastings 1955; absolute error of Φ 1e-8
    const Vec u = reciprocal(fma(size, broadcast(0.318198052f), broadcast(1.0f)));
    share = u * polynomial(u, 0.045859545f, -0.24501063f, 0.42452665f, -0.18362977f, 0.22757305f, 0.10128706f, 0.129394085f);
  }
};

/**
 * x·Φ(x) = max(0, x) - t·Φ(-t). Its derivative is 1 + (t·φ(t) - Φ(-t)) from 0 on, and below 0 the bracket with the
 * other sign.
 */
WEFT_INLINE Lanes gelu(Lanes x) {
  const Bell bell(x.v);
  return Lanes(max(zero(), x.v) - bell.share * bell.height * bell.size);
}
WEFT_INLINE Lanes gelu_slope(Lanes x) {
  const Bell bell(x.v);
  const Vec bracket = fma(bell.size, broadcast(0.39894228f), negate(bell.share));
  const IVec sign = bits_of(x.v) & broadcast_integer(INT32_MIN), above = ~(bits_of(x.v) >> 31) & bits_of(broadcast(1.0f));
  return Lanes(fma(float_of(bits_of(bracket) ^ sign), bell.height, float_of(above)));
}
/** What meets a factor of 0 far from 0 is no infinity: their product would be NaN. */
WEFT_INLINE double gelu(double x) { return 0.5 * select(x < -40, -40.0, x) * (1 + erf(x * 0.70710678118654752)); }
WEFT_INLINE double gelu_slope(double x) {
  return 0.5 * (1 + erf(x * 0.70710678118654752)) + clamp(x, -40.0, 40.0) * 0.39894228040143268 * exp(-0.5 * x * x);
}

}  // namespace weft::cpu::WEFT_ISA
