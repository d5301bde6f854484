// Comparisons and bool logic of two operands. functors.h says how to read a line.
#pragma once
#include "functors.h"

#define WEFT_COMPARE(X)         \
  X(compare, equal, x == y)     \
  X(compare, notEqual, x != y)  \
  X(compare, less, x < y)       \
  X(compare, lessEqual, x <= y) \
  X(compare, greater, x > y)    \
  X(compare, greaterEqual, x >= y)

#define WEFT_LOGIC(X)        \
  X(logic, logicalAnd, x& y) \
  X(logic, logicalOr, x | y) \
  X(logic, logicalXor, x ^ y)
