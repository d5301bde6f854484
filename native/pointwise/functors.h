// Pointwise operations are lines in the files of this folder, one per operation, for all backends. This file makes
// functors of the lines. In an expression x and y are the operands in the order of docs/operations.md, of the type T
// that is computed in; an attribute has the name that the TypeScript side gives it. In the slope of an operation g is
// the gradient of its result, and x and y both name the other operand: the input or the result, whichever lib/ops
// hands on. T(c) is a constant in T. A backend defines WEFT_INLINE, and the functions used here (select, exp, erf, ...)
// for its types T. A line's first word says which dtypes it serves:
//   wrapping  numbers; integers wrap, for they are computed in the unsigned type
//   number    numbers
//   float     floats, one or two instructions per element
//   function  floats, tens of instructions per element
//   test      floats to bool
//   compare   numbers or bools to bool
//   logic     bools
#pragma once

/** The functor of a line with one operand and up to two attributes. */
#define WEFT_UNARY(name, first, second, expression)                                                                                \
  struct name##_of {                                                                                                               \
    template <class T> static WEFT_INLINE auto at(T x, [[maybe_unused]] T first, [[maybe_unused]] T second) { return expression; } \
  };

/** The functor of a slope: (g, input or result) to the gradient of the input. */
#define WEFT_SLOPE(name, first, second, expression)                                                                \
  struct name##Grad_of {                                                                                           \
    template <class T> static WEFT_INLINE auto at(T g, T x, [[maybe_unused]] T first, [[maybe_unused]] T second) { \
      [[maybe_unused]] const T y = x;                                                                              \
      return expression;                                                                                           \
    }                                                                                                              \
  };

/** The functor of a line with two operands. */
#define WEFT_BINARY(name, expression)                                                    \
  struct name##_of {                                                                     \
    template <class T> static WEFT_INLINE auto at(T x, T y, T, T) { return expression; } \
  };
