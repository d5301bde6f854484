// Recurrent cells: what one step does to a few vectors of units, forward and backward, once the products are summed.
#pragma once
#include "recurrent_products.h"
#include "recurrent_sums.h"

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
  /** Writes the state after the step to every result that holds it. */
  WEFT_INLINE void leave(int i, int64_t j, Vector<T> value, MaskOf<T> used) const {
    store(state + i * scratch + j, value);
    store(next + i * scratch + j, scale ? value * load_masked(scale + i * units + j, used) : value);
    if (h) store_masked(h + i * h_row + j, value, used);
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

template <class T, bool usual> void finish_lstm(const ForwardTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  const MaskOf<T> lanes = tile.lanes[0];
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    const int64_t at = i * tile.scratch;
    V gate[4] = {}, c = load(tile.cell + at), h = load(tile.state + at);
    if (tile.counts(i)) {
      gate[0] = f.template gates<T>(sums[0]);
      gate[1] = f.template gates<T>(sums[1]);
      gate[2] = f.template state<T>(sums[2]);
      gate[3] = f.template gates<T>(sums[3]);
      c = fma(gate[1], c, gate[0] * gate[2]);
      h = gate[3] * f.template state<T>(c);
      store(tile.cell + at, c);
    }
    if (tile.gates)
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++) store_masked(tile.gates + i * tile.gates_row + g * tile.units, gate[g], lanes);
    if (tile.kept) store_masked(tile.kept + i * tile.h_row, c, lanes);
    tile.leave(i, 0, h, lanes);
  }
}

template <class T, bool usual> void finish_gru(const ForwardTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  const MaskOf<T> lanes = tile.lanes[0];
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    V gate[3] = {}, inner{}, h = load(tile.state + i * tile.scratch);
    if (tile.counts(i)) {
      inner = sums[2];
      gate[0] = f.template gates<T>(sums[0]);
      gate[1] = f.template gates<T>(sums[1]);
      const V projected = tile.projected ? load_masked(tile.projected + i * tile.gates_row + 2 * tile.units, lanes) : sums[3];
      gate[2] = f.template state<T>(fma(gate[1], inner, projected));
      h = fma(gate[0], h - gate[2], gate[2]);
    }
    if (tile.gates)
#pragma GCC unroll 3
      for (int g = 0; g < 3; g++) store_masked(tile.gates + i * tile.gates_row + g * tile.units, gate[g], lanes);
    if (tile.kept) store_masked(tile.kept + i * tile.h_row, inner, lanes);
    tile.leave(i, 0, h, lanes);
  }
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

/**
 * Some rows of the batch and up to two vectors of units at one step back. Pointers are at the tile's first row and
 * unit, and at gate 0.
 */
template <class T> struct BackTile {
  int rows, vectors;
  int64_t units, scratch, padded;
  const T* sequence;              // null, or gradients of h
  const T *gates, *kept, *prior;  // kept: cells, inner, or h of simple; prior: the cells or states before the step
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
  WEFT_INLINE void leave_slope(int64_t group, int i, int64_t j, Vector<T> value) const {
    if (slopes.data) store(slopes.at(group, unit + j, place + i * place_row), value);
  }
  WEFT_INLINE void leave_projected(int64_t of, int i, int64_t j, Vector<T> value, MaskOf<T> used) const {
    if (projected) store_masked(projected + i * gates_row + of * units + j, value, used);
  }
};

/** Finishes a step back of a tile from its sums [rows][most_sums]: [vector]. */
template <class T> using FinishBack = void (*)(const BackTile<T>& tile, const Vector<T>* sums);

/** Calls f(i, j, lanes, dh) with the gradient of the state after the step, for the rows and vectors of a tile. */
template <class T, class F> WEFT_INLINE void for_state_gradients(const BackTile<T>& tile, const Vector<T>* sums, F&& f) {
  for (int i = 0; i < tile.rows; i++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t j = v * lanes_of<T>;
      const MaskOf<T> lanes = tile.lanes[v];
      Vector<T> dh = sums[i * most_sums + v];
      if (tile.scale) dh *= load_masked(tile.scale + i * tile.units + j, lanes);
      if (tile.carry) dh += load(tile.carry + i * tile.scratch + j);
      if (tile.initial) {
        store_masked(tile.initial + i * tile.units + j, dh, lanes);
        continue;
      }
      if (tile.sequence) dh += load_masked(tile.sequence + i * tile.h_row + j, lanes);
      f(i, j, lanes, dh);
    }
}

template <class T> void back_simple(const BackTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  for_state_gradients<T>(
      tile, sums, [&](int i, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const bool counts = tile.counts(i);
        const V gradient = counts ? slope<T>(tile.activation, dh, load_masked(tile.kept + i * tile.h_row + j, lanes)) : V{};
        if (tile.keep && tile.carry) store(tile.carry + i * tile.scratch + j, counts ? V{} : dh);
        store(tile.gradient + i * tile.gradient_row + j, gradient);
        tile.leave_slope(0, i, j, gradient);
        tile.leave_projected(0, i, j, gradient, lanes);
      });
}

template <class T, bool usual> void back_lstm(const BackTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  for_state_gradients<T>(
      tile, sums, [&](int i, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const int64_t at = i * tile.scratch + j;
        V d[4] = {};
        if (tile.counts(i)) {
          V gate[4];
#pragma GCC unroll 4
          for (int g = 0; g < 4; g++) gate[g] = load_masked(tile.gates + i * tile.gates_row + g * tile.units + j, lanes);
          const V out = f.template state<T>(load_masked(tile.kept + i * tile.h_row + j, lanes));
          const V dc = load(tile.cell + at) + f.template state_slope<T>(dh * gate[3], out);
          d[0] = f.template gate_slope<T>(dc * gate[2], gate[0]);
          d[1] = f.template gate_slope<T>(dc * load_masked(tile.prior + i * tile.prior_row + j, lanes), gate[1]);
          d[2] = f.template state_slope<T>(dc * gate[0], gate[2]);
          d[3] = f.template gate_slope<T>(dh * out, gate[3]);
          store(tile.cell + at, dc * gate[1]);
          dh = V{};
        }
        if (tile.keep && tile.carry) store(tile.carry + at, dh);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
          store(tile.gradient + i * tile.gradient_row + g * tile.padded + j, d[g]);
          tile.leave_slope(g, i, j, d[g]);
          tile.leave_projected(g, i, j, d[g], lanes);
        }
      });
}

/** `after`: the reset gate acts after the product. Before it, the gradient of the gate follows in back_gru_reset(). */
template <class T, bool usual, bool after> void back_gru(const BackTile<T>& tile, const Vector<T>* sums) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  for_state_gradients<T>(
      tile, sums, [&](int i, int64_t j, MaskOf<T> lanes, V dh) __attribute__((always_inline)) {
        const int64_t u = tile.units;
        V carry = dh, update{}, reset{}, proposed{}, inner{};
        if (tile.counts(i)) {
          const T* gates = tile.gates + i * tile.gates_row + j;
          const V z = load_masked(gates, lanes), r = load_masked(gates + u, lanes), candidate = load_masked(gates + 2 * u, lanes);
          carry = dh * z;
          update = f.template gate_slope<T>(dh * (load_masked(tile.prior + i * tile.prior_row + j, lanes) - candidate), z);
          proposed = f.template state_slope<T>(dh - carry, candidate);
          if constexpr (after) {
            reset = f.template gate_slope<T>(proposed * load_masked(tile.kept + i * tile.h_row + j, lanes), r);
            inner = proposed * r;
          }
        }
        store(tile.carry + i * tile.scratch + j, carry);
        T* gradient = tile.gradient + i * tile.gradient_row + j;
        store(gradient, update);
        tile.leave_slope(0, i, j, proposed);
        tile.leave_slope(1, i, j, update);
        tile.leave_projected(0, i, j, update, lanes);
        tile.leave_projected(2, i, j, proposed, lanes);
        if constexpr (after) {
          store(gradient + tile.padded, reset);
          store(gradient + 2 * tile.padded, inner);
          tile.leave_slope(2, i, j, reset);
          tile.leave_slope(3, i, j, inner);
          tile.leave_projected(1, i, j, reset, lanes);
        } else {
          store(tile.proposed + i * tile.scratch + j, proposed);
        }
      });
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
      tile.leave_slope(2, i, j, reset);
      tile.leave_projected(1, i, j, reset, lanes);
    }
}

}  // namespace weft::cpu::WEFT_ISA
