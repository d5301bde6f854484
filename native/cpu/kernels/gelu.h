// gelu and its derivative for vectors of floats: the normal distribution function and its density share one exponential.
#pragma once
#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/** Φ(x), the share of the normal distribution below x, and exp(-x²/2). */
struct Bell {
  Vec below, height;
  WEFT_INLINE explicit Bell(Vec x) {
    const Vec size = min(broadcast(40.0f), abs(x));  // in this order NaN passes
    height = exp(size * size * -0.5f);
    // Φ(-t) = exp(-t²/2)·u·p(u) with u = 1 / (1 + 0.45 t/√2), the form of Hastings 1955; absolute error 9e-10
    const Vec u = reciprocal(fma(size, broadcast(0.318198052f), broadcast(1.0f)));
    const Vec p = polynomial(u, 0.045859545f, -0.24501063f, 0.42452665f, -0.18362977f, 0.22757305f, 0.10128706f, 0.129394085f);
    const Vec tail = p * u * height;
    below = select(less(x, zero()), tail, broadcast(1.0f) - tail);
  }
};

struct FloatGelu {
  static WEFT_INLINE Lanes at(Lanes x, Lanes, Lanes) { return Lanes(x.v * Bell(x.v).below); }
};
/** (g, x) */
struct FloatGeluGrad {
  static WEFT_INLINE Lanes at(Lanes g, Lanes x, Lanes, Lanes) {
    const Bell bell(x.v);
    return Lanes(g.v * fma(x.v * 0.39894228f, bell.height, bell.below));
  }
};

/** How a functor is computed in float32. */
template <class F> struct InFloat { using Type = F; };

}  // namespace weft::cpu::WEFT_ISA
