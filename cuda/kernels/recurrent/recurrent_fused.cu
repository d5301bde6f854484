// Recurrent layers with one kernel per step, which multiplies on tensor cores and applies the cell to the results while
// they are still in shared memory. A block computes 32 rows and 64 columns, which are all gates of some units; backward
// 32 rows and 16 units. Its warps share out the columns and, of every staged part of the sum, k; what the shares of k
// give is added in order. States, and what the next step multiplies, lie in scratch memory, the latter twice: blocks
// read one while others write the other. For runs whose steps are too small to fill the GPU as products do, so that the
// time of a step is that of a launch and of reading the weights from the second-level cache.
#include "architectures.h"
#include "recurrent_product.cuh"

namespace weft::cuda {
namespace {

/** A [32, TileN] tile of a product, k staged TileK at a time. */
template <class Math_, bool b_k_major_, int TileN_, int TileK_> struct StepTile {
  using Math = Math_;
  using E = typename Math::Element;
  static constexpr bool b_k_major = b_k_major_;
  static constexpr int TileM = 32, TileN = TileN_, TileK = TileK_, stages = 3;
  static constexpr int across = TileN / 16, parts = TileK / 32, threads = 32 * across * parts;
  static constexpr int a_row = k_major_stride<E>(TileK), b_row = b_k_major ? k_major_stride<E>(TileK) : other_stride<E>(TileN);
  static constexpr int a_size = TileM * a_row, b_size = (b_k_major ? TileN : TileK) * b_row;
  static constexpr int sum_row = TileN + 4;
  static constexpr size_t shared = std::max(stages * size_t(a_size + b_size) * sizeof(E), parts* TileM* sum_row * sizeof(float));

  /**
   * a [rows, a_length] from `row` on times b from `column` on: b is [k_end, b_length] or, k-major, [columns, b_length].
   * Lengths are multiples of 16 bytes. Leaves `parts` sums [32, sum_row] in shared memory.
   */
  static __device__ __forceinline__ const float* multiply(E* buffer, const E* a, int a_length, int row, int rows, const E* b, int b_length,
                                                          int column, int columns, int k_end) {
    const auto copy = [&](int step) {
      const int k = step * TileK;
      if (k < k_end) {
        E* const to = buffer + step % stages * (a_size + b_size);
        stage<TileM, TileK, a_row, threads>(to, a, a_length, row, rows, k, a_length, true);
        if constexpr (b_k_major) stage<TileN, TileK, b_row, threads>(to + a_size, b, b_length, column, columns, k, b_length, true);
        else stage<TileK, TileN, b_row, threads>(to + a_size, b, b_length, k, k_end, column, b_length, true);
      }
      async_commit();
    };
    const int warp = int(threadIdx.x) >> 5, group = warp % across, part = warp / across;
    float sum[2][2][4] = {};
    for (int step = 0; step < stages - 1; step++) copy(step);
    for (int step = 0; step * TileK < k_end; step++) {
      async_wait<stages - 2>();
      __syncthreads();  // the parts are there for all, and all are done with the buffer that is filled next
      copy(step + stages - 1);
      const E* const at = buffer + step % stages * (a_size + b_size);
      warp_multiply<Math, 2, b_k_major>(sum, at + 32 * part, a_row,
                                        at + a_size + (b_k_major ? 16 * group * b_row + 32 * part : 16 * group + 32 * part * b_row), b_row,
                                        32);
    }
    async_wait<0>();
    __syncthreads();
    float* const sums = reinterpret_cast<float*>(buffer);
    store_sums(sum, sums + part * TileM * sum_row + 16 * group, sum_row);
    __syncthreads();
    return sums;
  }
  static __device__ __forceinline__ float total(const float* sums, int row, int column) {
    float sum = 0;
#pragma unroll
    for (int part = 0; part < parts; part++) sum += sums[(part * TileM + row) * sum_row + column];
    return sum;
  }
};

template <class T, bool exact> using ForwardTile = StepTile<MathOf<T, exact>, false, 64, 64>;
template <class T, bool exact> using BackwardTile = StepTile<MathOf<T, exact>, true, 16, 128>;

/** operand [batch, length]: the scaled state, the rest of a row zero. */
template <class T> __global__ void __launch_bounds__(256) first_operand(Forward<T> run, Sequence s, State* states, T* operand, int length) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int row = int(i / length), unit = int(i - int64_t(row) * length);
  if (row >= s.batch) return;
  operand[i] = narrow<T>(0);
  if (unit >= s.units) return;
  const State state = first_state(run, s, row, unit);
  states[int64_t(row) * s.units + unit] = state;
  operand[i] = narrow<T>(scale_of(run, s, row, unit) * state.h);
  if (s.steps == 0) store_last(run, s, row, unit, state);
}

/** Block x: a group of columns; block y: rows. */
template <class T, bool exact>
__global__ void __launch_bounds__(ForwardTile<T, exact>::threads)
    forward_tile(Forward<T> run, Sequence s, GateColumns columns, int k, const T* weights, const T* operand, T* next, int length,
                 State* states) {
  using Tile = ForwardTile<T, exact>;
  WEFT_DYNAMIC_SHARED(T, shared);
  const int first_row = blockIdx.y * Tile::TileM, first_unit = blockIdx.x * columns.per;
  const float* const sums =
      Tile::multiply(shared, operand, length, first_row, s.batch, weights, columns.all(), blockIdx.x * Tile::TileN, columns.all(), s.units);
  for (int i = threadIdx.x; i < Tile::TileM * columns.per; i += Tile::threads) {
    const int r = i / columns.per, local = i - r * columns.per, row = first_row + r, unit = first_unit + local;
    if (row >= s.batch || unit >= s.units) continue;
    const Given given = load_given(run, s, row, k, unit);
    float sum[4];
#pragma unroll
    for (int g = 0; g < 4; g++) sum[g] = g < columns.gates ? Tile::total(sums, r, local * columns.gates + g) : 0;
    State state = states[int64_t(row) * s.units + unit];
    forward_unit(run, s, row, k, unit, given, sum, state);
    states[int64_t(row) * s.units + unit] = state;
    next[int64_t(row) * length + unit] = narrow<T>(scale_of(run, s, row, unit) * state.h);
  }
}

/** Step k, or with k = -1 what is left after the first one. slopes [batch, columns]: of the products of step k + 1. */
template <class T, bool exact>
__global__ void __launch_bounds__(BackwardTile<T, exact>::threads)
    backward_tile(Backward<T> run, Sequence s, GateColumns columns, int k, const T* weights, const T* slopes, T* next, Carry* carries) {
  using Tile = BackwardTile<T, exact>;
  WEFT_DYNAMIC_SHARED(T, shared);
  const int first_row = blockIdx.y * Tile::TileM, first_unit = blockIdx.x * Tile::TileN;
  const bool last = k == s.steps - 1;
  const float* const sums = Tile::multiply(shared, slopes, columns.all(), first_row, s.batch, weights, columns.all(), first_unit, s.units,
                                           last ? 0 : columns.all());
  for (int i = threadIdx.x; i < Tile::TileM * Tile::TileN; i += Tile::threads) {
    const int r = i / Tile::TileN, local = i % Tile::TileN, row = first_row + r, unit = first_unit + local;
    if (row >= s.batch || unit >= s.units) continue;
    const float product = Tile::total(sums, r, local);
    Carry carry = last ? first_carry(run, s, row, unit) : carries[int64_t(row) * s.units + unit];
    if (k < 0) {
      store_first(run, s, row, unit, product, carry);
      continue;
    }
    float d[4];
    backward_unit(run, s, row, k, unit, load_saved(run, s, row, k, unit), product, carry, d);
    carries[int64_t(row) * s.units + unit] = carry;
    T* const to = next + int64_t(row) * columns.all() + columns.of(unit, 0);
#pragma unroll
    for (int g = 0; g < 4; g++)
      if (g < columns.gates) to[g] = narrow<T>(d[g]);
  }
}

/** Groups of 64 columns. */
GateColumns columns_of(const Sequence& s) {
  const int gates = s.gates(), per = 64 / gates;
  return {gates, per, 64, int(divide_up(s.units, per))};
}

}  // namespace

bool can_fuse(const Recurrence& run, const Target& target) {
  return run.s.cell != Cell::gruBefore && (code_for(target.capability) >= 80 || run.dtype == DType::float16) &&
         divide_up(run.s.batch, 32) <= 65535;
}

/**
 * Where the steps' products would leave most of the GPU idle; larger ones read the weights too often here. Tensor cores
 * that multiply float32 no faster than other arithmetic does pay only for the launch they save.
 */
bool fuse_pays(const Recurrence& run, const Target& target) {
  const int capability = target.capability;
  const bool quick = capability == 80 || capability == 90 || (capability >= 100 && capability < 110);
  const bool exact = run.dtype == DType::float32 && run.precision == Precision::float32;
  return (quick || !exact || run.s.units <= 256) && divide_up(run.s.batch, 32) * columns_of(run.s).groups <= 2 * target.multiprocessors;
}

Step bind_fused(Call& call, const Recurrence& run) {
  const Sequence s = run.s;
  const GateColumns columns = columns_of(s);
  const int length = int(divide_up(s.units, 8) * 8);
  const View packed = scratch_matrix(call, s.units, columns.all(), run.dtype);
  const View states = call.scratch(size_t(run.states()) * sizeof(State));
  const View operands[2] = {scratch_matrix(call, s.batch, length, run.dtype), scratch_matrix(call, s.batch, length, run.dtype)};
  return dispatch_math(run, [&]<class T, bool exact>() -> Step {
    using Tile = ForwardTile<T, exact>;
    const Shape shape{.grid = dim3(unsigned(columns.groups), unsigned(divide_up(s.batch, Tile::TileM))),
                      .block = dim3(Tile::threads),
                      .shared = Tile::shared};
    return [=](const Frame& frame) {
      const Forward<T> pointers = run.forward<T>(frame);
      T *operand = frame.at<T>(operands[0]), *next = frame.at<T>(operands[1]);
      launch(frame, one_thread_each(int64_t(s.units) * columns.all()), pack_columns<T>, frame.at<const T>(run.recurrent),
             frame.at<T>(packed), columns, s.units);
      // both: what no step writes is zero
      launch(frame, one_thread_each(int64_t(s.batch) * length), first_operand<T>, pointers, s, frame.at<State>(states), next, length);
      launch(frame, one_thread_each(int64_t(s.batch) * length), first_operand<T>, pointers, s, frame.at<State>(states), operand, length);
      for (int k = 0; k < s.steps; k++) {
        launch(frame, shape, forward_tile<T, exact>, pointers, s, columns, k, frame.at<const T>(packed), operand, next, length,
               frame.at<State>(states));
        std::swap(operand, next);
      }
    };
  });
}

Step bind_fused_gradient(Call& call, const Recurrence& run) {
  const Sequence s = run.s;
  const GateColumns columns = columns_of(s);
  const View packed = scratch_matrix(call, s.units, columns.all(), run.dtype);
  const View carries = call.scratch(size_t(run.states()) * sizeof(Carry));
  const View slopes[2] = {scratch_matrix(call, s.batch, columns.all(), run.dtype), scratch_matrix(call, s.batch, columns.all(), run.dtype)};
  return dispatch_math(run, [&]<class T, bool exact>() -> Step {
    using Tile = BackwardTile<T, exact>;
    const Shape shape{.grid = dim3(unsigned(divide_up(s.units, Tile::TileN)), unsigned(divide_up(s.batch, Tile::TileM))),
                      .block = dim3(Tile::threads),
                      .shared = Tile::shared};
    return [=](const Frame& frame) {
      const Backward<T> pointers = run.backward<T>(frame);
      T *slope = frame.at<T>(slopes[0]), *next = frame.at<T>(slopes[1]);
      launch(frame, one_thread_each(int64_t(s.units) * columns.all()), pack_columns<T>, frame.at<const T>(run.recurrent),
             frame.at<T>(packed), columns, s.units);
      for (const View& view : slopes) clear(frame, frame.at<T>(view), size_t(s.batch) * size_t(columns.all()) * sizeof(T));
      for (int k = s.steps - 1; k >= -1; k--) {
        launch(frame, shape, backward_tile<T, exact>, pointers, s, columns, k, frame.at<const T>(packed), slope, next,
               frame.at<Carry>(carries));
        std::swap(slope, next);
      }
    };
  });
}

}  // namespace weft::cuda
