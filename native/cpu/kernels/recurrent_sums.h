// Sums over recurrent weights: what a tile of rows and a panel of weights give, added to sums in memory. One function
// for every height and width of tile, which all cells share.
#pragma once
#include <array>

#include "lanes.h"
#include "tile_shapes.h"

namespace weft::cpu::WEFT_ISA {

/** How many rows of a batch a tile of `vectors` vectors can hold in registers together with the weights. */
template <int vectors> constexpr int step_rows = vectors == 3 ? tile_shapes.step_rows_of_three : tile_shapes.step_rows;
/** Rows of four vectors that fit into registers. Four vectors keep the multipliers busy where rows are few. */
constexpr int rows_of_four = tile_shapes.step_rows_of_four;
/** The most vectors of sums that a row of a tile has: rows of sums are so many vectors apart. */
constexpr int most_sums = 4;

/** a[rows, k] * panel[k, vectors]: rows of a are a_row apart, those of the panel `wide` vectors. */
template <class T> struct PanelProduct {
  const T* a;
  int64_t a_row;
  const T* panel;
  int64_t k;
};

/**
 * Lines that each row of a tile reads after its sums. They lie pages apart, so no prefetcher follows them: those of one
 * row are brought to the second-level cache while a share of the sums runs.
 */
template <class T> struct WantedLines {
  /** `count` places, `step` elements apart; those of the next row are `row` elements further on. */
  struct Run {
    const T* from;
    int64_t row, step;
    int count;
  };
  int vectors = 0, count = 0;  // vectors at each place; runs
  std::array<Run, 4> runs;

  void add(const T* from, int64_t row, int64_t step, int places) { runs[size_t(count++)] = {from, row, step, places}; }
  WEFT_INLINE void fetch(int row) const {
#pragma GCC unroll 1
    for (int r = 0; r < count; r++) {
      const Run& run = runs[size_t(r)];
      const T* at = run.from + row * run.row;
#pragma GCC unroll 1
      for (int i = 0; i < run.count; i++, at += run.step)
#pragma GCC unroll 1
        for (int v = 0; v < vectors; v++) __builtin_prefetch(at + v * lanes_of<T>, 0, 2);
    }
  }
};

/** For sums that want nothing: made once, since it takes longer to clear than a tile takes for a few terms. */
template <class T> inline constexpr WantedLines<T> no_lines{};

/** Sums that start from zero. */
template <class T> alignas(64) inline constexpr T from_zero[most_sums * lanes_of<T>] = {};

/**
 * sums[rows][vectors] += the products, one after the other. With `start`, [vectors], the sums of each row start from
 * that, else from what they are. Rows of panels are `wide` vectors apart. Every element is summed in the order of k,
 * whatever the height of the tile. `rows` is at most step_rows<vectors>, and at most rows_of_four for 4 vectors.
 */
void add_products(const PanelProduct<float>* products, int count, int rows, int vectors, int wide, const float* start,
                  const WantedLines<float>& wanted, Vec* sums);
void add_products(const PanelProduct<double>* products, int count, int rows, int vectors, int wide, const double* start,
                  const WantedLines<double>& wanted, DoubleVec* sums);

}  // namespace weft::cpu::WEFT_ISA
