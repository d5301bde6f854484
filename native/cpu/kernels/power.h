// pow of float lanes: 2^(y·log2 x) in double precision. Zero, negative and infinite operands and NaN are rare. The C
// library takes care of them.
#pragma once
#include <bit>
#include <cmath>

#include "numbers.h"

namespace weft::cpu::WEFT_ISA {

/** x^y for finite normal x > 0 and finite y. Before it is rounded to float, its relative error is below 1e-11. */
WEFT_INLINE float positive_power(float x, float y) {
  const uint32_t shifted = std::bit_cast<uint32_t>(x) - 0x3f3504f3u;
  const double exponent = double(int32_t(shifted) >> 23);
  const double m = std::bit_cast<float>((shifted & 0x7fffffu) + 0x3f3504f3u);  // x = m · 2^exponent, m in [√½, √2)
  const double f = (m - 1) / (m + 1), s = f * f;                               // log m = 2 artanh f, f² ≤ 0.0295
  const double series = 1.0 + s * (1.0 / 3 + s * (1.0 / 5 + s * (1.0 / 7 + s * (1.0 / 9 + s * (1.0 / 11 + s * (1.0 / 13))))));
  double power = y * (exponent + 2.8853900817779268 * f * series);
  power = power > 1000 ? 1000 : power < -1000 ? -1000 : power;
  const double shift = 6755399441055744.0;  // 1.5 · 2^52: adding it rounds to an integer, which the low bits hold
  const double whole = power + shift, n = whole - shift, r = (power - n) * 0.69314718055994531;  // |r| ≤ 0.35
  const double e =
      1 +
      r * (1 + r * (1.0 / 2 +
                    r * (1.0 / 6 +
                         r * (1.0 / 24 + r * (1.0 / 120 + r * (1.0 / 720 + r * (1.0 / 5040 + r * (1.0 / 40320 + r * (1.0 / 362880)))))))));
  // times 2^n: the low bits of `whole` hold n
  return float(e * std::bit_cast<double>((std::bit_cast<int64_t>(whole) + 1023) << 52));
}

WEFT_INLINE Lanes pow(Lanes x, Lanes y) {
  float a[width], b[width];
  store(a, x.v);
  store(b, y.v);
  bool common = true;
  for (int i = 0; i < width; i++) common &= (a[i] >= 1.17549435e-38f) & (a[i] < __builtin_inff()) & (b[i] - b[i] == 0);
  if (common) return each_lane([](float base, float exponent) { return positive_power(base, exponent); }, x, y);
  return each_lane([](float base, float exponent) { return std::pow(base, exponent); }, x, y);
}

}  // namespace weft::cpu::WEFT_ISA
