// The pointwise operations, one line each, for all backends. A backend defines the functions used here (select, exp, erf, ...)
// for the types T it computes in, and makes kernels of the lines through the X macros. In an expression x and y are the inputs in
// the order of docs/operations.md, of type T; alpha, low and high are attributes, of type T. T(c) is a constant in T.
// No functions are defined here, so that every instruction set has its own.
#pragma once

/** Numbers to the same type. Integers wrap: backends compute these in the unsigned type. */
#define WEFT_UNARY_WRAPPING(X) \
  X(neg, -x)                   \
  X(square, x* x)

/** Numbers to the same type. NaN passes through. */
#define WEFT_UNARY_NUMBER(X)                                  \
  X(abs, abs(x))                                              \
  X(sign, select(x > T(0), T(1), select(x < T(0), T(-1), x))) \
  X(relu, select(x < T(0), T(0), x))                          \
  X(floor, floor(x))                                          \
  X(ceil, ceil(x))                                            \
  X(round, round(x))

/** Floats to the same type, one or two instructions per element. */
#define WEFT_UNARY_FLOAT(X)        \
  X(sqrt, sqrt(x))                 \
  X(rsqrt, T(1) / sqrt(x))         \
  X(reciprocal, T(1) / x)          \
  X(softsign, x / (T(1) + abs(x))) \
  X(hardSigmoid, clamp(x* T(1.0 / 6) + T(0.5), T(0), T(1)))

/** Floats to the same type, tens of instructions per element. */
#define WEFT_UNARY_FUNCTION(X)                                                                    \
  X(exp, exp(x))                                                                                  \
  X(expm1, expm1(x))                                                                              \
  X(log, log(x))                                                                                  \
  X(log1p, log1p(x))                                                                              \
  X(sin, sin(x))                                                                                  \
  X(cos, cos(x))                                                                                  \
  X(tan, tan(x))                                                                                  \
  X(tanh, tanh(x))                                                                                \
  X(sigmoid, sigmoid(x))                                                                          \
  X(softplus, softplus(x))                                                                        \
  X(erf, erf(x))                                                                                  \
  X(gelu, T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752))))                                  \
  X(geluTanh, T(0.5) * x * (T(1) + tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x)))) \
  X(silu, x* sigmoid(x))                                                                          \
  X(selu, T(1.0507009873554805) * select(x > T(0), x, T(1.6732632423543772) * expm1(x)))          \
  X(mish, x* tanh(softplus(x)))

/** Floats to the same type, with the attribute alpha. */
#define WEFT_UNARY_ALPHA(X)                     \
  X(elu, select(x > T(0), x, alpha * expm1(x))) \
  X(leakyRelu, select(x > T(0), x, alpha * x))

/** Floats to bool. */
#define WEFT_UNARY_TEST(X) \
  X(isNaN, x != x)         \
  X(isFinite, x - x == T(0))

/** Two numbers of one type to that type. Integers wrap: backends compute these in the unsigned type. */
#define WEFT_BINARY_WRAPPING(X) \
  X(add, x + y)                 \
  X(sub, x - y)                 \
  X(mul, x* y)                  \
  X(squaredDifference, (x - y) * (x - y))

/** Two numbers of one type to that type. minimum and maximum are NaN where either input is. */
#define WEFT_BINARY_NUMBER(X)                  \
  X(minimum, select((x < y) | (x != x), x, y)) \
  X(maximum, select((x > y) | (x != x), x, y)) \
  X(mod, floor_mod(x, y))                      \
  X(floorDiv, floor_div(x, y))

/** Two floats to the same type. */
#define WEFT_BINARY_FLOAT(X) \
  X(div, x / y)              \
  X(pow, pow(x, y))          \
  X(atan2, atan2(x, y))

/** Two numbers or bools of one type to bool. */
#define WEFT_BINARY_COMPARE(X) \
  X(equal, x == y)             \
  X(notEqual, x != y)          \
  X(less, x < y)               \
  X(lessEqual, x <= y)         \
  X(greater, x > y)            \
  X(greaterEqual, x >= y)

/** bool, bool to bool. */
#define WEFT_BINARY_LOGIC(X) \
  X(logicalAnd, x& y)        \
  X(logicalOr, x | y)        \
  X(logicalXor, x ^ y)

/** Gradients (g, y): x is the gradient of the output, y the output. */
#define WEFT_GRADIENT_FROM_OUTPUT(X)     \
  X(reluGrad, select(y > T(0), x, T(0))) \
  X(sigmoidGrad, x* y*(T(1) - y))        \
  X(tanhGrad, x*(T(1) - y * y))

/** Gradients (g, x): x is the gradient of the output, y the input. */
#define WEFT_GRADIENT_FROM_INPUT(X)                                                                                      \
  X(softplusGrad, x* sigmoid(y))                                                                                         \
  X(softsignGrad, x / ((T(1) + abs(y)) * (T(1) + abs(y))))                                                               \
  X(geluGrad, x*(T(0.5) * (T(1) + erf(y * T(0.70710678118654752))) + y * T(0.39894228040143268) * exp(T(-0.5) * y * y))) \
  X(geluTanhGrad, x* gelu_tanh_slope(y, tanh(T(0.79788456080286536) * (y + T(0.044715) * y * y * y))))                   \
  X(siluGrad, x* silu_slope(y, sigmoid(y)))                                                                              \
  X(seluGrad, x* T(1.0507009873554805) * select(y > T(0), T(1), T(1.6732632423543772) * exp(y)))                         \
  X(mishGrad, x* mish_slope(y, sigmoid(y), tanh(softplus(y))))                                                           \
  X(hardSigmoidGrad, select((y > T(-3)) & (y < T(3)), x * T(1.0 / 6), T(0)))

/** Gradients (g, x) with the attribute alpha. */
#define WEFT_GRADIENT_ALPHA(X)                        \
  X(eluGrad, select(y > T(0), x, x * alpha * exp(y))) \
  X(leakyReluGrad, select(y > T(0), x, x * alpha))
