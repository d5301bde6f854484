// How much of a result stays in registers while its sums run, for each instruction set: the one place where it is
// chosen. Portable vectors and AVX2 have 16 registers, AVX-512 has 32.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

struct TileShapes {
  int rows;                                              // of the micro-kernel's tile of two vectors
  int rows_at_a_stop;                                    // of c, fetched at once where the sums of a tile stop to fetch
  int gathered_rows;                                     // of a tile whose rows are found through a list
  int step_rows, step_rows_of_three, step_rows_of_four;  // of a recurrent step: of two vectors and less, of three, of four
  int windows;                                           // pooling windows of a first layer, 2 x 2 x 2 vectors each
  int slope_vectors;                                     // vectors of channels in the gradient of a first layer, 9 taps each
  int short_columns, short_columns_of_two;               // columns of a product that is short in them: at most, with two vectors of rows
  int short_sums, short_sums_of_two;                     // terms of sums that are short: at most, with two vectors of columns
  int narrow_rows;                                       // of a product of few columns, whose tiles are 5 columns wide
  int query_tiles, query_tiles_of_few_keys;              // tiles of queries that meet a block of keys in attention's gradient
  bool keep;                                             // tiles pack what they read, and fetch what comes next; needs masked stores
  bool pack_turned;  // a transposed a is packed also where its lines are near: rows of a tile fill a line
};
constexpr TileShapes few_registers{.rows = 6,
                                   .rows_at_a_stop = 3,
                                   .gathered_rows = 5,
                                   .step_rows = 6,
                                   .step_rows_of_three = 4,
                                   .step_rows_of_four = 2,
                                   .windows = 1,
                                   .slope_vectors = 1,
                                   .short_columns = 12,
                                   .short_columns_of_two = 5,
                                   .short_sums = 10,
                                   .short_sums_of_two = 3,
                                   .narrow_rows = 2,
                                   .query_tiles = 11,
                                   .query_tiles_of_few_keys = 22,
                                   .keep = true,
                                   .pack_turned = false};
constexpr TileShapes many_registers{.rows = 14,
                                    .rows_at_a_stop = 1,
                                    .gathered_rows = 9,
                                    .step_rows = 9,
                                    .step_rows_of_three = 8,
                                    .step_rows_of_four = 4,
                                    .windows = 2,
                                    .slope_vectors = 2,
                                    .short_columns = 16,
                                    .short_columns_of_two = 12,
                                    .short_sums = 16,
                                    .short_sums_of_two = 10,
                                    .narrow_rows = 4,
                                    .query_tiles = 5,
                                    .query_tiles_of_few_keys = 5,
                                    .keep = true,
                                    .pack_turned = true};
constexpr TileShapes without_masks(TileShapes shapes) {
  shapes.keep = false;
  return shapes;
}
constexpr TileShapes shapes_of_levels[] = {without_masks(few_registers), few_registers, many_registers};
constexpr TileShapes tile_shapes = shapes_of_levels[WEFT_LEVEL];

}  // namespace weft::cpu::WEFT_ISA
