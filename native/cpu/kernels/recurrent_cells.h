// Recurrent cells forward: what one step does to a few vectors of units once the products are summed.
#pragma once
#include <type_traits>

#include "recurrent.h"

namespace weft::cpu::WEFT_ISA {

/** The activations of a call. The `usual` ones, tanh and sigmoid, are known when a kernel is compiled. */
template <bool usual> struct Activations {
  StepActivation activation, gate;
  template <class T> WEFT_INLINE Vector<T> state(Vector<T> x) const { return activate<T>(usual ? StepActivation::tanh : activation, x); }
  template <class T> WEFT_INLINE Vector<T> gates(Vector<T> x) const { return activate<T>(usual ? StepActivation::sigmoid : gate, x); }
  template <class T> WEFT_INLINE Vector<T> state_slope(Vector<T> g, Vector<T> y) const {
    return slope<T>(usual ? StepActivation::tanh : activation, g, y);
  }
  template <class T> WEFT_INLINE Vector<T> gate_slope(Vector<T> g, Vector<T> y) const {
    return slope<T>(usual ? StepActivation::sigmoid : gate, g, y);
  }
};

/** Loads and stores of a vector of units. All its lanes are units where a tile is `plain`. */
template <bool plain, class T> WEFT_INLINE Vector<T> load_units(const T* from, MaskOf<T> lanes) {
  if constexpr (plain) return load(from);
  else return load_masked(from, lanes);
}
template <bool plain, class T> WEFT_INLINE void store_units(T* to, Vector<T> value, MaskOf<T> lanes) {
  if constexpr (plain) store(to, value);
  else store_masked(to, value, lanes);
}

/** A product of a step forward: some gates of one vector of units, or one gate of two. */
struct Pass {
  int gate, gates, vectors;
};

/**
 * Some rows of the batch and some vectors of units at one step. Pointers are at the tile's first row, unit and, where
 * there are gates, gate 0.
 */
template <class T> struct ForwardTile {
  int rows, vectors;       // vectors of units
  int64_t units, scratch;  // scratch: distance of rows in scratch memory
  const T* projected;      // null: the input is joined
  const T* bias;           // gru with the reset after the product: the bias of the product
  int64_t gates_row, h_row;
  T *gates, *kept, *h;     // null: nobody reads them. kept: cells of lstm, inner of gru
  T *state, *cell, *next;  // in scratch memory; next: what meets the weights in the next step
  const T* met;            // what meets them in this one
  T *update, *passed;      // gru with the reset before: the gate z, and r * scale * h, between the two products
  const T* scale;          // null, or factors of the state where it meets the weights
  const uint8_t* mask;     // null, or one per row, mask_row apart
  int64_t mask_row;
  MaskOf<T> lanes[2];
  StepActivation activation, gate;

  WEFT_INLINE bool counts(int i) const { return !mask || mask[i * mask_row]; }
  /** Whether every step counts, no state is scaled and all lanes of the first vector are units. */
  bool plain() const { return !mask && !scale && all_lanes(lanes[0]); }
  /** Writes the state after the step to every result that holds it. */
  template <bool plain = false> WEFT_INLINE void leave(int i, int64_t j, Vector<T> value, MaskOf<T> used) const {
    store(state + i * scratch + j, value);
    store(next + i * scratch + j, !plain && scale ? value * load_masked(scale + i * units + j, used) : value);
    if (h) store_units<plain, T>(h + i * h_row + j, value, used);
  }
};

/**
 * Finishes a step of a tile from its sums [rows][most_sums], which are of one pass: [gate][vector]. Where gru's input
 * is joined, the candidate's projection follows the gates.
 */
template <class T> using FinishForward = void (*)(const ForwardTile<T>& tile, const Vector<T>* sums);

template <class T> void finish_simple(const ForwardTile<T>& tile, const Vector<T>* sums) {
  for (int i = 0; i < tile.rows; i++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t j = v * lanes_of<T>;
      const Vector<T> h = tile.counts(i) ? activate<T>(tile.activation, sums[i * most_sums + v]) : load(tile.state + i * tile.scratch + j);
      tile.leave(i, j, h, tile.lanes[v]);
    }
}

/** Whether a cell has a kernel of its own for plain tiles. One for every case would make the addon large. */
template <class T, bool usual> constexpr bool has_plain = usual && sizeof(T) == 4 && fused_multiply_add;

/**
 * Calls rows(known) for a tile whose steps are all plain, where the cell has a kernel for these; else rows(unknown).
 */
template <class T, bool usual, class Tile, class Rows> WEFT_INLINE void choose_rows(const Tile& tile, Rows&& rows) {
  constexpr bool known = has_plain<T, usual>;
  if (known && tile.plain()) rows(std::bool_constant<known>());
  else rows(std::false_type());
}

/*
 * Cells copy their tile: the compiler can't tell that what they store is not a part of it, and would read all of it
 * again after every store.
 */
template <class T, bool usual, bool plain> void lstm_rows(const ForwardTile<T>& given, const Vector<T>* sums) {
  using V = Vector<T>;
  const ForwardTile<T> tile = given;
  const Activations<usual> f{tile.activation, tile.gate};
  const MaskOf<T> lanes = tile.lanes[0];
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    const int64_t at = i * tile.scratch;
    V gate[4] = {}, c = load(tile.cell + at), h{};
    if (plain || tile.counts(i)) {
      gate[0] = f.template gates<T>(sums[0]);
      gate[1] = f.template gates<T>(sums[1]);
      gate[2] = f.template state<T>(sums[2]);
      gate[3] = f.template gates<T>(sums[3]);
      c = fma(gate[1], c, gate[0] * gate[2]);
      h = gate[3] * f.template state<T>(c);
      store(tile.cell + at, c);
    } else {
      h = load(tile.state + at);
    }
    if (tile.gates)
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++) store_units<plain, T>(tile.gates + i * tile.gates_row + g * tile.units, gate[g], lanes);
    if (tile.kept) store_units<plain, T>(tile.kept + i * tile.h_row, c, lanes);
    tile.template leave<plain>(i, 0, h, lanes);
  }
}
template <class T, bool usual> void finish_lstm(const ForwardTile<T>& tile, const Vector<T>* sums) {
  choose_rows<T, usual>(tile, [&](auto plain) { lstm_rows<T, usual, plain>(tile, sums); });
}

template <class T, bool usual, bool plain> void gru_rows(const ForwardTile<T>& given, const Vector<T>* sums) {
  using V = Vector<T>;
  const ForwardTile<T> tile = given;
  const Activations<usual> f{tile.activation, tile.gate};
  const MaskOf<T> lanes = tile.lanes[0];
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    V gate[3] = {}, inner{}, h = load(tile.state + i * tile.scratch);
    if (plain || tile.counts(i)) {
      inner = sums[2];
      gate[0] = f.template gates<T>(sums[0]);
      gate[1] = f.template gates<T>(sums[1]);
      const V projected = tile.projected ? load_units<plain, T>(tile.projected + i * tile.gates_row + 2 * tile.units, lanes) : sums[3];
      gate[2] = f.template state<T>(fma(gate[1], inner, projected));
      h = fma(gate[0], h - gate[2], gate[2]);
    }
    if (tile.gates)
#pragma GCC unroll 3
      for (int g = 0; g < 3; g++) store_units<plain, T>(tile.gates + i * tile.gates_row + g * tile.units, gate[g], lanes);
    if (tile.kept) store_units<plain, T>(tile.kept + i * tile.h_row, inner, lanes);
    tile.template leave<plain>(i, 0, h, lanes);
  }
}
template <class T, bool usual> void finish_gru(const ForwardTile<T>& tile, const Vector<T>* sums) {
  choose_rows<T, usual>(tile, [&](auto plain) { gru_rows<T, usual, plain>(tile, sums); });
}

/** The gates z and r of a step with the reset before the product. */
template <class T, bool usual> void finish_gru_gates(const ForwardTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  const MaskOf<T> lanes = tile.lanes[0];
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    V gate[2] = {};
    if (tile.counts(i))
      for (int g = 0; g < 2; g++) gate[g] = f.template gates<T>(sums[g]);
    const V passed = gate[1] * load(tile.met + i * tile.scratch);
    store(tile.update + i * tile.scratch, gate[0]);
    store(tile.passed + i * tile.scratch, passed);
    if (tile.gates)
      for (int g = 0; g < 2; g++) store_masked(tile.gates + i * tile.gates_row + g * tile.units, gate[g], lanes);
    if (tile.kept) store_masked(tile.kept + i * tile.h_row, passed, lanes);
  }
}

/** The proposed state of a step with the reset before the product, and the state after the step. */
template <class T, bool usual> void finish_gru_proposed(const ForwardTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  for (int i = 0; i < tile.rows; i++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      V proposed{}, h = load(tile.state + at);
      if (tile.counts(i)) {
        proposed = f.template state<T>(sums[i * most_sums + v]);
        h = fma(load(tile.update + at), h - proposed, proposed);
      }
      if (tile.gates) store_masked(tile.gates + i * tile.gates_row + 2 * tile.units + j, proposed, tile.lanes[v]);
      tile.leave(i, j, h, tile.lanes[v]);
    }
}

}  // namespace weft::cpu::WEFT_ISA
