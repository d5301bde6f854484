// Recurrent cells: what one step does to one unit of one row, forward and backward. Every way to run a sequence
// (recurrent_steps.cu: two kernels per step; recurrent_fused.cu: one; recurrent_resident.cuh: one for all steps)
// multiplies its own way and calls forward_unit() or backward_unit() for each result.
#pragma once
#include <string>

#include "vocabulary.cuh"

namespace weft::cuda {

/** gruBefore is the cell whose reset gate acts before the product: two products per step. */
enum class Cell : int { simple, gru, gruBefore, lstm };
enum class Curve : int { linear, relu, tanh, sigmoid, hardSigmoid };

__device__ __forceinline__ float curve(Curve kind, float x) {
  switch (kind) {
    case Curve::relu: return x < 0 ? 0 : x;
    case Curve::tanh: return tanhf(x);
    case Curve::sigmoid: return 1 / (1 + expf(-x));
    case Curve::hardSigmoid: {
      const float y = x / 6 + 0.5f;
      return y < 0 ? 0 : y > 1 ? 1 : y;
    }
    default: return x;
  }
}
/** The derivative, from the result. */
__device__ __forceinline__ float slope(Curve kind, float y) {
  switch (kind) {
    case Curve::relu: return y > 0 ? 1 : 0;
    case Curve::tanh: return 1 - y * y;
    case Curve::sigmoid: return y * (1 - y);
    case Curve::hardSigmoid: return y > 0 && y < 1 ? 1.0f / 6 : 0;
    default: return 1;
  }
}

/** What is run: the cell, its extents and the direction. */
struct Sequence {
  Cell cell;
  Curve activation, gate;
  bool reverse;
  int batch, steps, units;

  WEFT_HD int gates() const { return cell == Cell::simple ? 1 : cell == Cell::lstm ? 4 : 3; }
  /** The position in time of the k-th step. */
  WEFT_HD int time(int k) const { return reverse ? steps - 1 - k : k; }
  /** The element of a [batch, steps, units] tensor. */
  WEFT_HD int64_t at(int row, int k, int unit) const { return (int64_t(row) * steps + time(k)) * units + unit; }
  /** Gate 0 of a unit in a [batch, steps, gates * units] tensor; the next gate lies `units` further. */
  WEFT_HD int64_t gate_at(int row, int k, int unit) const { return (int64_t(row) * steps + time(k)) * gates() * units + unit; }
};

/** What carries from step to step. */
struct State {
  float h, c;
};

/** Null pointers: inputs that are not there, outputs that nobody reads. `kept`: cells of lstm, inner of gru. */
template <class T> struct Forward {
  const T *projected, *bias, *h0, *c0, *scale;
  const Bool* mask;
  T *h, *h_last, *c_last, *gates, *kept;
};

template <class T> __device__ __forceinline__ bool live(const T& run, const Sequence& s, int row, int k) {
  return run.mask == nullptr || run.mask[int64_t(row) * s.steps + s.time(k)];
}
template <class T> __device__ __forceinline__ float rounded(float x) { return widen(narrow<T>(x)); }
/** What the state is multiplied by where it meets the recurrent weights: rounded<T>(scale · h). */
template <class Run> __device__ __forceinline__ float scale_of(const Run& run, const Sequence& s, int row, int unit) {
  return run.scale == nullptr ? 1.0f : float(widen(run.scale[int64_t(row) * s.units + unit]));
}
/** Writes a value for each gate of a unit, where somebody reads them. */
template <class T>
__device__ __forceinline__ void store_gates(T* to, const Sequence& s, int row, int k, int unit, const float (&value)[4]) {
  if (to == nullptr) return;
  to += s.gate_at(row, k, unit);
#pragma unroll
  for (int g = 0; g < 4; g++)
    if (g < s.gates()) to[int64_t(g) * s.units] = narrow<T>(value[g]);
}

/** The states before the first step. */
template <class T> __device__ __forceinline__ State first_state(const Forward<T>& run, const Sequence& s, int row, int unit) {
  const int64_t i = int64_t(row) * s.units + unit;
  return {widen(run.h0[i]), run.c0 == nullptr ? 0 : widen(run.c0[i])};
}
template <class T> __device__ __forceinline__ void store_last(const Forward<T>& run, const Sequence& s, int row, int unit, State state) {
  const int64_t i = int64_t(row) * s.units + unit;
  if (run.h_last) run.h_last[i] = narrow<T>(state.h);
  if (run.c_last) run.c_last[i] = narrow<T>(state.c);
}

/**
 * What a step reads for one unit besides the product, whose time hides the latency. x: `projected`; gru's bias is in
 * it, the candidate's in x[3].
 */
struct Given {
  float x[4];
  bool live;
};
template <class T> __device__ __forceinline__ Given load_given(const Forward<T>& run, const Sequence& s, int row, int k, int unit) {
  Given given{};
  const T* const from = run.projected + s.gate_at(row, k, unit);
#pragma unroll
  for (int g = 0; g < 4; g++)
    if (g < s.gates()) given.x[g] = widen(from[int64_t(g) * s.units]);
  if (s.cell == Cell::gru) {
    given.x[0] += widen(run.bias[unit]);
    given.x[1] += widen(run.bias[s.units + unit]);
    given.x[3] = widen(run.bias[2 * s.units + unit]);
  }
  given.live = live(run, s, row, k);
  return given;
}

/** Step k of one unit: sum[g] is the product of the scaled state and the weights of gate g. */
template <class T>
__device__ __forceinline__ void forward_unit(const Forward<T>& run, const Sequence& s, int row, int k, int unit, const Given& given,
                                             const float (&sum)[4], State& state) {
  const float(&x)[4] = given.x;
  float gates[4] = {}, kept = 0;
  if (given.live) {
    if (s.cell == Cell::lstm) {
#pragma unroll
      for (int g = 0; g < 4; g++) gates[g] = curve(g == 2 ? s.activation : s.gate, x[g] + sum[g]);
      state.c = gates[1] * state.c + gates[0] * gates[2];
      state.h = rounded<T>(gates[3] * curve(s.activation, state.c));
    } else if (s.cell == Cell::simple) {
      state.h = rounded<T>(curve(s.activation, x[0] + sum[0]));
    } else {
      const bool after = s.cell == Cell::gru;
      gates[0] = curve(s.gate, x[0] + sum[0]);
      gates[1] = curve(s.gate, x[1] + sum[1]);
      kept = after ? sum[2] + x[3] : rounded<T>(gates[1] * rounded<T>(scale_of(run, s, row, unit) * state.h));
      gates[2] = curve(s.activation, x[2] + (after ? gates[1] * kept : sum[2]));
      state.h = rounded<T>(gates[0] * state.h + (1 - gates[0]) * gates[2]);
    }
  }
  if (s.cell == Cell::lstm) kept = state.c;
  if (run.h) run.h[s.at(row, k, unit)] = narrow<T>(state.h);
  if (run.kept) run.kept[s.at(row, k, unit)] = narrow<T>(kept);
  store_gates(run.gates, s, row, k, unit, gates);
  if (k == s.steps - 1) store_last(run, s, row, unit, state);
}

/** What carries back: the gradient of h that does not come through the product, and that of c. */
struct Carry {
  float dh, dc;
};

/**
 * g, g_last, g_cell: gradients of h, hLast, cLast. dsum: slopes of the products where they are not those of `projected`
 * (gru).
 */
template <class T> struct Backward {
  const T *g, *g_last, *g_cell, *h0, *c0, *h, *gates, *kept, *scale;
  const Bool* mask;
  T *dprojected, *dsum, *dh0, *dc0;
};

/** The carry that the last step gets. */
template <class T> __device__ __forceinline__ Carry first_carry(const Backward<T>& run, const Sequence& s, int row, int unit) {
  const int64_t i = int64_t(row) * s.units + unit;
  return {run.g_last == nullptr ? 0 : widen(run.g_last[i]), run.g_cell == nullptr ? 0 : widen(run.g_cell[i])};
}
/** The gradients of h0 and c0; product: the gradient of the scaled state, from the first step. */
template <class T>
__device__ __forceinline__ void store_first(const Backward<T>& run, const Sequence& s, int row, int unit, float product, Carry carry) {
  const int64_t i = int64_t(row) * s.units + unit;
  if (run.dh0) run.dh0[i] = narrow<T>(carry.dh + scale_of(run, s, row, unit) * product);
  if (run.dc0) run.dc0[i] = narrow<T>(carry.dc);
}

/** What a step back reads for one unit besides the product. before: the state (lstm: the cell) that the step met. */
struct Saved {
  float g, gates[4], kept, before;
  bool live;
};
template <class T> __device__ __forceinline__ Saved load_saved(const Backward<T>& run, const Sequence& s, int row, int k, int unit) {
  Saved saved{};
  const int64_t at = s.at(row, k, unit);
  if (run.g) saved.g = widen(run.g[at]);
  saved.live = live(run, s, row, k);
  if (s.cell == Cell::simple) {
    saved.gates[0] = widen(run.h[at]);
    return saved;
  }
  const T* const gates = run.gates + s.gate_at(row, k, unit);
#pragma unroll
  for (int g = 0; g < 4; g++)
    if (g < s.gates()) saved.gates[g] = widen(gates[int64_t(g) * s.units]);
  saved.kept = widen(run.kept[at]);
  const bool lstm = s.cell == Cell::lstm;
  const T *const states = lstm ? run.kept : run.h, *const first = lstm ? run.c0 : run.h0;
  saved.before = k == 0 ? widen(first[int64_t(row) * s.units + unit]) : widen(states[s.at(row, k - 1, unit)]);
  return saved;
}

/**
 * Step k of one unit: product is the gradient of the scaled state from step k + 1, d[g] becomes the slope of the
 * product of gate g. For gruBefore d[1] becomes 0: it is known only after a product with d[2].
 */
template <class T>
__device__ __forceinline__ void backward_unit(const Backward<T>& run, const Sequence& s, int row, int k, int unit, const Saved& saved,
                                              float product, Carry& carry, float (&d)[4]) {
  const float(&y)[4] = saved.gates;
  const float dh = carry.dh + scale_of(run, s, row, unit) * product + saved.g, dc = carry.dc;
  float dx[4] = {};  // slopes of `projected`, where they differ from those of the product
#pragma unroll
  for (int g = 0; g < 4; g++) d[g] = 0;
  if (!saved.live) {
    carry.dh = dh;
  } else if (s.cell == Cell::simple) {
    d[0] = dh * slope(s.activation, y[0]);
    carry.dh = 0;
  } else if (s.cell == Cell::lstm) {
    const float bent = curve(s.activation, saved.kept), slope_of_c = dc + dh * y[3] * slope(s.activation, bent);
    d[0] = slope_of_c * y[2] * slope(s.gate, y[0]);
    d[1] = slope_of_c * saved.before * slope(s.gate, y[1]);
    d[2] = slope_of_c * y[0] * slope(s.activation, y[2]);
    d[3] = dh * bent * slope(s.gate, y[3]);
    carry = {0, slope_of_c * y[1]};
  } else {
    d[0] = dh * (saved.before - y[2]) * slope(s.gate, y[0]);
    d[2] = dh * (1 - y[0]) * slope(s.activation, y[2]);
    carry.dh = dh * y[0];
    if (s.cell == Cell::gru) {
      d[1] = d[2] * saved.kept * slope(s.gate, y[1]);
      dx[0] = d[0], dx[1] = d[1], dx[2] = d[2];
      d[2] *= y[1];
    }
  }
  if (s.cell == Cell::gru) {
    store_gates(run.dprojected, s, row, k, unit, dx);
    store_gates(run.dsum, s, row, k, unit, d);
  } else store_gates(run.dprojected, s, row, k, unit, d);
}

}  // namespace weft::cuda
