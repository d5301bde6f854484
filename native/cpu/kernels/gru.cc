// gru: all steps of a sequence in one call. With the reset after the product, one panel of packed weights holds the three gates of a vector
// of units, as in lstm.cc; with the reset before it, a step has two products: of the gates, and of the state that they let through.
#include <array>
#include <utility>

#include "recurrent.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and one vector of units (two in the second product of a step) at one step. */
template <class T> struct GruTile {
  const T* met;  // what meets the weights [rows, units]
  const T* panel;
  int64_t units, scratch;
  const T *projected, *bias;  // [rows] of 3 gates, units apart
  T *gates, *inner, *h;       // null: nobody reads them
  int64_t gates_row, h_row;
  T *state, *next;
  T *update, *passed;  // reset before: the gate z, and r * scale * h, between the two products
  const T *own, *scale;
  const uint8_t* mask;
  int64_t mask_row;
  MaskOf<T> lanes[2];
  StepActivation activation, gate;
};

template <class T> WEFT_INLINE bool counts(const GruTile<T>& tile, int i) { return !tile.mask || tile.mask[i * tile.mask_row]; }

/** The state after the step, to everybody who wants it. */
template <class T> WEFT_INLINE void leave(const GruTile<T>& tile, int i, int64_t j, Vector<T> h, MaskOf<T> lanes) {
  store(tile.state + i * tile.scratch + j, h);
  store(tile.next + i * tile.scratch + j, tile.scale ? h * load_masked(tile.scale + i * tile.units + j, lanes) : h);
  if (tile.h) store_masked(tile.h + i * tile.h_row + j, h, lanes);
}

template <class T, int rows, bool usual> __attribute__((noinline)) void after_tile(const GruTile<T>& tile) {
  using V = Vector<T>;
  const MaskOf<T> lanes = tile.lanes[0];
  const int64_t u = tile.units;
  const Activations<usual> f{tile.activation, tile.gate};
  V sums[rows][3];
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 3
    for (int g = 0; g < 3; g++) {
      sums[i][g] = load_masked(tile.bias + g * u, lanes);
      if (g < 2) sums[i][g] += load_masked(tile.projected + i * tile.gates_row + g * u, lanes);
    }
  add_products<T, rows, 3>(sums, tile.met, tile.scratch, tile.panel, u);
  const Stored<T, rows, 3> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++) {
    V gate[3] = {}, inner{}, h = load(tile.state + i * tile.scratch);
    if (counts(tile, i)) {
      inner = stored.at[i][2];
      gate[0] = f.template gates<T>(stored.at[i][0]);
      gate[1] = f.template gates<T>(stored.at[i][1]);
      gate[2] = f.template state<T>(fma(gate[1], inner, load_masked(tile.projected + i * tile.gates_row + 2 * u, lanes)));
      h = fma(gate[0], h - gate[2], gate[2]);
    }
    if (tile.gates)
#pragma GCC unroll 3
      for (int g = 0; g < 3; g++) store_masked(tile.gates + i * tile.gates_row + g * u, gate[g], lanes);
    if (tile.inner) store_masked(tile.inner + i * tile.h_row, inner, lanes);
    leave<T>(tile, i, 0, h, lanes);
  }
}

/** The gates z and r of a step with the reset before the product. */
template <class T, int rows, bool usual> __attribute__((noinline)) void gates_tile(const GruTile<T>& tile) {
  using V = Vector<T>;
  const MaskOf<T> lanes = tile.lanes[0];
  const int64_t u = tile.units;
  const Activations<usual> f{tile.activation, tile.gate};
  V sums[rows][2];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int g = 0; g < 2; g++) sums[i][g] = load_masked(tile.projected + i * tile.gates_row + g * u, lanes);
  add_products<T, rows, 2>(sums, tile.met, tile.scratch, tile.panel, u);
  const Stored<T, rows, 2> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++) {
    V gate[2] = {};
    if (counts(tile, i))
      for (int g = 0; g < 2; g++) gate[g] = f.template gates<T>(stored.at[i][g]);
    const V passed = gate[1] * load(tile.own + i * tile.scratch);
    store(tile.update + i * tile.scratch, gate[0]);
    store(tile.passed + i * tile.scratch, passed);
    if (tile.gates)
      for (int g = 0; g < 2; g++) store_masked(tile.gates + i * tile.gates_row + g * u, gate[g], lanes);
    if (tile.inner) store_masked(tile.inner + i * tile.h_row, passed, lanes);
  }
}

/** The proposed state of such a step, and the state after it. */
template <class T, int rows, int vectors, bool usual> __attribute__((noinline)) void proposed_tile(const GruTile<T>& tile) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  V sums[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      sums[i][v] = load_masked(tile.projected + i * tile.gates_row + 2 * tile.units + v * lanes_of<T>, tile.lanes[v]);
  add_products<T, rows, vectors, 2>(sums, tile.met, tile.scratch, tile.panel, tile.units);
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      V proposed{}, h = load(tile.state + at);
      if (counts(tile, i)) {
        proposed = f.template state<T>(stored.at[i][v]);
        h = fma(load(tile.update + at), h - proposed, proposed);
      }
      if (tile.gates) store_masked(tile.gates + i * tile.gates_row + 2 * tile.units + j, proposed, tile.lanes[v]);
      leave<T>(tile, i, j, h, tile.lanes[v]);
    }
}

template <class T, int height> using Tiles = std::array<void (*)(const GruTile<T>&), height>;
template <class T, bool usual, int... row> constexpr Tiles<T, sizeof...(row)> after_tiles(std::integer_sequence<int, row...>) {
  return {after_tile<T, row + 1, usual>...};
}
template <class T, bool usual, int... row> constexpr Tiles<T, sizeof...(row)> gates_tiles(std::integer_sequence<int, row...>) {
  return {gates_tile<T, row + 1, usual>...};
}
template <class T, int vectors, bool usual, int... row>
constexpr Tiles<T, sizeof...(row)> proposed_tiles(std::integer_sequence<int, row...>) {
  return {proposed_tile<T, row + 1, vectors, usual>...};
}

struct BindForward {
  template <class T> Step operator()(Call& call) const {
    const StepOptions options(call, 4, true);
    const bool after = call.attrs.flag("resetAfter");
    const View projected = call.in[0], recurrent = call.in[1], bias = call.in[2], h0 = call.in[3];
    const View h = call.out[0], last = call.out[1], gates = call.out[2], inner = call.out[3];
    const int64_t b = projected.dim(0), steps = projected.dim(1), u = recurrent.dim(0), row = scratch_row<T>(u);
    const RowChunks chunks(b);
    constexpr auto three = std::make_integer_sequence<int, step_rows<3>>();
    constexpr auto two = std::make_integer_sequence<int, step_rows<2>>();
    static constexpr std::array all_after = {after_tiles<T, false>(three), after_tiles<T, true>(three)};
    static constexpr std::array all_gates = {gates_tiles<T, false>(two), gates_tiles<T, true>(two)};
    static constexpr std::array all_proposed = {proposed_tiles<T, 1, false>(two), proposed_tiles<T, 2, false>(two),
                                                proposed_tiles<T, 1, true>(two), proposed_tiles<T, 2, true>(two)};
    const size_t usual = options.usual() ? 1 : 0;
    const View packed = call.scratch(size_t(padded_units<T>(u) * (after ? 3 : 2) * u) * sizeof(T));
    const View packed_proposed = after ? View() : call.scratch(size_t(packed_size<T>(u, u)) * sizeof(T));
    const LaneScratch memory(call, size_t((after ? 3 : 5) * chunks.most() * row) * sizeof(T));
    if (gates.used()) call.in_place(0, 2);
    return [=](const Frame& frame) {
      if (u == 0) return;
      const T* w = frame.at<const T>(recurrent);
      if (steps > 0) {
        pack_gates(w, u, 3 * u, u, after ? 3 : 2, frame.at<T>(packed), u * (after ? 3 : 2) * lanes_of<T>);
        if (!after) pack_panels<T>({w + 2 * u, 3 * u, 1}, u, u, 0, panels_of<T>(u), frame.at<T>(packed_proposed));
      }
      parallel(chunks.count, [&](int64_t chunk, int lane) {
        const int64_t begin = chunks.begin(chunk), rows = chunks.begin(chunk + 1) - begin;
        T* state = memory.at<T>(frame, lane);
        T *met = state + rows * row, *next = met + rows * row, *update = next + rows * row, *passed = update + rows * row;
        const T* scale = options.scaled ? frame.at<const T>(options.scale) + begin * u : nullptr;
        enter_states(frame.at<const T>(h0) + begin * u, scale, rows, u, row, state, met);
        GruTile<T> tile{};
        tile.units = u, tile.scratch = row;
        tile.gates_row = steps * 3 * u, tile.h_row = steps * u, tile.mask_row = steps;
        tile.activation = options.activation, tile.gate = options.gate;
        for (int64_t i = 0; i < steps; i++) {
          const int64_t at = begin * steps + options.place(i, steps);
          const auto place = [&](int64_t j, int64_t r0) {
            const int64_t first = at + r0 * steps;
            set_lanes<T>(u - j, tile.lanes);
            tile.projected = frame.at<const T>(projected) + first * 3 * u + j;
            tile.bias = frame.at<const T>(bias) + j;
            tile.gates = gates.used() ? frame.at<T>(gates) + first * 3 * u + j : nullptr;
            tile.inner = inner.used() ? frame.at<T>(inner) + first * u + j : nullptr;
            tile.h = h.used() ? frame.at<T>(h) + first * u + j : nullptr;
            tile.state = state + r0 * row + j;
            tile.next = next + r0 * row + j;
            tile.scale = scale ? scale + r0 * u + j : nullptr;
            tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
            tile.met = met + r0 * row;
            tile.own = met + r0 * row + j;
            if (after) return;
            tile.update = update + r0 * row + j;
            tile.passed = passed + r0 * row + j;
          };
          for (int64_t j = 0; j < u; j += lanes_of<T>) {
            tile.panel = frame.at<const T>(packed) + j * (after ? 3 : 2) * u;
            for_tiles(rows, after ? step_rows<3> : step_rows<2>, [&](int64_t r0, int64_t r1) {
              place(j, r0);
              if (after) all_after[usual][size_t(r1 - r0 - 1)](tile);
              else all_gates[usual][size_t(r1 - r0 - 1)](tile);
            });
          }
          if (!after)
            for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
              place(j, r0);
              tile.met = passed + r0 * row;
              tile.panel = frame.at<const T>(packed_proposed) + j * u;
              all_proposed[2 * usual + size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
            });
          std::swap(met, next);
        }
        if (last.used()) leave_states(state, rows, u, row, frame.at<T>(last) + begin * u);
      });
    };
  }
};

KERNEL(cpu, gru) { return bind_float(call, call.out[0].dtype, BindForward()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
