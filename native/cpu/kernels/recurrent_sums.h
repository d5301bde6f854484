// Sums over recurrent weights: what a tile of rows and a panel of weights give, added to sums in memory. One function
// for every height and width of tile, which all cells share.
#pragma once
#include "lanes.h"

namespace weft::cpu::WEFT_ISA {

/** How many rows of a batch one tile of `vectors` vectors holds in registers together with the weights. */
template <int vectors> constexpr int step_rows = WEFT_LEVEL == 2 ? (vectors == 3 ? 8 : 9) : (vectors == 3 ? 4 : 6);
/** Rows whose four vectors fit, so that few rows have sums enough for the multipliers too. */
constexpr int rows_of_four = WEFT_LEVEL == 2 ? 4 : 2;
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
 * sums[rows][vectors] += the products, one after the other; `fresh`: the sums start from zero. Rows of panels are
 * `wide` vectors apart. Every element is summed in the order of k, whatever the height of the tile. `rows` is at most
 * step_rows<vectors>, and at most rows_of_four for 4 vectors.
 */
void add_products(const PanelProduct<float>* products, int count, int rows, int vectors, int wide, bool fresh, Vec* sums);
void add_products(const PanelProduct<double>* products, int count, int rows, int vectors, int wide, bool fresh, DoubleVec* sums);

}  // namespace weft::cpu::WEFT_ISA
