// gruGrad: back through all steps in one call, as in lstm_grad.cc. With the reset before the product, the gradient of the reset gate needs a
// product of its own in every step. Slopes for the products that follow are in the order candidate, z, r, and with the reset after the
// product what meets the recurrent weights in the candidate's place: the first three are the projection's, the last three the state's.
#include <array>
#include <utility>

#include "recurrent_products.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and up to two vectors of units at one step. */
template <class T> struct BackTile {
  const T* later;  // gradients that meet the weights: of the later step's sums, or of the proposed state [rows, ...]
  const T* panel;
  int64_t later_row, sums, units, scratch;
  const T* sequence;  // null, or gradients of h
  const T *gates, *inner, *prior;
  int64_t gates_row, h_row, prior_row;
  T *carry, *gradient, *projected;  // gradient: [rows, 3 * padded] (reset before: z and r alone)
  int64_t gradient_row, padded;
  T* proposed;  // reset before: gradients of the proposed state
  Slopes<T> slopes;
  int64_t unit, place, place_row;
  const T* scale;
  const uint8_t* mask;
  int64_t mask_row;
  T* initial;  // the states before all steps: no gates
  MaskOf<T> lanes[2];
  StepActivation activation, gate;
};

template <class T, bool usual, bool after>
WEFT_INLINE void back_through_gates(const BackTile<T>& tile, int i, int64_t j, MaskOf<T> lanes, Vector<T> dh) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  const int64_t u = tile.units;
  if (tile.sequence) dh += load_masked(tile.sequence + i * tile.h_row + j, lanes);
  V carry = dh, update{}, reset{}, proposed{}, inner{};
  if (!tile.mask || tile.mask[i * tile.mask_row]) {
    const T* gates = tile.gates + i * tile.gates_row + j;
    const V z = load_masked(gates, lanes), r = load_masked(gates + u, lanes), candidate = load_masked(gates + 2 * u, lanes);
    carry = dh * z;
    update = f.template gate_slope<T>(dh * (load_masked(tile.prior + i * tile.prior_row + j, lanes) - candidate), z);
    proposed = f.template state_slope<T>(dh - carry, candidate);
    if constexpr (after) {
      reset = f.template gate_slope<T>(proposed * load_masked(tile.inner + i * tile.h_row + j, lanes), r);
      inner = proposed * r;
    }
  }
  store(tile.carry + i * tile.scratch + j, carry);
  T* gradient = tile.gradient + i * tile.gradient_row + j;
  store(gradient, update);
  if constexpr (after) {
    store(gradient + tile.padded, reset);
    store(gradient + 2 * tile.padded, inner);
  } else {
    store(tile.proposed + i * tile.scratch + j, proposed);
  }
  if (tile.slopes.data) {
    const int64_t unit = tile.unit + j, place = tile.place + i * tile.place_row;
    store(tile.slopes.at(0, unit, place), proposed);
    store(tile.slopes.at(1, unit, place), update);
    if constexpr (after) {
      store(tile.slopes.at(2, unit, place), reset);
      store(tile.slopes.at(3, unit, place), inner);
    }
  }
  if (!tile.projected) return;
  T* projected = tile.projected + i * tile.gates_row + j;
  store_masked(projected, update, lanes);
  if constexpr (after) store_masked(projected + u, reset, lanes);
  store_masked(projected + 2 * u, proposed, lanes);
}

template <class T, int rows, int vectors, bool usual, bool after> __attribute__((noinline)) void state_tile(const BackTile<T>& tile) {
  using V = Vector<T>;
  V sums[rows][vectors] = {};
  add_products<T, rows, vectors, 2>(sums, tile.later, tile.later_row, tile.panel, tile.sums);
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>;
      V dh = stored.at[i][v];
      if (tile.scale) dh *= load_masked(tile.scale + i * tile.units + j, tile.lanes[v]);
      dh += load(tile.carry + i * tile.scratch + j);
      if (tile.initial) store_masked(tile.initial + i * tile.units + j, dh, tile.lanes[v]);
      else back_through_gates<T, usual, after>(tile, i, j, tile.lanes[v], dh);
    }
}

/** Reset before the product: from the gradient of the proposed state to the reset gate and the state it lets through. */
template <class T, int rows, int vectors, bool usual> __attribute__((noinline)) void reset_tile(const BackTile<T>& tile) {
  using V = Vector<T>;
  const Activations<usual> f{tile.activation, tile.gate};
  V sums[rows][vectors] = {};
  add_products<T, rows, vectors, 2>(sums, tile.later, tile.later_row, tile.panel, tile.sums);
  const Stored<T, rows, vectors> stored(sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 1
    for (int v = 0; v < vectors; v++) {
      const int64_t j = v * lanes_of<T>, at = i * tile.scratch + j;
      const MaskOf<T> lanes = tile.lanes[v];
      // where the step does not count the sum is 0
      V passed = stored.at[i][v];
      if (tile.scale) passed *= load_masked(tile.scale + i * tile.units + j, lanes);
      const V r = load_masked(tile.gates + i * tile.gates_row + tile.units + j, lanes);
      const V reset = f.template gate_slope<T>(passed * load_masked(tile.prior + i * tile.prior_row + j, lanes), r);
      store(tile.carry + at, fma(passed, r, load(tile.carry + at)));
      store(tile.gradient + i * tile.gradient_row + tile.padded + j, reset);
      if (tile.slopes.data) store(tile.slopes.at(2, tile.unit + j, tile.place + i * tile.place_row), reset);
      if (tile.projected) store_masked(tile.projected + i * tile.gates_row + tile.units + j, reset, lanes);
    }
}

template <class T> using Tiles = std::array<std::array<void (*)(const BackTile<T>&), step_rows<2>>, 2>;
template <class T, bool usual, bool after, int... row> constexpr Tiles<T> state_tiles(std::integer_sequence<int, row...>) {
  return {{{state_tile<T, row + 1, 1, usual, after>...}, {state_tile<T, row + 1, 2, usual, after>...}}};
}
template <class T, bool usual, int... row> constexpr Tiles<T> reset_tiles(std::integer_sequence<int, row...>) {
  return {{{reset_tile<T, row + 1, 1, usual>...}, {reset_tile<T, row + 1, 2, usual>...}}};
}

/** The views of a call. */
struct GruGrad {
  bool sequence, last, after;
  View of_h, of_last, recurrent, h0, h, gates, inner, projected, weights, bias, dh0;
  size_t first;  // index of recurrent among the inputs

  explicit GruGrad(const Call& call)
      : sequence(call.attrs.flag("sequence")), last(call.attrs.flag("last")), after(call.attrs.flag("resetAfter")) {
    first = 0;
    if (sequence) of_h = call.in[first++];
    if (last) of_last = call.in[first++];
    recurrent = call.in[first], h0 = call.in[first + 2], h = call.in[first + 3], gates = call.in[first + 4], inner = call.in[first + 5];
    projected = call.out[0], weights = call.out[1], bias = call.out[2], dh0 = call.out[3];
  }
};

struct BindGradient {
  template <class T> Step operator()(Call& call) const {
    const GruGrad v(call);
    const StepOptions options(call, v.first + 6, true);
    const bool after = v.after;
    const int64_t b = v.gates.dim(0), steps = v.gates.dim(1), u = v.recurrent.dim(0);
    const int64_t padded = padded_units<T>(u), deep = (after ? 3 : 2) * padded, row = scratch_row<T>(u), wide_row = scratch_row<T>(deep);
    const RowChunks chunks(b);
    constexpr auto heights = std::make_integer_sequence<int, step_rows<2>>();
    static constexpr std::array all_after = {state_tiles<T, false, true>(heights), state_tiles<T, true, true>(heights)};
    static constexpr std::array all_before = {state_tiles<T, false, false>(heights), state_tiles<T, true, false>(heights)};
    static constexpr std::array all_reset = {reset_tiles<T, false>(heights), reset_tiles<T, true>(heights)};
    const size_t usual = options.usual() ? 1 : 0;
    const Tiles<T>&states = after ? all_after[usual] : all_before[usual], &resets = all_reset[usual];

    const View packed = call.scratch(size_t(packed_size<T>(deep, u)) * sizeof(T));
    const View packed_proposed = after ? View() : call.scratch(size_t(packed_size<T>(padded, u)) * sizeof(T));
    const LaneScratch memory(call, size_t(chunks.most() * 2 * (row + wide_row)) * sizeof(T));
    using Of = PlaceSum::Of;
    const std::vector<PlaceSum> sums =
        after ? std::vector<PlaceSum>{{Of::states, u, 1, 3, in_order, v.weights}, {Of::ones, 1, 1, 3, in_order, v.bias}}
              : std::vector<PlaceSum>{{Of::states, u, 1, 2, in_order, v.weights}, {Of::inner, u, 0, 1, {2}, v.weights}};
    const SequenceProducts<T> products(call, chunks, steps, u, {after ? 4 : 3, 3, {2, 0, 1}}, ProjectionGradient(call, 4), sums, v.inner);
    if (v.projected.used()) call.in_place(v.first + 4, 0);

    return [=, &states, &resets](const Frame& frame) {
      if (!after && v.bias.used()) std::fill_n(frame.at<T>(v.bias), 3 * u, T(0));
      if (u == 0) return;
      const T* w = frame.at<const T>(v.recurrent);
      if (steps > 0) {
        pack_transposed_gates(w, u, 3, u, in_order, after ? 3 : 2, frame.at<T>(packed));
        if (!after) pack_transposed_gates(w, u, 3, u, {2}, 1, frame.at<T>(packed_proposed));
      }
      products.start(frame);
      const MetStates<T> met = options.met_states(frame, frame.at<const T>(v.h0), frame.at<const T>(v.h), steps, u);
      products.back(frame, met, options.reverse, [&](int64_t begin, int64_t rows, int lane, auto&& back_through_steps) {
        T* carry = memory.at<T>(frame, lane);
        T *proposed = carry + rows * row, *later = proposed + rows * row, *gradient = later + rows * wide_row;
        enter_rows(v.last ? frame.at<const T>(v.of_last) + begin * u : nullptr, rows, u, row, carry);
        std::fill_n(proposed, rows * row, T(0));
        BackTile<T> tile{};
        tile.units = u, tile.padded = padded, tile.scratch = row, tile.gradient_row = wide_row;
        tile.gates_row = steps * 3 * u, tile.h_row = steps * u, tile.mask_row = steps;
        tile.activation = options.activation, tile.gate = options.gate;
        const auto run_step = [&](const Block& block, const Slopes<T>& slopes, int64_t i) {
          const int64_t at = begin * steps + options.place(std::max<int64_t>(i, 0), steps);
          const int64_t before = begin * steps + options.place(std::max<int64_t>(i - 1, 0), steps);
          tile.slopes = slopes;
          tile.place_row = block.length();
          const auto place = [&](int64_t j, int64_t r0) {
            const int64_t first = at + r0 * steps, batch = (begin + r0) * u + j;
            set_lanes<T>(u - j, tile.lanes);
            tile.carry = carry + r0 * row + j;
            tile.scale = options.scaled ? frame.at<const T>(options.scale) + batch : nullptr;
            tile.initial = i < 0 ? frame.at<T>(v.dh0) + batch : nullptr;
            if (i < 0) return;
            tile.sequence = v.sequence ? frame.at<const T>(v.of_h) + first * u + j : nullptr;
            tile.gates = frame.at<const T>(v.gates) + first * 3 * u + j;
            tile.inner = frame.at<const T>(v.inner) + first * u + j;
            tile.prior = i == 0 ? frame.at<const T>(v.h0) + batch : frame.at<const T>(v.h) + (before + r0 * steps) * u + j;
            tile.prior_row = i == 0 ? u : steps * u;
            tile.gradient = gradient + r0 * wide_row + j;
            tile.unit = j, tile.place = block.place(i) + r0 * block.length();
            tile.projected = v.projected.used() ? frame.at<T>(v.projected) + first * 3 * u + j : nullptr;
            tile.proposed = proposed + r0 * row + j;
            tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + first : nullptr;
          };
          tile.sums = i == steps - 1 ? 0 : deep;
          tile.later_row = wide_row;
          for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
            place(j, r0);
            tile.later = later + r0 * wide_row;
            tile.panel = frame.at<const T>(packed) + j * deep;
            states[size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
          });
          if (!after && i >= 0) {
            tile.sums = padded;
            tile.later_row = row;
            for_unit_tiles<T>(rows, u, [&](int64_t j, int vectors, int64_t r0, int64_t r1) {
              place(j, r0);
              tile.later = proposed + r0 * row;
              tile.panel = frame.at<const T>(packed_proposed) + j * padded;
              resets[size_t(vectors - 1)][size_t(r1 - r0 - 1)](tile);
            });
          }
          std::swap(later, gradient);
        };
        back_through_steps(run_step);
        if (v.dh0.used()) run_step(Block{}, Slopes<T>{}, -1);
      });
    };
  }
};

KERNEL(cpu, gruGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, gruGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
