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

/** Rows or columns [begin, end). */
struct Interval {
  int64_t begin, end;
};

/** Some rows and columns of product `index`. */
inline Product<float> part_of(const Frame& frame, const RoundedProducts& p, size_t index, Interval rows, Interval columns) {
  Product<float> part{};
  part.m = rows.end - rows.begin, part.n = columns.end - columns.begin, part.k = p.k;
  part.a = {frame.at<const float>(p.a) + p.a_of[index] * p.m * p.k, p.transpose_a ? 1 : p.k, p.transpose_a ? p.m : 1};
  part.b = {frame.at<const float>(p.b) + p.b_of[index] * p.k * p.n, p.transpose_b ? 1 : p.n, p.transpose_b ? p.k : 1};
  part.a.data += rows.begin * part.a.row;
  part.b.data += columns.begin * part.b.column;
  part.c = frame.at<float>(p.c) + (int64_t(index) * p.m + rows.begin) * p.n + columns.begin;
  part.c_row = p.n;
  part.bias = p.bias.used() ? frame.at<const float>(p.bias) + columns.begin : nullptr;
  part.activation = p.activation;
  return part;
}

/**
 * Binds them. Sums are in float32 and in an order that depends on k alone: a row's bits depend neither on the other
 * rows nor on the threads. Only where rounds_operands() holds.
 */
WEFT_BINDER Step bind_rounded(Call& call, RoundedProducts products);

}  // namespace weft::cpu::WEFT_ISA
