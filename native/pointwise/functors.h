// A pointwise operation is a line in a file of this folder, and the line serves all backends. This file makes functors
// of the lines. In an expression, x and y are the operands in the order of docs/operations.md. Their type is T, the
// type that is computed in. An attribute has the name that TypeScript gives it. T(c) is a constant in T. In the slope
// of an operation, g is the gradient of its result. There x and y both name the other operand, which is the input or
// the result, whichever lib/ops hands on. A backend defines WEFT_INLINE, and for its types T the functions that
// expressions use (select, exp, erf, ...). The first word of a line says which dtypes it serves:
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
