// Activations, each with its slope. There is one list for each number of attributes. functors.h says how to read a
// line.
#pragma once
#include "functors.h"

#define WEFT_ACTIVATION(X)                                                                                  \
  X(number, relu, select(x < T(0), T(0), x), select(y > T(0), g, T(0)))                                     \
  X(function, sigmoid, sigmoid(x), g* y*(T(1) - y))                                                         \
  X(function, tanh, tanh(x), g*(T(1) - y * y))                                                              \
  X(function, softplus, softplus(x), g* sigmoid(x))                                                         \
  X(float, softsign, x / (T(1) + abs(x)), g / ((T(1) + abs(x)) * (T(1) + abs(x))))                          \
  X(function, gelu, gelu(x), g* gelu_slope(x))                                                              \
  X(function, geluTanh, T(0.5) * x * (T(1) + tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x))), \
    g * gelu_tanh_slope(x, tanh(T(0.79788456080286536) * (x + T(0.044715) * x * x * x))))                   \
  X(function, silu, x* sigmoid(x), g* silu_slope(x, sigmoid(x)))                                            \
  X(function, selu, T(1.0507009873554805) * select(x > T(0), x, T(1.6732632423543772) * expm1(x)),          \
    g * T(1.0507009873554805) * select(x > T(0), T(1), T(1.6732632423543772) * exp(x)))                     \
  X(function, mish, x* tanh(softplus(x)), g* mish_slope(x, sigmoid(x), tanh(softplus(x))))                  \
  X(float, hardSigmoid, clamp(x* T(1.0 / 6) + T(0.5), T(0), T(1)), select((x > T(-3)) & (x < T(3)), g * T(1.0 / 6), T(0)))

/** With one attribute. */
#define WEFT_ACTIVATION_1(X)                                                                              \
  X(function, elu, alpha, select(x > T(0), x, alpha * expm1(x)), select(x > T(0), g, g * alpha * exp(x))) \
  X(function, leakyRelu, alpha, select(x > T(0), x, alpha * x), select(x > T(0), g, g * alpha))           \
  X(float, hardShrink, lambda, select(abs(x) <= lambda, T(0), x), select(abs(x) <= lambda, T(0), g))
