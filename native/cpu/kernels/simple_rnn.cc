// simpleRnn and simpleRnnGrad: all steps of a sequence in one call. A tile of rows and two vectors of units is summed in registers, forward
// to the states after a step, backward to the gradients of those before it.
#include <array>
#include <utility>

#include "recurrent_products.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and up to two vectors of units at one step. */
template <class T> struct UnitTile {
  const T* met;  // states, or gradients of the later step's sums [rows, units]
  const T* panel;
  int64_t sums, units, scratch, row;  // scratch: of rows in scratch memory; row: of rows in [b, t, units]
  const T* projected;                 // forward: what the sums start from
  T *h, *state, *next;
  const T *sequence, *output;  // backward: gradients of h, and h itself
  T *carry, *gradient, *initial;
  Slopes<T> slopes;
  int64_t unit, place, place_row;
  bool keep;
  const T* scale;
  const uint8_t* mask;
  int64_t mask_row;
  MaskOf<T> lanes[2];
  StepActivation activation;
};

template <class T, int rows, int vectors> __attribute__((noinline)) void forward_tile(const UnitTile<T>& tile) {
  using V = Vector<T>;
  V sums[rows][vectors];
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) sums[i][v] = load_masked(tile.projected + i * tile.row + v * lanes_of<T>, tile.lanes[v]);
  add_products<T, rows, vectors, 2>(sums, tile.met, tile.scratch, tile.panel, tile.sums);
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      const bool counts = !tile.mask || tile.mask[i * tile.mask_row];
      const V h = counts ? activate<T>(tile.activation, stored.at[i][v]) : load(tile.state + at);
      store(tile.state + at, h);
      store(tile.next + at, tile.scale ? h * load_masked(tile.scale + i * tile.units + j, tile.lanes[v]) : h);
      if (tile.h) store_masked(tile.h + i * tile.row + j, h, tile.lanes[v]);
    }
}

template <class T, int rows, int vectors> __attribute__((noinline)) void backward_tile(const UnitTile<T>& tile) {
  using V = Vector<T>;
  V sums[rows][vectors] = {};
  add_products<T, rows, vectors, 2>(sums, tile.met, tile.scratch, tile.panel, tile.sums);
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      V dh = stored.at[i][v];
      if (tile.scale) dh *= load_masked(tile.scale + i * tile.units + j, tile.lanes[v]);
      if (tile.carry) dh += load(tile.carry + at);
      if (tile.initial) {
        store_masked(tile.initial + i * tile.units + j, dh, tile.lanes[v]);
        continue;
      }
      if (tile.sequence) dh += load_masked(tile.sequence + i * tile.row + j, tile.lanes[v]);
      const bool counts = !tile.mask || tile.mask[i * tile.mask_row];
      const V gradient = counts ? slope<T>(tile.activation, dh, load_masked(tile.output + i * tile.row + j, tile.lanes[v])) : V{};
      if (tile.keep && tile.carry) store(tile.carry + at, counts ? V{} : dh);
      store(tile.next + at, gradient);
      if (tile.slopes.data) store(tile.slopes.at(0, tile.unit + j, tile.place + i * tile.place_row), gradient);
      if (tile.gradient) store_masked(tile.gradient + i * tile.row + j, gradient, tile.lanes[v]);
    }
}

template <class T> using Tiles = std::array<std::array<void (*)(const UnitTile<T>&), step_rows<2>>, 2>;
template <class T, int... row> constexpr Tiles<T> forward_tiles(std::integer_sequence<int, row...>) {
  return {{{forward_tile<T, row + 1, 1>...}, {forward_tile<T, row + 1, 2>...}}};
}
template <class T, int... row> constexpr Tiles<T> backward_tiles(std::integer_sequence<int, row...>) {
  return {{{backward_tile<T, row + 1, 1>...}, {backward_tile<T, row + 1, 2>...}}};
}
constexpr auto tile_heights = std::make_integer_sequence<int, step_rows<2>>();

struct BindForward {
  template <class T> Step operator()(Call& call) const {
    const StepOptions options(call, 3, false);
    const View projected = call.in[0], recurrent = call.in[1], h0 = call.in[2], h = call.out[0], last = call.out[1];
    const int64_t b = projected.dim(0), steps = projected.dim(1), u = recurrent.dim(0), row = scratch_row<T>(u);
    const RowChunks chunks(b);
    static constexpr Tiles<T> tiles = forward_tiles<T>(tile_heights);
    const View packed = call.scratch(size_t(packed_size<T>(u, u)) * sizeof(T));
    const LaneScratch memory(call, size_t(3 * chunks.most() * row) * sizeof(T));
    return [=](const Frame& frame) {
      if (u == 0) return;
      if (steps > 0) pack_panels<T>({frame.at<const T>(recurrent), u, 1}, u, u, 0, panels_of<T>(u), frame.at<T>(packed));
      parallel(chunks.count, [&](int64_t chunk, int lane) {
        const int64_t begin = chunks.begin(chunk), rows = chunks.begin(chunk + 1) - begin;
        T* state = memory.at<T>(frame, lane);
        T *met = state + rows * row, *next = met + rows * row;
        const T* scale = options.scaled ? frame.at<const T>(options.scale) + begin * u : nullptr;
        enter_states(frame.at<const T>(h0) + begin * u, scale, rows, u, row, state, met);
        UnitTile<T> tile{};
        tile.sums = tile.units = u, tile.scratch = row, tile.row = steps * u, tile.mask_row = steps;
        tile.activation = options.activation;
        for (int64_t i = 0; i < steps; i++) {
          const int64_t at = begin * steps + options.place(i, steps);
          for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
            const int64_t first = at + r0 * steps;
            set_lanes<T>(u - j, tile.lanes);
            tile.panel = frame.at<const T>(packed) + j * u;
            tile.met = met + r0 * row;
            tile.projected = frame.at<const T>(projected) + first * u + j;
            tile.h = h.used() ? frame.at<T>(h) + first * u + j : nullptr;
            tile.state = state + r0 * row + j;
            tile.next = next + r0 * row + j;
            tile.scale = scale ? scale + r0 * u + j : nullptr;
            tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
            tiles[size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
          });
          std::swap(met, next);
        }
        if (last.used()) leave_states(state, rows, u, row, frame.at<T>(last) + begin * u);
      });
    };
  }
};

struct BindGradient {
  template <class T> Step operator()(Call& call) const {
    const bool sequence = call.attrs.flag("sequence"), last = call.attrs.flag("last");
    size_t next = 0;
    const View of_h = sequence ? call.in[next++] : View(), of_last = last ? call.in[next++] : View();
    const View recurrent = call.in[next], h0 = call.in[next + 1], h = call.in[next + 2];
    const StepOptions options(call, next + 3, false);
    const View projected = call.out[0], weights = call.out[1], dh0 = call.out[2];
    const int64_t b = h.dim(0), steps = h.dim(1), u = recurrent.dim(0), row = scratch_row<T>(u);
    const RowChunks chunks(b);
    static constexpr Tiles<T> all = backward_tiles<T>(tile_heights);
    const Tiles<T>& tiles = all;
    const View packed = call.scratch(size_t(packed_size<T>(u, u)) * sizeof(T));
    const LaneScratch memory(call, size_t(3 * chunks.most() * row) * sizeof(T));
    const SequenceProducts<T> products(call, chunks, steps, u, {1, 1, in_order}, ProjectionGradient(call, 3),
                                       {{PlaceSum::Of::states, u, 0, 1, in_order, weights}});
    return [=](const Frame& frame) {
      if (u == 0) return;
      if (steps > 0) pack_panels<T>({frame.at<const T>(recurrent), 1, u}, u, u, 0, panels_of<T>(u), frame.at<T>(packed));
      products.start(frame);
      const MetStates<T> met = options.met_states(frame, frame.at<const T>(h0), frame.at<const T>(h), steps, u);
      products.back(frame, met, options.reverse, [&](int64_t begin, int64_t rows, int lane, auto&& back_through_steps) {
        T* carry = memory.at<T>(frame, lane);
        T *later = carry + rows * row, *gradient = later + rows * row;
        enter_rows(last ? frame.at<const T>(of_last) + begin * u : nullptr, rows, u, row, carry);
        UnitTile<T> tile{};
        tile.units = u, tile.scratch = row, tile.row = steps * u, tile.mask_row = steps;
        tile.keep = options.masked;
        tile.activation = options.activation;
        const auto run_step = [&](const Block& block, const Slopes<T>& slopes, int64_t i) {
          const int64_t at = begin * steps + options.place(std::max<int64_t>(i, 0), steps);
          tile.sums = i == steps - 1 ? 0 : u;
          tile.slopes = slopes;
          tile.place_row = block.length();
          for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
            const int64_t first = at + r0 * steps, batch = (begin + r0) * u + j;
            set_lanes<T>(u - j, tile.lanes);
            tile.panel = frame.at<const T>(packed) + j * u;
            tile.met = later + r0 * row;
            tile.carry = i == steps - 1 || options.masked ? carry + r0 * row + j : nullptr;
            tile.scale = options.scaled ? frame.at<const T>(options.scale) + batch : nullptr;
            tile.initial = i < 0 ? frame.at<T>(dh0) + batch : nullptr;
            if (i >= 0) {
              tile.sequence = sequence ? frame.at<const T>(of_h) + first * u + j : nullptr;
              tile.output = frame.at<const T>(h) + first * u + j;
              tile.next = gradient + r0 * row + j;
              tile.unit = j, tile.place = block.place(i) + r0 * block.length();
              tile.gradient = projected.used() ? frame.at<T>(projected) + first * u + j : nullptr;
              tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
            }
            tiles[size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
          });
          std::swap(later, gradient);
        };
        back_through_steps(run_step);
        if (dh0.used()) run_step(Block{}, Slopes<T>{}, -1);
      });
    };
  }
};

KERNEL(cpu, simpleRnn) { return bind_float(call, call.out[0].dtype, BindForward()); }
KERNEL(cpu, simpleRnnGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, simpleRnnGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
