// Recurrences backward, all steps of a sequence in one call. A tile of rows and two vectors of units sums the gradient
// of their states from the slopes of the later step, and goes on from there to the gates of this one. With gru's reset
// before the product, the gradient of the reset gate needs a product of its own in every step.
#include <array>
#include <utility>

#include "recurrent_cells_back.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T, bool usual> FinishBack<T> finish_of(Cell cell) {
  switch (cell) {
    case Cell::simple: return back_simple<T>;
    case Cell::lstm: return back_lstm<T, usual>;
    case Cell::gru: return back_gru<T, usual, true>;
    default: return back_gru<T, usual, false>;
  }
}

/** What finishes the product of a step, and gru's second one. */
template <class T> struct Finish {
  FinishBack<T> step, reset;
  Finish(Cell cell, bool usual)
      : step(usual ? finish_of<T, true>(cell) : finish_of<T, false>(cell)),
        reset(usual ? back_gru_reset<T, true> : back_gru_reset<T, false>) {}
};

/**
 * Slopes of gru are in the order candidate, z, r, and with the reset after the product what meets the recurrent weights
 * in the candidate's place: the first three are the projection's, the last three the state's.
 */
SlopeGroups slope_groups(Cell cell) {
  switch (cell) {
    case Cell::simple: return {1, 1, in_order};
    case Cell::lstm: return {4, 4, in_order};
    default: return {cell == Cell::gru ? 4 : 3, 3, {2, 0, 1}};
  }
}
std::vector<PlaceSum> place_sums(const BackwardViews& v, int64_t u) {
  using Of = PlaceSum::Of;
  switch (v.cell) {
    case Cell::gru: return {{Of::states, u, 1, 3, in_order, v.weights}, {Of::ones, 1, 1, 3, in_order, v.bias}};
    case Cell::gru_before: return {{Of::states, u, 1, 2, in_order, v.weights}, {Of::inner, u, 0, 1, {2}, v.weights}};
    default: return {{Of::states, u, 0, gates_of(v.cell), in_order, v.weights}};
  }
}

/** What the rows of a tile read after their sums. */
template <class T> void want(const BackTile<T>& tile, int gates, WantedLines<T>& lines) {
  lines.count = 0;
  if (tile.initial) return;
  const int64_t length = tile.vectors * lanes_of<T>;
  const auto add = [&](const T* from, int64_t row, int64_t step, int places) __attribute__((always_inline)) {
    lines.add(from, tile.rows, row, step, places, length);
  };
  if (tile.gates) {
    add(tile.gates, tile.gates_row, tile.units, gates);
    add(tile.prior, tile.prior_row, 0, 1);
  }
  add(tile.h ? tile.h : tile.kept, tile.h_row, 0, 1);
  if (tile.sequence) add(tile.sequence, tile.h_row, 0, 1);
}

}  // namespace

template <class T> WEFT_BINDER Step bind_backward(Call& call, const BackwardViews& v) {
  const Cell cell = v.cell;
  const bool simple = cell == Cell::simple, two_products = cell == Cell::gru_before, gated = v.gates.used();
  const int64_t b = v.h.dim(0), steps = v.h.dim(1), u = v.recurrent.dim(0), padded = padded_units<T>(u), row = scratch_row<T>(u);
  const int gates = gates_of(cell);
  const int64_t deep = simple ? u : (two_products ? 2 : gates) * padded;  // of the sums
  const int64_t wide_row = scratch_row<T>(deep);
  const RowChunks chunks(b);
  // of rounded results the tanh of a cell is not the state by the gate: the kernel of any activation computes it
  const Finish<T> finish(cell, v.options.usual() && !v.rounded);
  const View packed = call.scratch(size_t(packed_size<T>(deep, u)) * sizeof(T));
  const View packed_proposed = two_products ? call.scratch(size_t(packed_size<T>(padded, u)) * sizeof(T)) : View();
  const ThreadScratch memory(call, size_t(chunks.most() * (3 * row + 2 * wide_row)) * sizeof(T));
  const SequenceProducts<T> products(call, chunks, steps, u, slope_groups(cell), ProjectionGradient(call, v.outputs), place_sums(v, u),
                                     cell == Cell::lstm ? View() : v.kept);
  if (gated && v.projected.used()) call.in_place(v.gates_input, 0);

  return [=](const Frame& frame) {
    if (two_products && v.bias.used()) std::fill_n(frame.at<T>(v.bias), 3 * u, T(0));
    if (u == 0) return;
    const T* w = frame.at<const T>(v.recurrent);
    if (steps > 0) {
      if (simple) pack_panels<T>({w, 1, u}, u, u, 0, panels_of<T>(u), frame.at<T>(packed));
      else pack_transposed_gates(w, u, gates, u, in_order, two_products ? 2 : gates, frame.at<T>(packed));
      if (two_products) pack_transposed_gates(w, u, 3, u, {2}, 1, frame.at<T>(packed_proposed));
    }
    products.start(frame);
    const MetStates<T> met = v.options.met_states(frame, frame.at<const T>(v.h0), frame.at<const T>(v.h), steps, u);
    products.back(frame, met, v.options.reverse, [&](int64_t begin, int64_t rows, int thread, auto&& back_through_steps) {
      const StepOptions& options = v.options;
      T *dc = memory.at<T>(frame, thread), *carry = dc + rows * row, *proposed = carry + rows * row;
      T *later = proposed + rows * row, *gradient = later + rows * wide_row;
      const auto enter = [&](const View& view, T* to) {
        enter_rows(view.used() ? frame.at<const T>(view) + begin * u : nullptr, rows, u, row, to);
      };
      enter(v.of_cell, dc);
      enter(v.of_last, carry);
      std::fill_n(proposed, rows * row, T(0));
      WantedLines<T> wanted;
      BackTile<T> tile{};
      tile.units = u, tile.scratch = row, tile.padded = padded, tile.gradient_row = wide_row;
      tile.gates_row = steps * gates * u, tile.h_row = steps * u, tile.mask_row = steps;
      tile.keep = options.masked;
      tile.activation = options.activation, tile.gate = options.gate;
      const auto run_step = [&](const Block& block, const Slopes<T>& slopes, int64_t i) {
        const int64_t at = begin * steps + options.place(std::max<int64_t>(i, 0), steps);
        const int64_t before = begin * steps + options.place(std::max<int64_t>(i - 1, 0), steps);
        const bool carries = i == steps - 1 || options.masked || cell == Cell::gru || two_products;
        tile.slopes = slopes;
        tile.place_row = block.length();
        // addresses at unit 0, found once for a step
        const auto address = [&](const View& view, int64_t offset) { return view.used() ? frame.at<T>(view) + offset : nullptr; };
        const int64_t batch = begin * u;
        const bool first = i <= 0, is_lstm = cell == Cell::lstm;
        const T *const scale = options.scaled ? address(options.scale, batch) : nullptr, *const sequence = address(v.of_h, at * u);
        const T *const all_gates = address(v.gates, at * gates * u), *const kept = address(v.kept, at * u);
        const T* const h = is_lstm ? address(v.h, at * u) : nullptr;
        const T* const prior = !gated  ? nullptr
                               : first ? address(is_lstm ? v.c0 : v.h0, batch)
                                       : address(is_lstm ? v.kept : v.h, before * u);
        T *const projected = address(v.projected, at * gates * u), *const initial = i < 0 ? address(v.dh0, batch) : nullptr;
        tile.prior_row = first ? u : steps * u;
        tile.place = block.place(i);
        tile.mask = options.masked ? frame.at<const uint8_t>(options.mask) + at : nullptr;
        tile.rows = int(rows);  // those of a chunk are one tile
        const auto place = [&](int64_t j, int vectors) __attribute__((always_inline)) {
          const auto from = [&](auto* begin) __attribute__((always_inline)) { return begin ? begin + j : nullptr; };
          tile.vectors = vectors, tile.unit = j;
          set_lanes<T>(u - j, tile.lanes);
          tile.carry = carries ? carry + j : nullptr;
          tile.scale = from(scale), tile.initial = from(initial), tile.sequence = from(sequence);
          tile.gates = from(all_gates), tile.kept = from(kept), tile.h = from(h), tile.prior = from(prior);
          tile.projected = from(projected);
          tile.cell = dc + j, tile.gradient = gradient + j, tile.proposed = proposed + j;
        };
        for_unit_tiles<T>(
            u, [&](int64_t j, int vectors) __attribute__((always_inline)) {
              place(j, vectors);
              Vector<T> sums[step_rows<2> * most_sums];
              const int64_t k = i == steps - 1 ? 0 : deep;
              const PanelProduct<T> product{later, wide_row, frame.at<const T>(packed) + j * deep, k};
              want(tile, gates, wanted);
              add_products(&product, 1, tile.rows, vectors, 2, from_zero<T>, wanted, sums);
              finish.step(tile, sums);
            });
        if (two_products && i >= 0)
          for_unit_tiles<T>(u, [&](int64_t j, int vectors) {
            place(j, vectors);
            Vector<T> sums[step_rows<2> * most_sums];
            const PanelProduct<T> product{proposed, row, frame.at<const T>(packed_proposed) + j * padded, padded};
            add_products(&product, 1, tile.rows, vectors, 2, from_zero<T>, no_lines<T>, sums);
            finish.reset(tile, sums);
          });
        std::swap(later, gradient);
      };
      back_through_steps(run_step);
      if (v.dh0.used()) run_step(Block{}, Slopes<T>{}, -1);
      if (v.dc0.used()) leave_states(dc, rows, u, row, frame.at<T>(v.dc0) + begin * u);
    });
  };
}

template Step bind_backward<float>(Call&, const BackwardViews&);
template Step bind_backward<double>(Call&, const BackwardViews&);

}  // namespace weft::cpu::WEFT_ISA
