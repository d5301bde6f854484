// The micro-kernel on bytes: sums of products of uint8 and int8 in int32, and the packing of weights for it. Sums are
// exact, so they are equal on all instruction sets. With AVX-512 VNNI operands are bytes; elsewhere they are widened to
// 16 bits, so that no sum of two products can saturate.
#pragma once
#include "cpu/features.h"
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** Four neighbours of a row of a, or of a column of b, lie together: a quad. */
constexpr int64_t quad = 4;
/** Columns of a panel of b. */
constexpr int64_t panel_columns = 16;
/** Panels of a tile at most, and the row of its sums in memory. */
constexpr int64_t tile_panels = 2, sums_row = tile_panels * panel_columns;
/** Rows of a tile at most. */
constexpr int byte_tile_rows = 14;

constexpr int64_t quads_in(int64_t k) { return (k + quad - 1) / quad; }
constexpr int64_t panels_in(int64_t n) { return (n + panel_columns - 1) / panel_columns; }

/** Bytes of a value as tiles read it: rows of a are uint8 or int16. */
inline int64_t value_bytes() { return multiplies_bytes() ? 1 : 2; }

/** sums[rows, 32] = a * b + start. Each row of a is outer * inner stretches of `quads` quads. */
struct ByteTile {
  const uint8_t* a;
  int64_t a_row;                     // bytes between rows
  int64_t quads;                     // of a stretch
  const int8_t* b;                   // panels of outer * inner * quads quads, as tiles read them
  int32_t* sums;                     // [byte_tile_rows][sums_row]
  const int32_t* start = nullptr;    // one for each column, or null
  const float* pooled = nullptr;     // sums are pooled: the largest stays, or where this is negative the smallest; or null
  int64_t outer = 1, inner = 1;      // stretches
  int64_t a_outer = 0, a_inner = 0;  // bytes between them
};

/** Computes a tile of `rows` <= byte_tile_rows rows and 1 or 2 panels. */
void multiply_bytes(const ByteTile& tile, int rows, int panels);

/** Rows of a pooled tile that stays in registers from its first place to its last; 0 where there is no such tile. */
inline int rows_of_pooled_tile() { return multiplies_bytes() ? 7 : 0; }

/** Two panels of such a tile: sums of four places, `below` bytes and `right` bytes apart, are pooled. */
void multiply_pooled(const ByteTile& tile, int64_t below, int64_t right);

/**
 * Packs `columns` <= panel_columns columns of a stretch of `length` rows of b, `row` bytes apart, into a panel: [quads
 * of the stretch][panel_columns][quad]. What is missing is 0. Returns the end of what it has packed.
 */
int8_t* pack_bytes(const int8_t* b, int64_t row, int64_t length, int64_t columns, int8_t* to);

/** Makes panels of what pack_bytes() has packed ready for tiles that read 16 bits: pairs of rows, [16][2]. */
void widen_panels(const int8_t* from, int64_t quads, int16_t* to);

}  // namespace weft::cpu::WEFT_ISA
