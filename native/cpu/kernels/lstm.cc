// lstm: all steps of a sequence in one call. The recurrent weights are packed once, so that one panel holds the four gates of a vector of
// units; a tile of rows and one panel are summed in registers and leave them as gates, cells and states.
#include <array>
#include <utility>

#include "recurrent.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and one vector of units at one step. Steps of a row are `row` elements apart in what is [b, t, n]. */
template <class T> struct Tile4 {
  const T* met;  // states that meet the weights [rows, units]
  const T* panel;
  int64_t units, scratch;  // scratch: distance of rows in met, state, cell, next
  const T* projected;      // [rows] of 4 gates, `units` apart
  T *gates, *cells, *h;    // null: nobody reads them
  int64_t gates_row, h_row;
  T *state, *cell, *next;
  const T* scale;       // null, or [rows, units]
  const uint8_t* mask;  // null, or one per row, mask_row apart
  int64_t mask_row;
  MaskOf<T> lanes;
  StepActivation activation, gate;
};

template <class T, int rows, bool usual> __attribute__((noinline)) void run_tile(const Tile4<T>& tile) {
  using V = Vector<T>;
  const MaskOf<T> lanes = tile.lanes;
  const int64_t u = tile.units;
  const Activations<usual> f{tile.activation, tile.gate};
  V z[rows][4] = {};
  // lines that lie pages apart: fetched while the sums run
  for (int i = 0; i < rows; i++)
    for (int g = 0; g < 4; g++) __builtin_prefetch(tile.projected + i * tile.gates_row + g * u);
  add_products<T, rows, 4>(z, tile.met, tile.scratch, tile.panel, u);
  Stored<T, rows, 4> sums(z);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++) {
    const int64_t at = i * tile.scratch;
    V *gate = sums.at[i], c = load(tile.cell + at), h = load(tile.state + at);
    if (!tile.mask || tile.mask[i * tile.mask_row]) {
      for (int g = 0; g < 4; g++) gate[g] += load_masked(tile.projected + i * tile.gates_row + g * u, lanes);
      gate[0] = f.template gates<T>(gate[0]);
      gate[1] = f.template gates<T>(gate[1]);
      gate[2] = f.template state<T>(gate[2]);
      gate[3] = f.template gates<T>(gate[3]);
      c = fma(gate[1], c, gate[0] * gate[2]);
      h = gate[3] * f.template state<T>(c);
      store(tile.cell + at, c);
      store(tile.state + at, h);
    } else {
      for (int g = 0; g < 4; g++) gate[g] = V{};
    }
    store(tile.next + at, tile.scale ? h * load_masked(tile.scale + i * u, lanes) : h);
    if (tile.gates)
#pragma GCC unroll 4
      for (int g = 0; g < 4; g++) store_masked(tile.gates + i * tile.gates_row + g * u, gate[g], lanes);
    if (tile.cells) store_masked(tile.cells + i * tile.h_row, c, lanes);
    if (tile.h) store_masked(tile.h + i * tile.h_row, h, lanes);
  }
}

template <class T, bool usual, int... row> constexpr auto tiles_of(std::integer_sequence<int, row...>) {
  return std::array<void (*)(const Tile4<T>&), sizeof...(row)>{run_tile<T, row + 1, usual>...};
}

struct BindForward {
  template <class T> Step operator()(Call& call) const {
    const StepOptions options(call, 4, true);
    const View projected = call.in[0], recurrent = call.in[1], h0 = call.in[2], c0 = call.in[3];
    const View h = call.out[0], last = call.out[1], cell = call.out[2], gates = call.out[3], cells = call.out[4];
    const int64_t b = projected.dim(0), steps = projected.dim(1), u = recurrent.dim(0), row = scratch_row<T>(u);
    const RowChunks chunks(b);
    constexpr auto sequence = std::make_integer_sequence<int, step_rows<4>>();
    static constexpr auto usual = tiles_of<T, true>(sequence), any = tiles_of<T, false>(sequence);
    const auto& tiles = options.usual() ? usual : any;
    const View packed = call.scratch(size_t(padded_units<T>(u) * 4 * u) * sizeof(T));
    const LaneScratch states(call, size_t(4 * chunks.most() * row) * sizeof(T));
    if (gates.used()) call.in_place(0, 3);
    return [=](const Frame& frame) {
      if (u == 0) return;
      if (steps > 0) pack_gates(frame.at<const T>(recurrent), u, 4 * u, u, 4, frame.at<T>(packed));
      parallel(chunks.count, [&](int64_t chunk, int lane) {
        const int64_t begin = chunks.begin(chunk), rows = chunks.begin(chunk + 1) - begin;
        T* state = states.at<T>(frame, lane);
        T *c = state + rows * row, *met = c + rows * row, *next = met + rows * row;
        const T* scale = options.scaled ? frame.at<const T>(options.scale) + begin * u : nullptr;
        enter_states(frame.at<const T>(h0) + begin * u, scale, rows, u, row, state, met);
        enter_rows(frame.at<const T>(c0) + begin * u, rows, u, row, c);
        Tile4<T> tile{};
        tile.units = u, tile.scratch = row;
        tile.gates_row = steps * 4 * u, tile.h_row = steps * u, tile.mask_row = steps;
        tile.activation = options.activation, tile.gate = options.gate;
        for (int64_t i = 0; i < steps; i++) {
          const int64_t at = begin * steps + options.place(i, steps);
          for (int64_t j = 0; j < u; j += lanes_of<T>) {
            tile.panel = frame.at<const T>(packed) + j * 4 * u;
            tile.lanes = lanes_below<T>(int(std::min<int64_t>(lanes_of<T>, u - j)));
            for_tiles(rows, step_rows<4>, [&](int64_t r0, int64_t r1) {
              const int64_t first = at + r0 * steps;
              tile.met = met + r0 * row;
              tile.projected = frame.at<const T>(projected) + first * 4 * u + j;
              tile.gates = gates.used() ? frame.at<T>(gates) + first * 4 * u + j : nullptr;
              tile.cells = cells.used() ? frame.at<T>(cells) + first * u + j : nullptr;
              tile.h = h.used() ? frame.at<T>(h) + first * u + j : nullptr;
              tile.state = state + r0 * row + j;
              tile.cell = c + r0 * row + j;
              tile.next = next + r0 * row + j;
              tile.scale = scale ? scale + r0 * u + j : nullptr;
              tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
              tiles[size_t(r1 - r0 - 1)](tile);
            });
          }
          std::swap(met, next);
        }
        if (last.used()) leave_states(state, rows, u, row, frame.at<T>(last) + begin * u);
        if (cell.used()) leave_states(c, rows, u, row, frame.at<T>(cell) + begin * u);
      });
    };
  }
};

KERNEL(cpu, lstm) { return bind_float(call, call.out[0].dtype, BindForward()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
