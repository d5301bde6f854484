// lstm: all steps of a sequence in one call. The recurrent weights are packed once, so that one panel holds the four gates of a vector of
// units; a tile of rows and one panel are summed in registers and leave them as gates, cells and states. Joined with the product that projects
// its input, a panel begins with that product's weights, and no projection is ever stored.
#include <array>
#include <utility>

#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** A tile: some rows of the batch and one vector of units at one step. Steps of a row are `row` elements apart in what is [b, t, n]. */
template <class T> struct Tile4 {
  const T* panel;      // [features + units] of 4 gates
  const T* projected;  // [rows] of 4 gates, `units` apart; or null: from x and bias
  const T *x, *bias;   // [rows, features]; null, or [4] vectors
  int64_t features, x_row;
  const T* met;            // states that meet the weights [rows, units]
  int64_t units, scratch;  // scratch: distance of rows in met, state, cell, next
  int64_t ahead;           // from what this tile reads at a row to what a tile will read there soon, elements of projected or x
  T *gates, *cells, *h;    // null: nobody reads them
  int64_t gates_row, h_row;
  T *state, *cell, *next;
  const T* scale;       // null, or [rows, units]
  const uint8_t* mask;  // null, or one per row, mask_row apart
  int64_t mask_row;
  MaskOf<T> lanes;
  StepActivation activation, gate;
};

/** Gates that are summed at a time: as many as leave registers for the weights, so that few rows have sums enough for the multipliers too. */
template <int rows> constexpr int gates_at_once = rows <= (WEFT_LEVEL == 2 ? 4 : 2) ? 4 : 2;

/** Adds up the gates from `first` on. The sums start from the projection: x * kernel + bias in the order of a product, or what such a product left. */
template <class T, int rows> WEFT_INLINE void sum_gates(const Tile4<T>& tile, int first, Vector<T> (&sums)[rows][4]) {
  constexpr int lanes = lanes_of<T>, gates = gates_at_once<rows>;
  Vector<T> z[rows][gates];
  const T* panel = tile.panel + first * lanes;
#pragma GCC unroll 4
  for (int g = 0; g < gates; g++) {
    if (tile.projected) {
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) {
        const T* from = tile.projected + i * tile.gates_row + (first + g) * tile.units;
        __builtin_prefetch(from + tile.ahead);  // lines that lie pages apart
        z[i][g] = load_masked(from, tile.lanes);
      }
    } else {
      const Vector<T> start = tile.bias ? load(tile.bias + (first + g) * lanes) : Vector<T>{};
#pragma GCC unroll 16
      for (int i = 0; i < rows; i++) z[i][g] = start;
    }
  }
  if (tile.x) add_products<T, rows, gates, 4>(z, tile.x, tile.x_row, panel, tile.features);
  add_products<T, rows, gates, 4>(z, tile.met, tile.scratch, panel + tile.features * 4 * lanes, tile.units);
#pragma GCC unroll 16
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int g = 0; g < gates; g++) sums[i][first + g] = z[i][g];
}

template <class T, int rows, bool usual> __attribute__((noinline)) void run_tile(const Tile4<T>& tile) {
  using V = Vector<T>;
  const MaskOf<T> lanes = tile.lanes;
  const int64_t u = tile.units;
  const Activations<usual> f{tile.activation, tile.gate};
  if (tile.x)
    for (int i = 0; i < rows; i++) __builtin_prefetch(tile.x + i * tile.x_row + tile.ahead);
  V sums[rows][4];
#pragma GCC unroll 2
  for (int first = 0; first < 4; first += gates_at_once<rows>) sum_gates<T, rows>(tile, first, sums);
#pragma GCC unroll 1
  for (int i = 0; i < rows; i++) {
    const int64_t at = i * tile.scratch;
    V *gate = sums[i], c = load(tile.cell + at), h = load(tile.state + at);
    if (!tile.mask || tile.mask[i * tile.mask_row]) {
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

/** Where the projection of a step comes from: `projected`, or with the attribute `features` x and kernel, and bias where `biased`. */
struct Projection {
  int64_t features = 0;
  View projected, x, kernel, bias;
  size_t inputs = 0;

  explicit Projection(const Call& call) {
    if (call.attrs.has("features")) {
      features = call.attrs.integer("features");
      x = call.in[inputs++], kernel = call.in[inputs++];
      if (call.attrs.flag("biased")) bias = call.in[inputs++];
    } else {
      projected = call.in[inputs++];
    }
  }
};

struct BindForward {
  template <class T> Step operator()(Call& call) const {
    constexpr int lanes = lanes_of<T>;
    const Projection from(call);
    const View recurrent = call.in[from.inputs], h0 = call.in[from.inputs + 1], c0 = call.in[from.inputs + 2];
    const StepOptions options(call, from.inputs + 3, true);
    const View h = call.out[0], last = call.out[1], cell = call.out[2], gates = call.out[3], cells = call.out[4];
    const int64_t b = h.dim(0), steps = h.dim(1), u = recurrent.dim(0), d = from.features, row = scratch_row<T>(u);
    const RowChunks chunks(b);
    constexpr auto sequence = std::make_integer_sequence<int, step_rows<2>>();
    static constexpr auto usual = tiles_of<T, true>(sequence), any = tiles_of<T, false>(sequence);
    const auto& tiles = options.usual() ? usual : any;
    const View packed = call.scratch(size_t(padded_units<T>(u) * 4 * (d + u)) * sizeof(T));
    const View packed_bias = from.bias.used() ? call.scratch(size_t(padded_units<T>(u) * 4) * sizeof(T)) : View();
    const LaneScratch states(call, size_t(4 * chunks.most() * row) * sizeof(T));
    if (d == 0 && gates.used()) call.in_place(0, 3);
    call.flops = 8.0 * double(b * steps) * double(d + u) * double(u);
    return [=](const Frame& frame) {
      if (u == 0) return;
      if (steps > 0) {
        const int64_t panel = (d + u) * 4 * lanes;
        if (d > 0) pack_gates(frame.at<const T>(from.kernel), d, 4 * u, u, 4, frame.at<T>(packed), panel);
        pack_gates(frame.at<const T>(recurrent), u, 4 * u, u, 4, frame.at<T>(packed) + d * 4 * lanes, panel);
        if (from.bias.used()) pack_gates(frame.at<const T>(from.bias), 1, 4 * u, u, 4, frame.at<T>(packed_bias), 4 * lanes);
      }
      parallel(chunks.count, [&](int64_t chunk, int lane) {
        const int64_t begin = chunks.begin(chunk), rows = chunks.begin(chunk + 1) - begin;
        T* state = states.at<T>(frame, lane);
        T *c = state + rows * row, *met = c + rows * row, *next = met + rows * row;
        const T* scale = options.scaled ? frame.at<const T>(options.scale) + begin * u : nullptr;
        enter_states(frame.at<const T>(h0) + begin * u, scale, rows, u, row, state, met);
        enter_rows(frame.at<const T>(c0) + begin * u, rows, u, row, c);
        Tile4<T> tile{};
        tile.units = u, tile.scratch = row, tile.features = d, tile.x_row = steps * d;
        tile.gates_row = steps * 4 * u, tile.h_row = steps * u, tile.mask_row = steps;
        tile.activation = options.activation, tile.gate = options.gate;
        for (int64_t i = 0; i < steps; i++) {
          const int64_t at = begin * steps + options.place(i, steps);
          const int64_t following = options.place(std::min(i + 1, steps - 1), steps) - options.place(i, steps);
          for (int64_t j = 0; j < u; j += lanes) {
            tile.panel = frame.at<const T>(packed) + j * 4 * (d + u);
            tile.lanes = lanes_below<T>(int(std::min<int64_t>(lanes, u - j)));
            if (from.bias.used()) tile.bias = frame.at<const T>(packed_bias) + j * 4;
            // a vector of the next step's x with each panel, or the next panel's part of the projection
            tile.ahead = d > 0 ? following * d + std::min(j, d - 1) : j + lanes < u ? lanes : following * 4 * u - j;
            for_tiles(rows, step_rows<2>, [&](int64_t r0, int64_t r1) {
              const int64_t first = at + r0 * steps;
              tile.met = met + r0 * row;
              if (d > 0) tile.x = frame.at<const T>(from.x) + first * d;
              else tile.projected = frame.at<const T>(from.projected) + first * 4 * u + j;
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

/** With fewer rows to a chunk, weights of the projection would come from the second-level cache for too little work. */
constexpr int64_t few_rows = 4;

/** The product that projects the input: worth joining while all weights stay in the second-level cache and meet a few rows each time. */
JOIN(cpu, lstm) {
  const Call &call = *neighbours.call, *maker = neighbours.makers[0];
  const int64_t u = call.in[1].dim(0);
  if (maker == nullptr || !is_projection(*maker, 4 * u)) return {};
  const int64_t d = maker->in[1].dim(0);
  const int64_t rows = RowChunks(call.in[0].dim(0)).most();
  if (d == 0 || d > longest_block || (d + u) * 4 * u * int64_t(size_of(call.out[0].dtype)) > joined_weights || rows < few_rows) return {};
  joined.op = "dense+lstm";
  joined.attrs = call.attrs;
  joined.attrs.set("features", double(d));
  joined.attrs.set("biased", maker->in.size() == 3 ? 1.0 : 0.0);
  joined.in = maker->in;
  joined.in.insert(joined.in.end(), call.in.begin() + 1, call.in.end());
  joined.out = call.out;
  taken = {maker};
  return bind_float(joined, joined.out[0].dtype, BindForward());
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
