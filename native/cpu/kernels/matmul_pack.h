// Copies of a product's operands in the order in which its tiles read them.
#pragma once
#include "micro_kernel.h"

namespace weft::cpu::WEFT_ISA {

/** A matrix by address and strides: element (i, j) is at data[i * row + j * column]. */
template <class T> struct Matrix {
  const T* data;
  int64_t row, column;
};

/**
 * Elements of b packed into panels of tile_columns<T>; panel p holds columns [p * tile_columns, ...), each row of it
 * contiguous.
 */
template <class T> int64_t packed_size(int64_t k, int64_t n) {
  constexpr int64_t columns = tile_columns<T>;
  return (n + columns - 1) / columns * columns * k;
}
/** Packs the panels [begin, end). Columns beyond n are zero. */
template <class T> void pack_panels(Matrix<T> b, int64_t k, int64_t n, int64_t begin, int64_t end, T* packed);

/**
 * Packs a block of a: its tiles one after the other, each as [k][rows]. Up to a vector behind the end is overwritten.
 */
template <class T> void pack_a_block(Matrix<T> a, int64_t m, int64_t k, T* packed);

}  // namespace weft::cpu::WEFT_ISA
