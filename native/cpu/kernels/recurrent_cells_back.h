// Recurrent cells backward: what one step back does to a few vectors of units once the products are summed.
#pragma once
#include <array>

#include "recurrent_cells.h"
#include "recurrent_products.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Some rows of the batch and up to two vectors of units at one step back. Pointers are at the tile's first row and
 * unit, and at gate 0.
 */
template <class T> struct BackTile {
  int rows, vectors;
  int64_t units, scratch, padded;
  const T* sequence;              // null, or gradients of h
  const T *gates, *kept, *prior;  // kept: cells, inner, or h of simple; prior: the cells or states before the step
  const T* h;                     // lstm: the states after the step
  int64_t gates_row, h_row, prior_row;
  T* cell;
  T* carry;     // null, or gradients that come past the gates
  T* gradient;  // [rows, gates * padded] for the earlier step
  T* projected;
  int64_t gradient_row;
  T* proposed;  // gru with the reset before: gradients of the proposed state
  Slopes<T> slopes;
  int64_t unit, place, place_row;
  const T* scale;
  const uint8_t* mask;
  int64_t mask_row;
  T* initial;  // the states before all steps: no gates
  bool keep;   // carry holds values for the earlier step
  MaskOf<T> lanes[2];
  StepActivation activation, gate;

  WEFT_INLINE bool counts(int i) const { return !mask || mask[i * mask_row]; }
  /**
   * Whether every step counts, no state is scaled, all lanes are units, and slopes are left for products alone: what
   * most steps are.
   */
  bool plain() const {
    return !mask && !scale && !initial && !projected && slopes.data && all_lanes(lanes[0]) && (vectors == 1 || all_lanes(lanes[1]));
  }
  WEFT_INLINE void leave_projected(int64_t of, int i, int64_t j, Vector<T> value, MaskOf<T> used) const {
    if (projected) store_masked(projected + i * gates_row + of * units + j, value, used);
  }
};

/** Where a tile leaves its slopes: a place for each group and vector at the tile's first row, the others follow. */
template <class T, int groups> struct SlopePlaces {
  std::array<std::array<T*, 2>, groups> first{};  // null: nobody wants them
  int64_t row;

  explicit SlopePlaces(const BackTile<T>& tile) : row(tile.place_row * tile_columns<T>) {
    if (!tile.slopes.data) return;
    for (int g = 0; g < groups; g++)
      for (int v = 0; v < tile.vectors; v++) first[size_t(g)][size_t(v)] = tile.slopes.at(g, tile.unit + v * lanes_of<T>, tile.place);
  }
  template <bool plain> WEFT_INLINE void leave(int group, int i, int v, Vector<T> value) const {
    T* const to = first[size_t(group)][size_t(v)];
    if (plain || to) store(to + i * row, value);
  }
};

/** Finishes a step back of a tile from its sums [rows][most_sums]: [vector]. */
template <class T> using FinishBack = void (*)(const BackTile<T>& tile, const Vector<T>* sums);

/** Calls f(i, v, j, lanes, dh) with the gradient of the state after the step, for the rows and vectors of a tile. */
template <bool plain, class T, class F> WEFT_INLINE void for_state_gradients(const BackTile<T>& tile, const Vector<T>* sums, F&& f) {
  for (int i = 0; i < tile.rows; i++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t j = v * lanes_of<T>;
      const MaskOf<T> lanes = tile.lanes[v];
      Vector<T> dh = sums[i * most_sums + v];
      if (!plain && tile.scale) dh *= load_masked(tile.scale + i * tile.units + j, lanes);
      if (tile.carry) dh += load(tile.carry + i * tile.scratch + j);
      if (!plain && tile.initial) {
        store_masked(tile.initial + i * tile.units + j, dh, lanes);
        continue;
      }
      if (tile.sequence) dh += load_units<plain, T>(tile.sequence + i * tile.h_row + j, lanes);
      f(i, v, j, lanes, dh);
    }
}

template <class T> void back_simple(const BackTile<T>& given, const Vector<T>* sums) {
  using V = Vector<T>;
  const BackTile<T> tile = given;
  const SlopePlaces<T, 1> slopes(tile);
  for_state_gradients<false, T>(
      tile, sums, [&](int i, int v, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const bool counts = tile.counts(i);
        const V gradient = counts ? slope<T>(tile.activation, dh, load_masked(tile.kept + i * tile.h_row + j, lanes)) : V{};
        if (tile.keep && tile.carry) store(tile.carry + i * tile.scratch + j, counts ? V{} : dh);
        store(tile.gradient + i * tile.gradient_row + j, gradient);
        slopes.template leave<false>(0, i, v, gradient);
        tile.leave_projected(0, i, j, gradient, lanes);
      });
}

/** Whether the tanh of a cell is taken from the state: that times a gate, which is above 1e-30 in float32. */
template <class T, bool usual> constexpr bool cell_from_state = usual && sizeof(T) == 4;

template <class T, bool usual, bool plain> void lstm_rows_back(const BackTile<T>& given, const Vector<T>* sums) {
  using V = Vector<T>;
  const BackTile<T> tile = given;
  const SlopePlaces<T, 4> slopes(tile);
  const Activations<usual> f{tile.activation, tile.gate};
  for_state_gradients<plain, T>(
      tile, sums, [&](int i, int v, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const int64_t at = i * tile.scratch + j;
        V d[4] = {};
        if (plain || tile.counts(i)) {
          V gate[4];
#pragma GCC unroll 4
          for (int g = 0; g < 4; g++) gate[g] = load_units<plain, T>(tile.gates + i * tile.gates_row + g * tile.units + j, lanes);
          V out;
          if constexpr (cell_from_state<T, usual>) {
            const V open = plain ? gate[3] : max(splat(T(1e-30)), gate[3]);  // lanes without a unit are 0
            out = load_units<plain, T>(tile.h + i * tile.h_row + j, lanes) * reciprocal(open);
          } else {
            out = f.template state<T>(load_units<plain, T>(tile.kept + i * tile.h_row + j, lanes));
          }
          const V dc = load(tile.cell + at) + f.template state_slope<T>(dh * gate[3], out);
          d[0] = f.template gate_slope<T>(dc * gate[2], gate[0]);
          d[1] = f.template gate_slope<T>(dc * load_units<plain, T>(tile.prior + i * tile.prior_row + j, lanes), gate[1]);
          d[2] = f.template state_slope<T>(dc * gate[0], gate[2]);
          d[3] = f.template gate_slope<T>(dh * out, gate[3]);
          store(tile.cell + at, dc * gate[1]);
          dh = V{};
        }
        if (!plain && tile.keep && tile.carry) store(tile.carry + at, dh);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
          store(tile.gradient + i * tile.gradient_row + g * tile.padded + j, d[g]);
          slopes.template leave<plain>(g, i, v, d[g]);
          if constexpr (!plain) tile.leave_projected(g, i, j, d[g], lanes);
        }
      });
}
template <class T, bool usual> void back_lstm(const BackTile<T>& tile, const Vector<T>* sums) {
  choose_rows<T, usual>(tile, [&](auto plain) { lstm_rows_back<T, usual, plain>(tile, sums); });
}

/** `after`: the reset gate acts after the product. Before it, the gradient of the gate follows in back_gru_reset(). */
template <class T, bool usual, bool after, bool plain> void gru_rows_back(const BackTile<T>& given, const Vector<T>* sums) {
  using V = Vector<T>;
  const BackTile<T> tile = given;
  const SlopePlaces<T, after ? 4 : 3> slopes(tile);
  const Activations<usual> f{tile.activation, tile.gate};
  for_state_gradients<plain, T>(
      tile, sums, [&](int i, int v, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const int64_t u = tile.units;
        V carry = dh, update{}, reset{}, proposed{}, inner{};
        if (plain || tile.counts(i)) {
          const T* gates = tile.gates + i * tile.gates_row + j;
          const V z = load_units<plain, T>(gates, lanes), r = load_units<plain, T>(gates + u, lanes);
          const V candidate = load_units<plain, T>(gates + 2 * u, lanes);
          carry = dh * z;
          update = f.template gate_slope<T>(dh * (load_units<plain, T>(tile.prior + i * tile.prior_row + j, lanes) - candidate), z);
          proposed = f.template state_slope<T>(dh - carry, candidate);
          if constexpr (after) {
            reset = f.template gate_slope<T>(proposed * load_units<plain, T>(tile.kept + i * tile.h_row + j, lanes), r);
            inner = proposed * r;
          }
        }
        store(tile.carry + i * tile.scratch + j, carry);
        T* gradient = tile.gradient + i * tile.gradient_row + j;
        store(gradient, update);
        slopes.template leave<plain>(0, i, v, proposed);
        slopes.template leave<plain>(1, i, v, update);
        if constexpr (!plain) tile.leave_projected(0, i, j, update, lanes);
        if constexpr (!plain) tile.leave_projected(2, i, j, proposed, lanes);
        if constexpr (after) {
          store(gradient + tile.padded, reset);
          store(gradient + 2 * tile.padded, inner);
          slopes.template leave<plain>(2, i, v, reset);
          slopes.template leave<plain>(3, i, v, inner);
          if constexpr (!plain) tile.leave_projected(1, i, j, reset, lanes);
        } else {
          store(tile.proposed + i * tile.scratch + j, proposed);
        }
      });
}
template <class T, bool usual, bool after> void back_gru(const BackTile<T>& tile, const Vector<T>* sums) {
  if constexpr (after) choose_rows<T, usual>(tile, [&](auto plain) { gru_rows_back<T, usual, after, plain>(tile, sums); });
  else gru_rows_back<T, usual, after, false>(tile, sums);
}

/** The sums are the gradients of r * scale * h; where the step does not count they are 0. */
template <class T, bool usual> void back_gru_reset(const BackTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  for (int i = 0; i < tile.rows; i++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      const MaskOf<T> lanes = tile.lanes[v];
      V passed = sums[i * most_sums + v];
      if (tile.scale) passed *= load_masked(tile.scale + i * tile.units + j, lanes);
      const V r = load_masked(tile.gates + i * tile.gates_row + tile.units + j, lanes);
      const V reset = f.template gate_slope<T>(passed * load_masked(tile.prior + i * tile.prior_row + j, lanes), r);
      store(tile.carry + at, fma(passed, r, load(tile.carry + at)));
      store(tile.gradient + i * tile.gradient_row + tile.padded + j, reset);
      if (tile.slopes.data) store(tile.slopes.at(2, tile.unit + j, tile.place + i * tile.place_row), reset);
      tile.leave_projected(1, i, j, reset, lanes);
    }
}

}  // namespace weft::cpu::WEFT_ISA
