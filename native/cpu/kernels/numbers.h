// The types that pointwise expressions are computed in, and the functions that the expressions use. The types are
// Lanes, which is a vector of floats, double, and the integers.
#pragma once
#include <cmath>
#include <limits>

#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** A vector of floats that an expression treats as one number. */
struct Lanes {
  Vec v;
  WEFT_INLINE explicit Lanes(Vec vector) : v(vector) {}
  WEFT_INLINE explicit Lanes(double constant) : v(broadcast(float(constant))) {}
};
/** The result of a comparison of Lanes. */
struct LaneMask {
  Mask m;
};

WEFT_INLINE Lanes operator+(Lanes a, Lanes b) { return Lanes(a.v + b.v); }
WEFT_INLINE Lanes operator-(Lanes a, Lanes b) { return Lanes(a.v - b.v); }
WEFT_INLINE Lanes operator*(Lanes a, Lanes b) { return Lanes(a.v * b.v); }
WEFT_INLINE Lanes operator/(Lanes a, Lanes b) { return Lanes(a.v / b.v); }
WEFT_INLINE Lanes operator-(Lanes a) { return Lanes(negate(a.v)); }
WEFT_INLINE LaneMask operator<(Lanes a, Lanes b) { return {greater(b.v, a.v)}; }
WEFT_INLINE LaneMask operator>(Lanes a, Lanes b) { return {greater(a.v, b.v)}; }
WEFT_INLINE LaneMask operator==(Lanes a, Lanes b) { return {equal(a.v, b.v)}; }
WEFT_INLINE LaneMask operator<=(Lanes a, Lanes b) { return {Mask(greater(b.v, a.v) | equal(a.v, b.v))}; }
WEFT_INLINE LaneMask operator>=(Lanes a, Lanes b) { return {Mask(greater(a.v, b.v) | equal(a.v, b.v))}; }
WEFT_INLINE LaneMask operator!=(Lanes a, Lanes b) { return {Mask(~equal(a.v, b.v))}; }
WEFT_INLINE LaneMask operator|(LaneMask a, LaneMask b) { return {Mask(a.m | b.m)}; }
WEFT_INLINE LaneMask operator&(LaneMask a, LaneMask b) { return {Mask(a.m & b.m)}; }

WEFT_INLINE Lanes select(LaneMask m, Lanes a, Lanes b) { return Lanes(select(m.m, a.v, b.v)); }
WEFT_INLINE Lanes abs(Lanes x) { return Lanes(abs(x.v)); }
WEFT_INLINE Lanes sqrt(Lanes x) { return Lanes(sqrt(x.v)); }
WEFT_INLINE Lanes floor(Lanes x) { return Lanes(floor(x.v)); }
WEFT_INLINE Lanes ceil(Lanes x) { return Lanes(negate(floor(negate(x.v)))); }
WEFT_INLINE Lanes round(Lanes x) { return Lanes(round(x.v)); }
WEFT_INLINE Lanes exp(Lanes x) { return Lanes(exp(x.v)); }
WEFT_INLINE Lanes log(Lanes x) { return Lanes(log(x.v)); }
WEFT_INLINE Lanes tanh(Lanes x) { return Lanes(tanh(x.v)); }
WEFT_INLINE Lanes sigmoid(Lanes x) { return Lanes(sigmoid(x.v)); }
WEFT_INLINE Lanes erf(Lanes x) { return Lanes(erf(x.v)); }

/** e^x - 1. With x = n ln 2 + r it is 2^n (e^r - 1) + (2^n - 1). */
WEFT_INLINE Lanes expm1(Lanes a) {
  const Vec x = min(broadcast(88.0f), max(broadcast(-30.0f), a.v));  // with the operands in this order NaN stays NaN
  const Vec n = round(x * 1.44269504f);
  const Vec r = fma(n, broadcast(2.12194440e-4f), fma(n, broadcast(-0.693359375f), x));
  const Vec q = polynomial(r, 1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f);
  const Vec power = scale(broadcast(1.0f), n);
  const Vec y = fma(power, fma(q, r * r, r), power - 1.0f);
  return Lanes(select(greater(a.v, broadcast(88.0f)), exp(a.v), select(equal(a.v, zero()), a.v, y)));
}

/** log(1 + x). It is log(u) for u = 1 + x, plus a correction for what the rounding of u lost. */
WEFT_INLINE Lanes log1p(Lanes a) {
  const Vec x = a.v, u = x + 1.0f;
  const Vec lost = select(greater(x, broadcast(1.0f)), broadcast(1.0f) - (u - x), x - (u - 1.0f));
  const Vec y = log(u) + lost / u;
  const Mask as_is = equal(u, broadcast(1.0f)) | equal(x, broadcast(__builtin_inff()));
  return Lanes(select(as_is, x, select(equal(u, zero()), log(u), y)));
}

/** log(1 + e^x). Large x does not overflow. */
WEFT_INLINE Lanes softplus(Lanes x) { return Lanes(max(zero(), x.v)) + log1p(exp(-abs(x))); }

/** Calls a scalar function for each lane. */
template <class F> WEFT_INLINE Lanes each_lane(F&& f, Lanes x) {
  float a[width];
  store(a, x.v);
  for (int i = 0; i < width; i++) a[i] = f(a[i]);
  return Lanes(load(a));
}
template <class F> WEFT_INLINE Lanes each_lane(F&& f, Lanes x, Lanes y) {
  float a[width], b[width];
  store(a, x.v);
  store(b, y.v);
  for (int i = 0; i < width; i++) a[i] = f(a[i], b[i]);
  return Lanes(load(a));
}

/** The remainder as in Python: it has the sign of the divisor. */
template <class T> T floor_mod_of_floats(T x, T y) {
  const T r = std::fmod(x, y);
  if (y == 0 || r != r) return std::numeric_limits<T>::quiet_NaN();
  if (r == 0) return std::copysign(T(0), y);
  return (r < 0) != (y < 0) ? r + y : r;
}
/** The floor of x / y, taken from the remainder, so that it is as exact. */
template <class T> T floor_div_of_floats(T x, T y) {
  if (y == 0) return x / y;
  const T r = std::fmod(x, y);
  T quotient = (x - r) / y;
  if (r != 0 && (r < 0) != (y < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(T(0), x / y);
  const T down = std::floor(quotient);
  return quotient - down > T(0.5) ? down + 1 : down;
}
WEFT_INLINE Lanes floor_mod(Lanes x, Lanes y) {
  return each_lane([](float a, float b) { return floor_mod_of_floats(a, b); }, x, y);
}
WEFT_INLINE Lanes floor_div(Lanes x, Lanes y) {
  return each_lane([](float a, float b) { return floor_div_of_floats(a, b); }, x, y);
}
WEFT_INLINE double floor_mod(double x, double y) { return floor_mod_of_floats(x, y); }
WEFT_INLINE double floor_div(double x, double y) { return floor_div_of_floats(x, y); }
WEFT_INLINE int32_t floor_mod(int32_t x, int32_t y) {
  if (y == 0 || y == -1) return 0;
  const int32_t r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
WEFT_INLINE int32_t floor_div(int32_t x, int32_t y) {
  if (y == 0) return 0;
  if (y == -1) return int32_t(0u - uint32_t(x));
  const int32_t r = x % y;
  return x / y - (r != 0 && (r < 0) != (y < 0));
}
WEFT_INLINE uint8_t floor_mod(uint8_t x, uint8_t y) { return y == 0 ? uint8_t(0) : uint8_t(x % y); }
WEFT_INLINE uint8_t floor_div(uint8_t x, uint8_t y) { return y == 0 ? uint8_t(0) : uint8_t(x / y); }

WEFT_INLINE Lanes atan2(Lanes x, Lanes y) {
  return each_lane([](float a, float b) { return std::atan2(a, b); }, x, y);
}

template <class T> WEFT_INLINE T select(bool m, T a, T b) { return m ? a : b; }
WEFT_INLINE int32_t abs(int32_t x) { return x < 0 ? int32_t(0u - uint32_t(x)) : x; }
WEFT_INLINE uint8_t abs(uint8_t x) { return x; }
WEFT_INLINE int32_t floor(int32_t x) { return x; }
WEFT_INLINE uint8_t floor(uint8_t x) { return x; }
WEFT_INLINE int32_t ceil(int32_t x) { return x; }
WEFT_INLINE uint8_t ceil(uint8_t x) { return x; }
WEFT_INLINE int32_t round(int32_t x) { return x; }
WEFT_INLINE uint8_t round(uint8_t x) { return x; }
WEFT_INLINE double abs(double x) { return std::fabs(x); }
WEFT_INLINE double sqrt(double x) { return std::sqrt(x); }
WEFT_INLINE double floor(double x) { return std::floor(x); }
WEFT_INLINE double ceil(double x) { return std::ceil(x); }
WEFT_INLINE double round(double x) { return std::nearbyint(x); }
WEFT_INLINE double exp(double x) { return std::exp(x); }
WEFT_INLINE double expm1(double x) { return std::expm1(x); }
WEFT_INLINE double log(double x) { return std::log(x); }
WEFT_INLINE double log1p(double x) { return std::log1p(x); }
WEFT_INLINE double sin(double x) { return std::sin(x); }
WEFT_INLINE double cos(double x) { return std::cos(x); }
WEFT_INLINE double tan(double x) { return std::tan(x); }
WEFT_INLINE double tanh(double x) { return std::tanh(x); }
WEFT_INLINE double erf(double x) { return std::erf(x); }
WEFT_INLINE double pow(double x, double y) { return std::pow(x, y); }
WEFT_INLINE double atan2(double x, double y) { return std::atan2(x, y); }
WEFT_INLINE double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
WEFT_INLINE double softplus(double x) { return (x < 0 ? 0 : x) + std::log1p(std::exp(-std::fabs(x))); }

/** x between low and high, as numpy.clip has it: where low > high, the result is high. NaN stays NaN. */
template <class T> WEFT_INLINE T clamp(T x, T low, T high) {
  const T y = select(x < low, low, x);
  return select(y > high, high, y);
}

/**
 * The derivatives of geluTanh, silu and mish at y. The other parameters are the values of the functions inside them.
 */
template <class T> WEFT_INLINE T gelu_tanh_slope(T y, T t) {
  return T(0.5) * (T(1) + t) + T(0.5) * y * (T(1) - t * t) * T(0.79788456080286536) * (T(1) + T(0.134145) * y * y);
}
template <class T> WEFT_INLINE T silu_slope(T y, T s) { return s * (T(1) + y * (T(1) - s)); }
template <class T> WEFT_INLINE T mish_slope(T y, T s, T t) { return t + y * s * (T(1) - t * t); }

}  // namespace weft::cpu::WEFT_ISA
