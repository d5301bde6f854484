// What convolution, relu and max pooling in one pass share: the geometry, and the operands of the gradient.
#pragma once
#include "conv_shape.h"

namespace weft::cpu::WEFT_ISA {

struct PooledConv {
  ConvShape conv;  // cut to the part of the output that windows cover
  int64_t pool_h, pool_w, ph, pw;

  int64_t pooled_row() const { return pw * conv.o; }
  int64_t conv_row() const { return conv.ow * conv.o; }
  int64_t places() const { return pool_h * pool_w; }
};

inline PooledConv pooled_conv(Call& call, const Dims& x, const Dims& kernel, int64_t ph, int64_t pw) {
  const Dims pool = call.attrs.integers("poolSize");
  return {conv_shape(call, x, kernel, ph * pool[0], pw * pool[1]), pool[0], pool[1], ph, pw};
}

/** The gradient's operands, and its results: dx, dk and db, each null where nobody reads it. */
template <class T> struct PooledConvOperands {
  const T *x, *kernel, *pooled;
  const uint8_t* index;
  const T* g;
  T *dx, *dk, *db;
};

}  // namespace weft::cpu::WEFT_ISA
