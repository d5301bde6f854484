// How much of a result stays in registers while its sums run, for each instruction set: the one place where it is
// chosen. Portable vectors and AVX2 have 16 registers, AVX-512 has 32.
#pragma once
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

struct TileShapes {
  int rows;                                              // of the micro-kernel's tile of two vectors
  int gathered_rows;                                     // of a tile whose rows are found through a list
  int step_rows, step_rows_of_three, step_rows_of_four;  // of a recurrent step: of two vectors and less, of three, of four
  int windows;                                           // pooling windows of a first layer, 2 x 2 x 2 vectors each
  int slope_vectors;                                     // vectors of channels in the gradient of a first layer, 9 taps each
};
constexpr TileShapes shapes_of_levels[] = {{6, 5, 6, 4, 2, 1, 1}, {6, 5, 6, 4, 2, 1, 1}, {14, 9, 9, 8, 4, 2, 2}};
constexpr TileShapes tile_shapes = shapes_of_levels[WEFT_LEVEL];

}  // namespace weft::cpu::WEFT_ISA
