// Products whose float32 operands are rounded to bfloat16, where the precision of a program asks for that and the
// processor has instructions for it.
#pragma once
#include "chunks.h"
#include "cpu/features.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Whether the operands of a call are rounded. Operands that are 16-bit floats are not: they are exact as they are, and
 * widened.cc asks for float32.
 */
inline bool rounds_operands(const Call& call) { return call.precision == Precision::bfloat16 && multiplies_bfloat16(); }

/** Products c[i] = activation(a[i] * b[i] + bias), each [m, k] * [k, n], of operands rounded to bfloat16. */
struct RoundedProducts {
  View a, b, c, bias;               // without a slot: no bias
  int64_t m, n, k;                  // of one product
  bool transpose_a, transpose_b;    // a is [k, m], b is [n, k]
  std::vector<int64_t> a_of, b_of;  // of each product: which matrices of a and b it is made of
  Activation activation = Activation::linear;
};

/**
 * Binds them. Sums are in float32 and in an order that depends on k alone: a row's bits depend neither on the other
 * rows nor on the threads. Only where rounds_operands() holds.
 */
WEFT_BINDER Step bind_rounded(Call& call, RoundedProducts products);

}  // namespace weft::cpu::WEFT_ISA
