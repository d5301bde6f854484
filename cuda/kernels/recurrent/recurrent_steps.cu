// Recurrent layers step by step: for every step a matrix product of the states and the recurrent weights, then a kernel
// with one thread per unit of a row that applies the cell. For every cell, size and GPU. The product's columns are
// ordered unit by unit, its gates side by side, so a thread reads neighbours; everything between the steps is float32.
// Where gru resets before the product there are two of each per step.
#include "kernels/matmul/matmul.h"
#include "recurrent.h"

namespace weft::cuda {
namespace {

/** packed [units, units · count]: column unit · count + i holds gate first + i of the unit. */
template <class T>
__global__ void __launch_bounds__(256) pack_gates(const T* recurrent, float* packed, int units, int gates, int first, int count) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= int64_t(units) * units * count) return;
  const int64_t k = i / (int64_t(units) * count);
  const int column = int(i - k * units * count);
  packed[i] = widen(recurrent[k * gates * units + int64_t(first + column % count) * units + column / count]);
}

/** The unit of a thread. */
struct Place {
  int64_t i;
  int row, unit;
  bool exists;
  __device__ __forceinline__ explicit Place(const Sequence& s) {
    i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
    row = int(i / s.units);
    unit = int(i - int64_t(row) * s.units);
    exists = row < s.batch;
  }
};

/** Products of a step: those of all gates side by side, or of gru's first two, and its candidate's by itself. */
struct Sums {
  const float *side_by_side, *candidate;

  __device__ __forceinline__ void load(const Sequence& s, int64_t i, float (&sum)[4]) const {
    const int count = candidate ? 2 : s.gates();
#pragma unroll
    for (int g = 0; g < 4; g++) sum[g] = g < count ? side_by_side[i * count + g] : 0;
    if (candidate) sum[2] = candidate[i];
  }
};

template <class T> __global__ void __launch_bounds__(256) first_states(Forward<T> run, Sequence s, State* states, float* operand) {
  const Place place(s);
  if (!place.exists) return;
  const State state = first_state(run, s, place.row, place.unit);
  states[place.i] = state;
  operand[place.i] = rounded<T>(scale_of(run, s, place.row, place.unit) * state.h);
  if (s.steps == 0) store_last(run, s, place.row, place.unit, state);
}

template <class T>
__global__ void __launch_bounds__(256) forward_step(Forward<T> run, Sequence s, int k, Sums sums, State* states, float* operand) {
  const Place place(s);
  if (!place.exists) return;
  const Given given = load_given(run, s, place.row, k, place.unit);
  float sum[4];
  sums.load(s, place.i, sum);
  State state = states[place.i];
  forward_unit(run, s, place.row, k, place.unit, given, sum, state);
  states[place.i] = state;
  operand[place.i] = rounded<T>(scale_of(run, s, place.row, place.unit) * state.h);
}

/** gruBefore: what meets the candidate's weights, reset · scale · h. */
template <class T>
__global__ void __launch_bounds__(256)
    forward_reset(Forward<T> run, Sequence s, int k, const float* sums, const State* states, float* inner) {
  const Place place(s);
  if (!place.exists) return;
  const Given given = load_given(run, s, place.row, k, place.unit);
  const float reset = curve(s.gate, given.x[1] + sums[2 * place.i + 1]);
  inner[place.i] = rounded<T>(reset * rounded<T>(scale_of(run, s, place.row, place.unit) * states[place.i].h));
}

/**
 * Step k; k = -1: what is left after the first one. slopes: of the products, side by side; candidate: gru's last, where
 * it goes by itself.
 */
template <class T>
__global__ void __launch_bounds__(256)
    backward_step(Backward<T> run, Sequence s, int k, const float* product, Carry* carries, float* slopes, float* candidate) {
  const Place place(s);
  if (!place.exists) return;
  const bool last = k == s.steps - 1;
  Carry carry = last ? first_carry(run, s, place.row, place.unit) : carries[place.i];
  const float through = last ? 0 : product[place.i];
  if (k < 0) return store_first(run, s, place.row, place.unit, through, carry);
  float d[4];
  backward_unit(run, s, place.row, k, place.unit, load_saved(run, s, place.row, k, place.unit), through, carry, d);
  carries[place.i] = carry;
  const int count = candidate ? 2 : s.gates();
#pragma unroll
  for (int g = 0; g < 4; g++)
    if (g < count) slopes[place.i * count + g] = d[g];
  if (candidate) candidate[place.i] = d[2];
}

/** gruBefore: the slope of the reset gate, from that of reset · scale · h. */
template <class T>
__global__ void __launch_bounds__(256)
    backward_reset(Backward<T> run, Sequence s, int k, const float* product, Carry* carries, float* slopes) {
  const Place place(s);
  if (!place.exists) return;
  const Saved saved = load_saved(run, s, place.row, k, place.unit);
  if (!saved.live) return;
  const float through = product[place.i], reset = saved.gates[1], scale = scale_of(run, s, place.row, place.unit);
  const float d = through * rounded<T>(scale * saved.before) * slope(s.gate, reset);
  slopes[2 * place.i + 1] = d;
  if (run.dprojected) run.dprojected[s.gate_at(place.row, k, place.unit) + s.units] = narrow<T>(d);
  carries[place.i].dh += through * reset * scale;
}

/** Some gates of the recurrent weights as float32, and the step that makes them. */
struct Gates {
  View packed;
  Step make;

  Gates(Call& call, const Recurrence& run, int first, int count) {
    const int units = run.s.units, gates = run.s.gates();
    const View from = run.recurrent;
    if (gates == 1 && run.dtype == DType::float32) {
      packed = from;
      return;
    }
    packed = scratch_matrix(call, units, int64_t(units) * count, DType::float32);
    const View to = packed;
    make = dispatch<float, BFloat16, Float16>(run.dtype, [&]<class T>() -> Step {
      return [=](const Frame& frame) {
        launch(frame, one_thread_each(int64_t(units) * units * count), pack_gates<T>, frame.at<const T>(from), frame.at<float>(to), units,
               gates, first, count);
      };
    });
  }
  void operator()(const Frame& frame) const {
    if (make) make(frame);
  }
};

/**
 * rows · weights or, backward, rows · weightsᵀ. 16-bit states and weights are exact in the type that the product rounds
 * to.
 */
Step product_of(Call& call, const Recurrence& run, const View& rows, const View& weights, const View& result, bool backward) {
  Product p;
  p.a_view = rows, p.b_view = weights, p.c = result;
  p.b_k_major = backward;
  p.precision = run.dtype == DType::bfloat16 ? Precision::bfloat16 : run.dtype == DType::float16 ? Precision::tf32 : run.precision;
  p.set_extents(call.op.c_str(), run.s.batch, result.dim(1), rows.dim(1));
  return bind_product(call, p);
}

}  // namespace

Step bind_steps(Call& call, const Recurrence& run) {
  const Sequence s = run.s;
  const bool twice = s.cell == Cell::gruBefore;
  const int side_by_side = twice ? 2 : s.gates();
  const Gates main(call, run, 0, side_by_side);
  const View states = call.scratch(size_t(run.states()) * sizeof(State));
  const View operand = scratch_matrix(call, s.batch, s.units, DType::float32);
  const View sums = scratch_matrix(call, s.batch, int64_t(s.units) * side_by_side, DType::float32);
  const Step multiply = product_of(call, run, operand, main.packed, sums, false);
  const Shape shape = one_thread_each(run.states());
  return dispatch<float, BFloat16, Float16>(run.dtype, [&]<class T>() -> Step {
    const auto start = [=](const Frame& frame) {
      main(frame);
      launch(frame, shape, first_states<T>, run.forward<T>(frame), s, frame.at<State>(states), frame.at<float>(operand));
    };
    if (!twice)
      return [=](const Frame& frame) {
        start(frame);
        for (int k = 0; k < s.steps; k++) {
          multiply(frame);
          launch(frame, shape, forward_step<T>, run.forward<T>(frame), s, k, Sums{frame.at<float>(sums), nullptr}, frame.at<State>(states),
                 frame.at<float>(operand));
        }
      };
    const Gates last(call, run, 2, 1);
    const View inner = scratch_matrix(call, s.batch, s.units, DType::float32),
               candidate = scratch_matrix(call, s.batch, s.units, DType::float32);
    const Step multiply_inner = product_of(call, run, inner, last.packed, candidate, false);
    return [=](const Frame& frame) {
      start(frame);
      last(frame);
      const Forward<T> pointers = run.forward<T>(frame);
      float* const side = frame.at<float>(sums);
      for (int k = 0; k < s.steps; k++) {
        multiply(frame);
        launch(frame, shape, forward_reset<T>, pointers, s, k, side, frame.at<State>(states), frame.at<float>(inner));
        multiply_inner(frame);
        launch(frame, shape, forward_step<T>, pointers, s, k, Sums{side, frame.at<float>(candidate)}, frame.at<State>(states),
               frame.at<float>(operand));
      }
    };
  });
}

Step bind_steps_gradient(Call& call, const Recurrence& run) {
  const Sequence s = run.s;
  const bool twice = s.cell == Cell::gruBefore;
  const int side_by_side = twice ? 2 : s.gates();
  const Gates main(call, run, 0, side_by_side);
  const View carries = call.scratch(size_t(run.states()) * sizeof(Carry));
  const View slopes = scratch_matrix(call, s.batch, int64_t(s.units) * side_by_side, DType::float32);
  const View product = scratch_matrix(call, s.batch, s.units, DType::float32);
  const Step multiply = product_of(call, run, slopes, main.packed, product, true);
  const Shape shape = one_thread_each(run.states());
  return dispatch<float, BFloat16, Float16>(run.dtype, [&]<class T>() -> Step {
    if (!twice)
      return [=](const Frame& frame) {
        main(frame);
        for (int k = s.steps - 1; k >= -1; k--) {
          launch(frame, shape, backward_step<T>, run.backward<T>(frame), s, k, frame.at<float>(product), frame.at<Carry>(carries),
                 frame.at<float>(slopes), nullptr);
          if (k >= 0) multiply(frame);
        }
      };
    const Gates last(call, run, 2, 1);
    const View candidate = scratch_matrix(call, s.batch, s.units, DType::float32),
               inner = scratch_matrix(call, s.batch, s.units, DType::float32);
    const Step multiply_inner = product_of(call, run, candidate, last.packed, inner, true);
    return [=](const Frame& frame) {
      main(frame);
      last(frame);
      const Backward<T> pointers = run.backward<T>(frame);
      for (int k = s.steps - 1; k >= -1; k--) {
        launch(frame, shape, backward_step<T>, pointers, s, k, frame.at<float>(product), frame.at<Carry>(carries), frame.at<float>(slopes),
               frame.at<float>(candidate));
        if (k < 0) break;
        multiply_inner(frame);
        launch(frame, shape, backward_reset<T>, pointers, s, k, frame.at<float>(inner), frame.at<Carry>(carries), frame.at<float>(slopes));
        multiply(frame);
      }
    };
  });
}

}  // namespace weft::cuda
