// Sums over recurrent weights: what a tile of rows and a panel of weights give, added to sums in memory. One function
// for every height and width of tile, which all cells share.
#pragma once
#include <algorithm>
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

/**
 * a[rows, k] * panel[k, vectors]: rows of a are a_row apart, those of the panel `wide` vectors. With `inner`, of float
 * and 3 vectors alone: these vectors are added to the first two sums before the next product, and the third sum goes
 * behind all others and starts again from its vector.
 */
template <class T> struct PanelProduct {
  const T* a;
  int64_t a_row;
  const T* panel;
  int64_t k;
  const Vector<T>* inner = nullptr;
};

/**
 * Lines that the rows of a tile read after its sums. They lie pages apart, so no prefetcher follows them: they are
 * brought to the second-level cache while the sums of two vectors run, one at a time.
 */
template <class T> struct WantedLines {
  static constexpr int most = step_rows<2> * 7 * std::max<int>(1, 2 * lanes_of<T> * int(sizeof(T)) / 64);
  int count = 0;
  std::array<const T*, most> lines;

  /**
   * `places` places, `step` elements apart, of each of `rows` rows, which are `row` elements apart: `length` elements.
   */
  WEFT_INLINE void add(const T* from, int rows, int64_t row, int64_t step, int places, int64_t length) {
    constexpr int64_t line = 64 / int64_t(sizeof(T));
    for (int r = 0; r < rows; r++, from += row) {
      const T* at = from;
#pragma GCC unroll 1
      for (int i = 0; i < places; i++, at += step)
        for (int64_t k = 0; k < length; k += line) lines[size_t(count++)] = at + k;
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
