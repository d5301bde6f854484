// Arithmetic of one and of two operands. functors.h says how to read a line.
#pragma once
#include "functors.h"

#define WEFT_ARITHMETIC_UNARY(X) \
  X(wrapping, neg, -x)           \
  X(wrapping, square, x* x)      \
  X(number, abs, abs(x))         \
  X(number, sign, select(x > T(0), T(1), select(x < T(0), T(-1), x)))

/** minimum and maximum are NaN where either operand is. */
#define WEFT_ARITHMETIC_BINARY(X)                      \
  X(wrapping, add, x + y)                              \
  X(wrapping, sub, x - y)                              \
  X(wrapping, mul, x* y)                               \
  X(wrapping, squaredDifference, (x - y) * (x - y))    \
  X(number, minimum, select((x < y) | (x != x), x, y)) \
  X(number, maximum, select((x > y) | (x != x), x, y)) \
  X(number, mod, floor_mod(x, y))                      \
  X(number, floorDiv, floor_div(x, y))                 \
  X(function, div, x / y)                              \
  X(function, pow, pow(x, y))                          \
  X(function, atan2, atan2(x, y))

/** With two attributes, and the slope. */
#define WEFT_ARITHMETIC_SLOPED_2(X) X(number, clip, min, max, clamp(x, min, max), select((x < min) | (x > max) | (x != x), T(0), g))
