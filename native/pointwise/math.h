// Elementary functions, rounding and tests of one operand. functors.h says how to read a line.
#pragma once
#include "functors.h"

#define WEFT_MATH(X)              \
  X(number, floor, floor(x))      \
  X(number, ceil, ceil(x))        \
  X(number, round, round(x))      \
  X(float, sqrt, sqrt(x))         \
  X(float, rsqrt, T(1) / sqrt(x)) \
  X(float, reciprocal, T(1) / x)  \
  X(function, exp, exp(x))        \
  X(function, expm1, expm1(x))    \
  X(function, log, log(x))        \
  X(function, log1p, log1p(x))    \
  X(function, sin, sin(x))        \
  X(function, cos, cos(x))        \
  X(function, tan, tan(x))        \
  X(function, erf, erf(x))        \
  X(test, isNaN, x != x)          \
  X(test, isFinite, x - x == T(0))
