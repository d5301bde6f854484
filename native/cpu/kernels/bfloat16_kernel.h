// The micro-kernel of products whose float32 operands are rounded to bfloat16: sums of pairs of products in float32, by
// the instructions of AVX-512 BF16. The file is empty for other instruction sets.
#pragma once
#include "bfloat16_pairs.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** Columns of a packed panel of b. */
constexpr int64_t pair_columns = 2 * width;

/** c[rows, columns] (+)= a * b, with c in registers. Each element is summed in the order of the pairs. */
struct PairTile {
  const Pair* a;  // [pairs][rows]
  int64_t pairs;
  const Pair* packed_b = nullptr;  // [pairs][pair_columns]; null: b is read where it lies
  const float* b = nullptr;        // rows of b, `b_row` apart
  int64_t b_row = 0;
  bool odd = false;      // the last pair has one row of b
  Pair* keep = nullptr;  // where the pairs go that are made of b, for the tiles that use them next; or null
  float* c;
  int64_t c_row;
  const float* bias = nullptr;  // one per column; the sums start from it
  Mask last;                    // columns of the last vector
  bool accumulate = false;      // add to c
  bool relu = false;
};

/**
 * Tiles of so few rows can have four vectors of columns, so that more sums are under way; a single row can have eight,
 * so that longer stretches of b are read. Their b is not packed.
 */
constexpr int most_wide_rows = 3;

/** Computes a tile of `rows` <= tile_rows rows and 1 or 2 vectors of columns, or of few rows and 4 or 8 vectors. */
void multiply_pairs(const PairTile& tile, int rows, int vectors);

}  // namespace weft::cpu::WEFT_ISA
