// lstmGrad: back through all steps in one call. A tile of rows and two vectors of units sums the gradient of their states from the gates of
// the later step in registers, and goes on from there to the gates of this one.
#include <array>
#include <utility>

#include "recurrent_products.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and up to two vectors of units at one step. */
template <class T> struct BackTile {
  const T* later;  // gradients of the later step's gates [rows, 4 * units]
  const T* panel;
  int64_t later_row, sums, units, scratch;  // sums: 4 * padded, or 0 at the last step
  const T* sequence;                        // null, or gradients of h [rows, units]
  const T *gates, *cells, *prior;           // prior: cells before the step
  int64_t gates_row, h_row, prior_row;
  T *cell, *carry, *gradient, *projected;  // carry: gradients that come past the gates; gradient: [rows, 4 * padded] for the earlier step
  Slopes<T> slopes;                        // for the products of the block
  int64_t unit, place, place_row, padded;
  const T* scale;
  const uint8_t* mask;
  int64_t mask_row;
  T* initial;  // the states before all steps: no gates
  bool keep;   // carry holds values for the earlier step
  MaskOf<T> lanes[2];
  StepActivation activation, gate;
};

template <class T, bool usual>
WEFT_INLINE void back_through_gates(const BackTile<T>& tile, int i, int64_t j, MaskOf<T> lanes, Vector<T> dh) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  const int64_t u = tile.units, at = i * tile.scratch + j;
  if (tile.sequence) dh += load_masked(tile.sequence + i * tile.h_row + j, lanes);
  V d[4] = {};
  if (!tile.mask || tile.mask[i * tile.mask_row]) {
    V gate[4];
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) gate[g] = load_masked(tile.gates + i * tile.gates_row + g * u + j, lanes);
    const V out = f.template state<T>(load_masked(tile.cells + i * tile.h_row + j, lanes));
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
    store(tile.gradient + i * tile.later_row + g * tile.padded + j, d[g]);
    if (tile.slopes.data) store(tile.slopes.at(g, tile.unit + j, tile.place + i * tile.place_row), d[g]);
    if (tile.projected) store_masked(tile.projected + i * tile.gates_row + g * u + j, d[g], lanes);
  }
}

/** Brings what a row needs behind its sums to the second-level cache. */
template <class T> WEFT_INLINE void fetch_row(const BackTile<T>& tile, int64_t i, int vectors) {
  if (tile.initial) return;
  for (int64_t j = 0; j < vectors * lanes_of<T>; j += lanes_of<T>) {
    for (int64_t g = 0; g < 4; g++) __builtin_prefetch(tile.gates + i * tile.gates_row + g * tile.units + j, 0, 2);
    __builtin_prefetch(tile.cells + i * tile.h_row + j, 0, 2);
    __builtin_prefetch(tile.prior + i * tile.prior_row + j, 0, 2);
    if (tile.sequence) __builtin_prefetch(tile.sequence + i * tile.h_row + j, 0, 2);
  }
}

template <class T, int rows, int vectors, bool usual> __attribute__((noinline)) void run_tile(const BackTile<T>& tile) {
  using V = Vector<T>;
  V sums[rows][vectors] = {};
  // the gates of a row lie pages from those of the next: each row's are fetched while a share of the sums runs
  for (int64_t i = 0; i < rows; i++) {
    fetch_row(tile, i, vectors);
    const int64_t begin = tile.sums * i / rows, end = tile.sums * (i + 1) / rows;
    add_products<T, rows, vectors, 2>(sums, tile.later + begin, tile.later_row, tile.panel + begin * tile_columns<T>, end - begin);
  }
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>;
      V dh = stored.at[i][v];
      if (tile.scale) dh *= load_masked(tile.scale + i * tile.units + j, tile.lanes[v]);
      if (tile.carry) dh += load(tile.carry + i * tile.scratch + j);
      if (tile.initial) store_masked(tile.initial + i * tile.units + j, dh, tile.lanes[v]);
      else back_through_gates<T, usual>(tile, i, j, tile.lanes[v], dh);
    }
}

template <class T, int vectors, bool usual, int... row> constexpr auto tiles_of(std::integer_sequence<int, row...>) {
  return std::array<void (*)(const BackTile<T>&), sizeof...(row)>{run_tile<T, row + 1, vectors, usual>...};
}

struct BindGradient {
  template <class T> Step operator()(Call& call) const {
    const bool sequence = call.attrs.flag("sequence"), last = call.attrs.flag("last"), cell = call.attrs.flag("cell");
    size_t next = 0;
    const View of_h = sequence ? call.in[next++] : View(), of_last = last ? call.in[next++] : View();
    const View of_cell = cell ? call.in[next++] : View();
    const View recurrent = call.in[next], h0 = call.in[next + 1], c0 = call.in[next + 2], h = call.in[next + 3];
    const View gates = call.in[next + 4], cells = call.in[next + 5];
    const StepOptions options(call, next + 6, true);
    const View projected = call.out[0], weights = call.out[1], dh0 = call.out[2], dc0 = call.out[3];
    const int64_t b = gates.dim(0), steps = gates.dim(1), u = recurrent.dim(0), padded = padded_units<T>(u);
    const int64_t row = scratch_row<T>(u), wide_row = scratch_row<T>(4 * padded);
    const RowChunks chunks(b);

    constexpr auto numbers = std::make_integer_sequence<int, step_rows<2>>();
    static constexpr std::array usual = {tiles_of<T, 1, true>(numbers), tiles_of<T, 2, true>(numbers)};
    static constexpr std::array any = {tiles_of<T, 1, false>(numbers), tiles_of<T, 2, false>(numbers)};
    const auto& tiles = options.usual() ? usual : any;

    const View packed = call.scratch(size_t(packed_size<T>(4 * padded, u)) * sizeof(T));
    const LaneScratch memory(call, size_t(chunks.most() * 2 * (row + wide_row)) * sizeof(T));
    const SequenceProducts<T> products(call, chunks, steps, u, {4, 4, in_order}, ProjectionGradient(call, 4),
                                       {{PlaceSum::Of::states, u, 0, 4, in_order, weights}});
    if (projected.used()) call.in_place(next + 4, 0);

    return [=](const Frame& frame) {
      if (u == 0) return;
      if (steps > 0) pack_transposed_gates(frame.at<const T>(recurrent), u, 4, u, in_order, 4, frame.at<T>(packed));
      products.start(frame);
      const MetStates<T> met = options.met_states(frame, frame.at<const T>(h0), frame.at<const T>(h), steps, u);
      products.back(frame, met, options.reverse, [&](int64_t begin, int64_t rows, int lane, auto&& back_through_steps) {
        T* dc = memory.at<T>(frame, lane);
        T *carry = dc + rows * row, *later = carry + rows * row, *gradient = later + rows * wide_row;
        enter_rows(cell ? frame.at<const T>(of_cell) + begin * u : nullptr, rows, u, row, dc);
        enter_rows(last ? frame.at<const T>(of_last) + begin * u : nullptr, rows, u, row, carry);
        BackTile<T> tile{};
        tile.later_row = wide_row, tile.units = u, tile.scratch = row, tile.padded = padded;
        tile.gates_row = steps * 4 * u, tile.h_row = steps * u, tile.mask_row = steps;
        tile.keep = options.masked;
        tile.activation = options.activation, tile.gate = options.gate;
        const auto run_step = [&](const Block& block, const Slopes<T>& slopes, int64_t i) {
          const int64_t at = begin * steps + options.place(std::max<int64_t>(i, 0), steps);
          const int64_t before = begin * steps + options.place(std::max<int64_t>(i - 1, 0), steps);
          tile.sums = i == steps - 1 ? 0 : 4 * padded;
          tile.slopes = slopes;
          tile.place_row = block.length();
          for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
            const int64_t first = at + r0 * steps, batch = (begin + r0) * u + j;
            set_lanes<T>(u - j, tile.lanes);
            tile.panel = frame.at<const T>(packed) + j * 4 * padded;
            tile.later = later + r0 * wide_row;
            tile.carry = i == steps - 1 || options.masked ? carry + r0 * row + j : nullptr;
            tile.scale = options.scaled ? frame.at<const T>(options.scale) + batch : nullptr;
            tile.initial = i < 0 ? frame.at<T>(dh0) + batch : nullptr;
            if (i >= 0) {
              tile.sequence = sequence ? frame.at<const T>(of_h) + first * u + j : nullptr;
              tile.gates = frame.at<const T>(gates) + first * 4 * u + j;
              tile.cells = frame.at<const T>(cells) + first * u + j;
              tile.prior = i == 0 ? frame.at<const T>(c0) + batch : frame.at<const T>(cells) + (before + r0 * steps) * u + j;
              tile.prior_row = i == 0 ? u : steps * u;
              tile.cell = dc + r0 * row + j;
              tile.gradient = gradient + r0 * wide_row + j;
              tile.unit = j, tile.place = block.place(i) + r0 * block.length();
              tile.projected = projected.used() ? frame.at<T>(projected) + first * 4 * u + j : nullptr;
              tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
            }
            tiles[size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
          });
          std::swap(later, gradient);
        };
        back_through_steps(run_step);
        if (dh0.used()) run_step(Block{}, Slopes<T>{}, -1);
        if (dc0.used()) leave_states(dc, rows, u, row, frame.at<T>(dc0) + begin * u);
      });
    };
  }
};

KERNEL(cpu, lstmGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, lstmGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
