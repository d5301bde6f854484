// What the recurrent kernels share: the cells, how steps are taken, activations on vectors, and the rows and panels of
// a step.
#pragma once
#include <array>
#include <cmath>

#include "chunks.h"
#include "matmul_blocks.h"
#include "recurrent_sums.h"

namespace weft::cpu::WEFT_ISA {

/** gru_before is the gru whose reset gate acts before the product. Its steps have two products each. */
enum class Cell { simple, gru, gru_before, lstm };
inline int gates_of(Cell cell) { return cell == Cell::simple ? 1 : cell == Cell::lstm ? 4 : 3; }

enum class StepActivation { linear, relu, tanh, sigmoid, hard_sigmoid };

inline StepActivation step_activation(const std::string& name) {
  if (name == "linear") return StepActivation::linear;
  if (name == "relu") return StepActivation::relu;
  if (name == "tanh") return StepActivation::tanh;
  if (name == "sigmoid") return StepActivation::sigmoid;
  require(name == "hardSigmoid", "ERR_ARGUMENT", "unknown activation '", name, "'");
  return StepActivation::hard_sigmoid;
}

/**
 * tanh within 6 units in the last place, at half the cost of that of simd_math.h: one quotient of polynomials, a
 * minimax fit on [0, 9.02].
 */
WEFT_INLINE Vec step_tanh(Vec x) {
  const Vec one = broadcast(1.0f);
  x = min(broadcast(9.02f), max(broadcast(-9.02f), x));  // tanh(9.02) rounds to 1; operands in this order let NaN through
  const Vec s = x * x;
  const Vec p = polynomial(s, 1.33189708e-8f, 2.05834058e-5f, 0.00349402986f, 0.133797139f, 1.0f);
  const Vec q = polynomial(s, 7.76197737e-7f, 0.000328308524f, 0.0258710552f, 0.467130303f, 1.0f);  // relative error of p / q 2.1e-8
  return min(one, max(negate(one), x * p * reciprocal(q)));
}
/**
 * 1 / (1 + e^-x). Beyond the bounds e^-x is as good as 0 beside 1, and the gate as good as 0; between them e^-x is a
 * normal number, so that its power of two is added to the bits of the rest. A NaN need not survive that, so that it
 * comes by the 1 as well.
 */
WEFT_INLINE Vec step_sigmoid(Vec x) {
  x = max(broadcast(-69.0f), min(broadcast(80.0f), x));  // operands in this order let NaN through
  const Vec bits = broadcast(12582912.0f);               // 1.5 * 2^23: what is added to it is rounded to a whole number
  const Vec shifted = fma(x, broadcast(-1.44269504f), bits), n = shifted - bits;
  const Vec r = fma(n, broadcast(2.12194440e-4f), fma(n, broadcast(-0.693359375f), -x));  // as in exp_within()
  const Vec q = polynomial(r, 0.00139505998f, 0.00836895406f, 0.041666206f, 0.166665182f, 0.5f);
  const Vec power = float_of(bits_of(fma(q, r * r, r) + 1.0f) + (bits_of(shifted) << 23));
  return reciprocal(power + fma(x, zero(), broadcast(1.0f)));
}
inline DoubleVec step_tanh(DoubleVec x) {
  for (int i = 0; i < lanes_of<double>; i++) x[i] = std::tanh(x[i]);
  return x;
}
inline DoubleVec step_sigmoid(DoubleVec x) {
  for (int i = 0; i < lanes_of<double>; i++) x[i] = 1 / (1 + std::exp(-x[i]));
  return x;
}

template <class T> WEFT_INLINE Vector<T> activate(StepActivation activation, Vector<T> x) {
  switch (activation) {
    case StepActivation::relu: return max(Vector<T>{}, x);
    case StepActivation::tanh: return step_tanh(x);
    case StepActivation::sigmoid: return step_sigmoid(x);
    case StepActivation::hard_sigmoid: {
      const Vector<T> one = splat(T(1)), y = max(Vector<T>{}, x * splat(T(1) / T(6)) + splat(T(0.5)));
      return select(greater(y, one), one, y);
    }
    default: return x;
  }
}
/** g times the derivative, from the output y. */
template <class T> WEFT_INLINE Vector<T> slope(StepActivation activation, Vector<T> g, Vector<T> y) {
  const Vector<T> none{}, one = splat(T(1));
  switch (activation) {
    case StepActivation::relu: return select(greater(y, none), g, none);
    case StepActivation::tanh: return g * (one - y * y);
    case StepActivation::sigmoid: return g * (y * (one - y));
    case StepActivation::hard_sigmoid: return select(greater(y, none), select(greater(one, y), g * splat(T(1) / T(6)), none), none);
    default: return g;
  }
}

/**
 * Units padded to whole vectors, and a row of them in scratch memory: off the powers of two that would share a place in
 * the cache.
 */
template <class T> int64_t padded_units(int64_t units) { return (units + lanes_of<T> - 1) / lanes_of<T> * lanes_of<T>; }
template <class T> int64_t scratch_row(int64_t n) { return padded_units<T>(n) + lanes_of<T>; }

/**
 * Packs w [k, gates * units] so that one panel holds the same vector of units of every gate: panel p, at packed + p *
 * panel, is [k][gates][lanes], zero beyond the units.
 */
template <class T> void pack_gates(const T* w, int64_t k, int64_t row, int64_t units, int gates, T* packed, int64_t panel) {
  constexpr int lanes = lanes_of<T>;
  for (int64_t j = 0; j < units; j += lanes, packed += panel) {
    const MaskOf<T> mask = lanes_below<T>(int(std::min<int64_t>(lanes, units - j)));
    T* to = packed;
    for (int64_t i = 0; i < k; i++)
      for (int g = 0; g < gates; g++, to += lanes) store(to, load_masked(w + i * row + g * units + j, mask));
  }
}

/** The states that are multiplied by the weights at a place of [batch, steps]: the states before it, times factors. */
template <class T> struct MetStates {
  const T *initial, *h, *scale;
  bool reverse;
  int64_t steps, units;

  /** Returns the address of these states, which may be computed into `memory`. */
  const T* at(int64_t row, int64_t time, T* memory) const {
    const bool first = time == (reverse ? steps - 1 : 0);
    const T* from = first ? initial + row * units : h + (row * steps + time + (reverse ? 1 : -1)) * units;
    if (!scale) return from;
    for (int64_t j = 0; j < units; j++) memory[j] = from[j] * scale[row * units + j];
    return memory;
  }
};

/** Attributes that the six ops have, and the inputs that come with them. */
struct StepOptions {
  bool masked = false, scaled = false, reverse = false;
  StepActivation activation = StepActivation::linear, gate = StepActivation::linear;
  View mask, scale;

  StepOptions() = default;
  /** `first`: index of the first optional input. */
  WEFT_BINDER StepOptions(const Call& call, size_t first, bool gated)
      : masked(call.attrs.flag("masked")),
        scaled(call.attrs.flag("scaled")),
        reverse(call.attrs.flag("reverse")),
        activation(step_activation(call.attrs.text("activation"))) {
    if (gated) gate = step_activation(call.attrs.text("recurrentActivation"));
    if (masked) mask = call.in[first];
    if (scaled) scale = call.in[first + size_t(masked)];
  }
  template <class T> MetStates<T> met_states(const Frame& frame, const T* initial, const T* h, int64_t steps, int64_t units) const {
    return {initial, h, scaled ? frame.at<const T>(scale) : nullptr, reverse, steps, units};
  }
  bool usual() const { return activation == StepActivation::tanh && gate == StepActivation::sigmoid; }
  /** The place in memory of step i of `steps`. */
  int64_t place(int64_t i, int64_t steps) const { return reverse ? steps - 1 - i : i; }
};

/**
 * Rows of a batch that go through all steps together, in one tile. Rows do not meet, so chunks never wait for each
 * other; weights in the second-level cache come to the first once for each tile, however many a chunk has.
 */
struct RowChunks {
  int64_t rows, count;
  explicit RowChunks(int64_t n) : rows(n), count((n + longest - 1) / longest) {}
  int64_t begin(int64_t chunk) const { return rows * chunk / count; }
  int64_t most() const { return count == 0 ? 0 : (rows + count - 1) / count; }
  static constexpr int64_t longest = step_rows<2>;
};

template <class T> int64_t panels_of(int64_t n) { return (n + tile_columns<T> - 1) / tile_columns<T>; }

/** The lanes in use of the two vectors of a panel, when `left` units are left. */
template <class T> WEFT_INLINE void set_lanes(int64_t left, MaskOf<T> (&lanes)[2]) {
  lanes[0] = lanes_below<T>(int(std::min<int64_t>(left, lanes_of<T>)));
  lanes[1] = lanes_below<T>(int(std::clamp<int64_t>(left - lanes_of<T>, 0, lanes_of<T>)));
}

/** Where the tiles of a chunk's rows begin: found once for all steps, since a division takes longer than many sums. */
struct RowTiles {
  int count = 0;
  std::array<int, RowChunks::longest + 1> begin{};
  RowTiles(int64_t rows, int height) {
    for_tiles(rows, height, [&](int64_t, int64_t end) { begin[size_t(++count)] = int(end); });
  }
};

/** Calls f(unit, vectors) for each two vectors of units. */
template <class T, class F> WEFT_INLINE void for_unit_tiles(int64_t units, F&& f) {
  for (int64_t j = 0; j < units; j += tile_columns<T>) f(j, vectors_for<T>(std::min(tile_columns<T>, units - j)));
}

/** Copies states [rows, units] into scratch rows, and once more times the factors with which they meet the weights. */
template <class T> void enter_states(const T* from, const T* scale, int64_t rows, int64_t u, int64_t row, T* state, T* met) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < u; j++) {
      state[r * row + j] = from[r * u + j];
      met[r * row + j] = from[r * u + j] * (scale ? scale[r * u + j] : T(1));
    }
}
template <class T> void leave_states(const T* state, int64_t rows, int64_t u, int64_t row, T* to) {
  for (int64_t r = 0; r < rows; r++) std::copy_n(state + r * row, u, to + r * u);
}
/** Copies values [rows, units] into scratch rows, or writes zeros where there are none. */
template <class T> void enter_rows(const T* from, int64_t rows, int64_t u, int64_t row, T* to) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t j = 0; j < row; j++) to[r * row + j] = from && j < u ? from[r * u + j] : T(0);
}

/**
 * A recurrence as it is bound: the operands that a cell does not have, and outputs that nobody reads, are unused views.
 */
struct ForwardViews {
  explicit ForwardViews(Cell cell) : cell(cell) {}

  Cell cell;
  StepOptions options;
  View recurrent, h0, c0;
  View projected;                        // the input times its kernel; or where these two are joined with the recurrence:
  View x, kernel, bias;                  // bias may be unused
  View product_bias;                     // gru: the bias of the recurrent product
  View h, last, last_cell, gates, kept;  // kept: cells of lstm, inner of gru

  /**
   * Takes the projection from the first inputs; with the attribute `features`, x and its kernel, and a bias where
   * `biased`, in its place. Returns how many there are.
   */
  size_t take_projection(const Call& call) {
    size_t count = 0;
    if (!call.attrs.has("features")) {
      projected = call.in[count++];
      return count;
    }
    call.attrs.integer("features");  // read here, but not needed: x has this extent
    x = call.in[count++], kernel = call.in[count++];
    if (call.attrs.flag("biased")) bias = call.in[count++];
    return count;
  }
};
/** float and double. */
template <class T> WEFT_BINDER Step bind_forward(Call& call, const ForwardViews& views);

}  // namespace weft::cpu::WEFT_ISA
