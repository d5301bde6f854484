// The micro-kernel on bytes: sums of products of uint8 and int8 in int32, and the packing of weights for it. Sums are
// exact, so they are equal on all instruction sets.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** Four neighbours of a row of a, or of a column of b, are multiplied and added at once: a quad. */
constexpr int64_t quad = 4;
/** Columns of a packed panel of b: [quads][panel_columns][quad] bytes. The layout is the same on every level. */
constexpr int64_t panel_columns = 16;
/** Panels of a tile at most, and the row of its sums in memory. */
constexpr int64_t tile_panels = 2, sums_row = tile_panels * panel_columns;
/** Rows of a tile at most. */
constexpr int byte_tile_rows = 12;

constexpr int64_t quads_in(int64_t k) { return (k + quad - 1) / quad; }
constexpr int64_t panels_in(int64_t n) { return (n + panel_columns - 1) / panel_columns; }

/** sums[rows, 32] = a * b. Each row of a is outer * inner stretches of `quads` quads. */
struct ByteTile {
  const uint8_t* a;
  int64_t a_row;                     // bytes between rows
  int64_t quads;                     // of a stretch
  const int8_t* b;                   // packed panels of outer * inner * quads quads
  int32_t* sums;                     // [byte_tile_rows][sums_row]
  int64_t outer = 1, inner = 1;      // stretches
  int64_t a_outer = 0, a_inner = 0;  // bytes between them

  int64_t panel_bytes() const { return outer * inner * quads * panel_columns * quad; }
};

/** Computes a tile of `rows` <= byte_tile_rows rows and 1 or 2 panels. */
void multiply_bytes(const ByteTile& tile, int rows, int panels);

/**
 * Packs `columns` <= panel_columns columns of a stretch of `length` rows of b, `row` bytes apart, into a panel. What is
 * missing in the last quad and the last columns is 0. Returns the end of what it has packed.
 */
int8_t* pack_bytes(const int8_t* b, int64_t row, int64_t length, int64_t columns, int8_t* to);

}  // namespace weft::cpu::WEFT_ISA
