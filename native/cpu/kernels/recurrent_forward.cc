// Recurrences forward, all steps of a sequence in one call. Rows of the batch go through all steps together; weights
// are packed once, so that a panel holds what a tile of rows meets: all gates of a vector of units, or one gate of two
// vectors. Joined with the product that projects its input, a panel begins with that product's weights, and no
// projection is ever stored.
#include <array>
#include <utility>

#include "recurrent_cells.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** The products of a step, and what finishes them. */
template <class T> struct ForwardPlan {
  struct Part {
    Pass pass;
    FinishForward<T> finish;
    int64_t packed;  // where its panels begin
  };
  std::array<Part, 2> parts;
  int count = 1;
};

template <class T, bool usual> ForwardPlan<T> plan_of(Cell cell) {
  switch (cell) {
    case Cell::simple: return {{{{{0, 1, 2}, finish_simple<T>, 0}}}, 1};
    case Cell::lstm: return {{{{{0, 4, 1}, finish_lstm<T, usual>, 0}}}, 1};
    case Cell::gru: return {{{{{0, 3, 1}, finish_gru<T, usual>, 0}}}, 1};
    default: return {{{{{0, 2, 1}, finish_gru_gates<T, usual>, 0}, {{2, 1, 2}, finish_gru_proposed<T, usual>, 0}}}, 2};
  }
}

/** Rows that go through all steps together: whole tiles of them. Tiles of three gates are lower than others. */
template <class T> RowChunks chunks_of(int64_t rows, const ForwardPlan<T>& plan) {
  constexpr int64_t low = step_rows<3>, tiles = (step_rows<2> + low / 2) / low;
  RowChunks chunks(rows);
  if (plan.parts[0].pass.gates == 3) chunks.count = tiles_in(rows, int(tiles * low));
  return chunks;
}

/**
 * Where the input is not joined: what the sums [rows][most_sums] of the gates [begin, end) of a pass start from, the
 * projection and gru's bias. Brings near what a tile reads `ahead` elements from there.
 */
template <class T> void start_sums(const ForwardTile<T>& tile, const Pass& pass, int begin, int end, int64_t ahead, Vector<T>* sums) {
  constexpr int lanes = lanes_of<T>;
  for (int g = begin; g < end; g++)
    for (int v = 0; v < tile.vectors; v++) {
      const int64_t at = (pass.gate + g) * tile.units + v * lanes;
      const bool inner = tile.bias && g == 2;  // gru adds the candidate's projection after the reset gate
      const Vector<T> start = tile.bias ? load_masked(tile.bias + at, tile.lanes[v]) : Vector<T>{};
      Vector<T>* sum = sums + g * tile.vectors + v;
      const T* from = tile.projected + at;
      if (pass.gates > 2)  // lines that lie pages apart
        for (int i = 0; i < tile.rows; i++) __builtin_prefetch(from + i * tile.gates_row + ahead);
      const MaskOf<T> used = tile.lanes[v];
      if (inner) {
        for (int i = 0; i < tile.rows; i++, sum += most_sums) *sum = start;
      } else if (tile.bias) {
        for (int i = 0; i < tile.rows; i++, sum += most_sums, from += tile.gates_row) *sum = start + load_masked(from, used);
      } else {
        for (int i = 0; i < tile.rows; i++, sum += most_sums, from += tile.gates_row) *sum = load_masked(from, used);
      }
    }
}

/**
 * Between gru's joined products: the bias of the second one. The candidate's projection, which the reset gate does not
 * touch, goes behind the three sums.
 */
template <class T> void start_inner(const ForwardTile<T>& tile, Vector<T>* sums) {
  Vector<T> bias[3];
  for (int g = 0; g < 3; g++) bias[g] = load_masked(tile.bias + g * tile.units, tile.lanes[0]);
  for (int i = 0; i < tile.rows; i++, sums += most_sums) {
    sums[0] = bias[0] + sums[0];
    sums[1] = bias[1] + sums[1];
    sums[3] = sums[2];
    sums[2] = bias[2];
  }
}

}  // namespace

template <class T> WEFT_BINDER Step bind_forward(Call& call, const ForwardViews& views) {
  constexpr int lanes = lanes_of<T>;
  const View recurrent = views.recurrent, gates = views.gates;
  const int64_t b = views.h.dim(0), steps = views.h.dim(1), u = recurrent.dim(0), d = views.x.used() ? views.x.dim(1) : 0;
  const int64_t row = scratch_row<T>(u), n = gates_of(views.cell) * u;
  ForwardPlan<T> plan = views.options.usual() ? plan_of<T, true>(views.cell) : plan_of<T, false>(views.cell);
  const RowChunks chunks = chunks_of(b, plan);
  int64_t size = 0;
  for (int p = 0; p < plan.count; p++) {
    auto& part = plan.parts[size_t(p)];
    part.packed = size;
    size += part.pass.vectors == 2 ? packed_size<T>(u, u) : padded_units<T>(u) * part.pass.gates * (d + u);
  }
  const View packed = call.scratch(size_t(size) * sizeof(T));
  const View packed_bias = views.bias.used() ? call.scratch(size_t(padded_units<T>(u) * gates_of(views.cell)) * sizeof(T)) : View();
  const ThreadScratch memory(call, size_t(6 * chunks.most() * row) * sizeof(T));
  call.flops = 2.0 * double(b * steps) * double(d + u) * double(n);

  return [=](const Frame& frame) {
    if (u == 0) return;
    const T* w = frame.at<const T>(recurrent);
    for (int p = 0; p < plan.count && steps > 0; p++) {
      const Pass& pass = plan.parts[size_t(p)].pass;
      T* to = frame.at<T>(packed) + plan.parts[size_t(p)].packed;
      if (pass.vectors == 2) {
        pack_panels<T>({w + pass.gate * u, n, 1}, u, u, 0, panels_of<T>(u), to);
        continue;
      }
      const int64_t panel = (d + u) * pass.gates * lanes;
      if (d > 0) pack_gates(frame.at<const T>(views.kernel), d, n, u, pass.gates, to, panel);
      pack_gates(w, u, n, u, pass.gates, to + d * pass.gates * lanes, panel);
    }
    const int all_gates = gates_of(views.cell);
    if (packed_bias.used() && steps > 0)
      pack_gates(frame.at<const T>(views.bias), 1, n, u, all_gates, frame.at<T>(packed_bias), all_gates * lanes);

    parallel(chunks.count, [&](int64_t chunk, int thread) {
      const int64_t begin = chunks.begin(chunk), rows = chunks.begin(chunk + 1) - begin;
      T *state = memory.at<T>(frame, thread), *c = state + rows * row, *met = c + rows * row, *next = met + rows * row;
      T *update = next + rows * row, *passed = update + rows * row;
      const StepOptions& options = views.options;
      const T* scale = options.scaled ? frame.at<const T>(options.scale) + begin * u : nullptr;
      enter_states(frame.at<const T>(views.h0) + begin * u, scale, rows, u, row, state, met);
      if (views.c0.used()) enter_rows(frame.at<const T>(views.c0) + begin * u, rows, u, row, c);
      // addresses, found once: a tile takes less time than it takes to find them all
      const auto address = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
      const T *const x_begin = address(views.x), *const projected = d > 0 ? nullptr : address(views.projected);
      const T* const product_bias = plan.count == 1 ? address(views.product_bias) : nullptr;
      const T *const biases = address(packed_bias), *const panels = frame.at<const T>(packed);
      T *const gates_begin = address(gates), *const kept = address(views.kept), *const h = address(views.h);
      const uint8_t* const mask = options.masked ? frame.at<const uint8_t>(options.mask) : nullptr;
      ForwardTile<T> tile{};
      tile.units = u, tile.scratch = row;
      tile.gates_row = steps * n, tile.h_row = steps * u, tile.mask_row = steps;
      tile.activation = options.activation, tile.gate = options.gate;
      const RowTiles low_tiles(rows, step_rows<3>), high_tiles(rows, step_rows<2>);
      for (int64_t i = 0; i < steps; i++) {
        const int64_t at = begin * steps + options.place(i, steps);
        const int64_t following = options.place(std::min(i + 1, steps - 1), steps) - options.place(i, steps);
        for (int p = 0; p < plan.count; p++) {
          const auto& part = plan.parts[size_t(p)];
          const Pass pass = part.pass;
          const RowTiles& tiles = part.pass.gates == 3 ? low_tiles : high_tiles;
          const int64_t wide = pass.vectors * lanes;
          for (int64_t j = 0; j < u; j += wide) {
            const int vectors = std::min(pass.vectors, vectors_for<T>(u - j)), row_sums = pass.gates * vectors;
            const T* panel = panels + part.packed + j * pass.gates * (d + u);
            set_lanes<T>(u - j, tile.lanes);
            // a vector of the next step's x with each panel, or the next panel's part of the projection
            const int64_t ahead = d > 0 ? following * d + std::min(j, d - 1) : j + wide < u ? wide : following * n - j;
            for (int t = 0; t < tiles.count; t++) {
              const int64_t r0 = tiles.begin[size_t(t)], r1 = tiles.begin[size_t(t) + 1];
              const int64_t first = at + r0 * steps, from = r0 * row + j;
              tile.rows = int(r1 - r0), tile.vectors = vectors;
              tile.projected = projected ? projected + first * n + j : nullptr;
              tile.bias = product_bias ? product_bias + j : nullptr;
              tile.gates = gates_begin ? gates_begin + first * n + j : nullptr;
              tile.kept = kept ? kept + first * u + j : nullptr;
              tile.h = h ? h + first * u + j : nullptr;
              tile.state = state + from, tile.cell = c + from, tile.next = next + from, tile.met = met + from;
              tile.update = update + from, tile.passed = passed + from;
              tile.scale = scale ? scale + r0 * u + j : nullptr;
              tile.mask = mask ? mask + first : nullptr;

              Vector<T> sums[step_rows<2> * most_sums];
              const T* x = d > 0 ? x_begin + first * d : nullptr;
              if (x)
                for (int r = 0; r < tile.rows; r++) __builtin_prefetch(x + r * steps * d + ahead);
              const T* meeting = (p == 1 ? passed : met) + r0 * row;
              const T* starts = biases ? biases + j * pass.gates : from_zero<T>;
              const int apart = pass.gates * pass.vectors;  // vectors between rows of the panel
              const auto products = [&](int s) {
                return std::array<PanelProduct<T>, 2>{
                    {{x, steps * d, panel + s * lanes, d}, {meeting, row, panel + (d * pass.gates + s) * lanes, u}}};
              };
              // four gates are summed at a time where the registers hold them
              const int at_once = row_sums == 4 && tile.rows > rows_of_four ? 2 : row_sums;
              if (sizeof(T) == 4 && x && tile.bias) {
                Vector<T> inner[3];
                for (int g = 0; g < 3; g++) inner[g] = load_masked(tile.bias + g * tile.units, tile.lanes[0]);
                auto both = products(0);
                both[0].inner = inner;
                add_products(both.data(), 2, tile.rows, 3, apart, starts, no_lines<T>, sums);
              } else if (x && tile.bias) {
                add_products(products(0).data(), 1, tile.rows, 3, apart, starts, no_lines<T>, sums);
                start_inner(tile, sums);
                add_products(products(0).data() + 1, 1, tile.rows, 3, apart, nullptr, no_lines<T>, sums);
              }
              for (int s = 0; s < row_sums && x && !tile.bias; s += at_once)
                add_products(products(s).data(), 2, tile.rows, at_once, apart, starts + s * (biases ? lanes : 0), no_lines<T>, sums + s);
              for (int s = 0; s < row_sums && !x; s += at_once) {
                // no more lines are wanted at once than the processor waits for
                start_sums(tile, pass, s / vectors, (s + at_once) / vectors, ahead, sums);
                add_products(products(s).data() + 1, 1, tile.rows, at_once, apart, nullptr, no_lines<T>, sums + s);
              }
              part.finish(tile, sums);
            }
          }
        }
        std::swap(met, next);
      }
      if (views.last.used()) leave_states(state, rows, u, row, frame.at<T>(views.last) + begin * u);
      if (views.last_cell.used()) leave_states(c, rows, u, row, frame.at<T>(views.last_cell) + begin * u);
    });
  };
}

template Step bind_forward<float>(Call&, const ForwardViews&);
template Step bind_forward<double>(Call&, const ForwardViews&);

}  // namespace weft::cpu::WEFT_ISA
