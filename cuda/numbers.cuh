// The functions that the expressions of native/pointwise/ use, for the types kernels compute in: float, int32, uint32
// and uint8.
#pragma once
#include "vocabulary.cuh"

namespace weft::cuda {

template <class T> __device__ __forceinline__ T select(bool condition, T a, T b) { return condition ? a : b; }

__device__ __forceinline__ float abs(float x) { return fabsf(x); }
__device__ __forceinline__ float sqrt(float x) { return sqrtf(x); }
__device__ __forceinline__ float floor(float x) { return floorf(x); }
__device__ __forceinline__ float ceil(float x) { return ceilf(x); }
__device__ __forceinline__ float round(float x) { return rintf(x); }
__device__ __forceinline__ float exp(float x) { return expf(x); }
__device__ __forceinline__ float expm1(float x) { return expm1f(x); }
__device__ __forceinline__ float log(float x) { return logf(x); }
__device__ __forceinline__ float log1p(float x) { return log1pf(x); }
__device__ __forceinline__ float sin(float x) { return sinf(x); }
__device__ __forceinline__ float cos(float x) { return cosf(x); }
__device__ __forceinline__ float tan(float x) { return tanf(x); }
__device__ __forceinline__ float tanh(float x) { return tanhf(x); }
__device__ __forceinline__ float erf(float x) { return erff(x); }
__device__ __forceinline__ float pow(float x, float y) { return powf(x, y); }
__device__ __forceinline__ float atan2(float x, float y) { return atan2f(x, y); }
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
/** log(1 + e^x), without overflow; NaN passes through. */
__device__ __forceinline__ float softplus(float x) { return (x < 0.0f ? 0.0f : x) + log1pf(expf(-fabsf(x))); }

__device__ __forceinline__ int32_t abs(int32_t x) { return x < 0 ? int32_t(0u - uint32_t(x)) : x; }
__device__ __forceinline__ uint8_t abs(uint8_t x) { return x; }
__device__ __forceinline__ int32_t floor(int32_t x) { return x; }
__device__ __forceinline__ uint8_t floor(uint8_t x) { return x; }
__device__ __forceinline__ int32_t ceil(int32_t x) { return x; }
__device__ __forceinline__ uint8_t ceil(uint8_t x) { return x; }
__device__ __forceinline__ int32_t round(int32_t x) { return x; }
__device__ __forceinline__ uint8_t round(uint8_t x) { return x; }

/** Python's remainder: the sign of the divisor. */
__device__ inline float floor_mod(float x, float y) {
  const float r = fmodf(x, y);
  if (y == 0.0f || r != r) return nanf("");
  if (r == 0.0f) return copysignf(0.0f, y);
  return (r < 0.0f) != (y < 0.0f) ? r + y : r;
}
/** The floor of x / y, as exact as the remainder. */
__device__ inline float floor_div(float x, float y) {
  if (y == 0.0f) return x / y;
  const float r = fmodf(x, y);
  float quotient = (x - r) / y;
  if (r != 0.0f && (r < 0.0f) != (y < 0.0f)) quotient -= 1.0f;
  if (quotient == 0.0f) return copysignf(0.0f, x / y);
  const float down = floorf(quotient);
  return quotient - down > 0.5f ? down + 1.0f : down;
}
/** Division by 0 gives 0. */
__device__ __forceinline__ int32_t floor_mod(int32_t x, int32_t y) {
  if (y == 0 || y == -1) return 0;
  const int32_t r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
__device__ __forceinline__ int32_t floor_div(int32_t x, int32_t y) {
  if (y == 0) return 0;
  if (y == -1) return int32_t(0u - uint32_t(x));
  const int32_t r = x % y;
  return x / y - (r != 0 && (r < 0) != (y < 0));
}
__device__ __forceinline__ uint8_t floor_mod(uint8_t x, uint8_t y) { return y == 0 ? uint8_t(0) : uint8_t(x % y); }
__device__ __forceinline__ uint8_t floor_div(uint8_t x, uint8_t y) { return y == 0 ? uint8_t(0) : uint8_t(x / y); }

/** Numpy's clip: where low > high, high. NaN passes through. */
template <class T> __device__ __forceinline__ T clamp(T x, T low, T high) {
  const T y = select(x < low, low, x);
  return select(y > high, high, y);
}

/**
 * x·Φ(x), with the normal distribution's Φ, and its derivative. What meets a factor of 0 far from 0 is no infinity:
 * their product would be NaN.
 */
__device__ __forceinline__ float gelu(float x) { return 0.5f * select(x < -40.0f, -40.0f, x) * (1.0f + erf(x * 0.70710678118654752f)); }
__device__ __forceinline__ float gelu_slope(float x) {
  return 0.5f * (1.0f + erf(x * 0.70710678118654752f)) + clamp(x, -40.0f, 40.0f) * 0.39894228040143268f * exp(-0.5f * x * x);
}

/** The derivatives of geluTanh, silu and mish at y, from the values of the functions inside them. */
template <class T> __device__ __forceinline__ T gelu_tanh_slope(T y, T t) {
  return T(0.5) * (T(1) + t) + T(0.5) * y * (T(1) - t * t) * T(0.79788456080286536) * (T(1) + T(0.134145) * y * y);
}
template <class T> __device__ __forceinline__ T silu_slope(T y, T s) { return s * (T(1) + y * (T(1) - s)); }
template <class T> __device__ __forceinline__ T mish_slope(T y, T s, T t) { return t + y * s * (T(1) - t * t); }

}  // namespace weft::cuda
