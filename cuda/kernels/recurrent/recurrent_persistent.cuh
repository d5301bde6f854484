// Recurrent layers in one launch: a team of blocks keeps the recurrent weights in shared memory for all steps and runs
// 16 rows through them. Each block owns some units, with all their gates. Forward, a block computes its units' gates
// from the states of all units, which every block of the team has a copy of, and then gives the others its new states.
// Backward, it knows the slopes of its own gates; what they add to the gradients of all states is summed over the team,
// in order, by the owner of each unit. A team is one block where the weights fit it, or a cluster
// (recurrent_cluster_sm90.cu); no block waits for one outside its team. Warps share out the columns of a product and,
// where there are more warps than columns, the sum; a unit of a row belongs to one thread for the whole run, which
// keeps its states in registers.
#pragma once
#include "architectures.h"
#include "recurrent_product.cuh"

namespace weft::cuda {

/** A team of one block. */
struct Alone {
  static constexpr unsigned size = 1;
  static __device__ __forceinline__ unsigned rank() { return 0; }
  static __device__ __forceinline__ void sync() { __syncthreads(); }
  template <class X> static __device__ __forceinline__ X* at(X* shared, unsigned) { return shared; }
};

constexpr int persistent_rows = 16, most_warps = 16;
/** Units of rows that one thread can own: what it keeps of them and multiplies with fills its registers. */
template <class T> constexpr int most_items = sizeof(T) == 4 ? 2 : 3;

/** How the blocks of a team divide a run. */
struct Team {
  GateColumns columns;
  int n, k;   // of a block's product: columns and length of its sums, multiples of 16 and 32
  int parts;  // shares of a sum
  int a_row, b_row, sum_row;
  int warps;
  size_t shared;

  /** From where to where part p sums. */
  WEFT_HD int begin(int part) const { return int(int64_t(k / 32) * part / parts) * 32; }
};

template <class T> Team team_of(const Sequence& s, int size, bool backward) {
  const auto up = [](int64_t x, int64_t to) { return int(divide_up(x, to) * to); };
  Team team{};
  const int gates = s.gates(), per = size == 1 ? s.units : up(divide_up(s.units, size), 8);
  const int width = up(int64_t(per) * gates, 32);
  team.columns = {gates, per, width, size};
  team.n = backward ? up(s.units, 16) : width;
  team.k = backward ? width : up(s.units, 32);
  team.a_row = k_major_stride<T>(team.k);
  team.b_row = backward ? k_major_stride<T>(width) : other_stride<T>(width);
  team.sum_row = team.n + 4;
  const int groups = team.n / 16;
  team.parts = std::clamp(most_warps / groups, 1, team.k / 32);
  team.warps = std::min(std::max(groups * team.parts, int(divide_up(per, 2 * most_items<T>))), most_warps);
  const int64_t weights = int64_t(backward ? team.n : team.k) * team.b_row, rows = int64_t(backward ? 1 : 2) * persistent_rows * team.a_row;
  team.shared =
      size_t(weights + rows) * sizeof(T) + size_t(backward ? 2 : 1) * size_t(team.parts * persistent_rows * team.sum_row) * sizeof(float);
  return team;
}

/** The units of rows that a thread owns. */
template <class T> struct Owned {
  int place[most_items<T>];  // the row in the team's 16 and the unit in the block's; negative: none

  __device__ __forceinline__ Owned(const Team& team, const Sequence& s, int first_row, int first_unit) {
#pragma unroll
    for (int j = 0; j < most_items<T>; j++) {
      const int i = int(threadIdx.x) + j * int(blockDim.x), row = i / team.columns.per, local = i - row * team.columns.per;
      const bool exists = row < persistent_rows && first_row + row < s.batch && first_unit + local < s.units;
      place[j] = exists ? row << 16 | local : -1;
    }
  }
  __device__ __forceinline__ bool exists(int j) const { return place[j] >= 0; }
  __device__ __forceinline__ int row(int j) const { return place[j] >> 16; }
  __device__ __forceinline__ int local(int j) const { return place[j] & 0xffff; }
};

/** Brings a block's columns of the packed weights [units, columns] to shared memory, zeros behind the last unit. */
template <class T>
__device__ __forceinline__ void bring_weights(T* to, const T* packed, const Team& team, const Sequence& s, int rows, unsigned rank) {
  constexpr int piece = 16 / int(sizeof(T));
  const int pieces = team.columns.width / piece;
  for (int i = threadIdx.x; i < rows * pieces; i += blockDim.x) {
    const int row = i / pieces, column = i % pieces * piece;
    const bool there = row < s.units;
    async_copy<16>(to + row * team.b_row + column,
                   there ? packed + int64_t(row) * team.columns.all() + rank * team.columns.width + column : packed, there);
  }
  async_commit();
}

/** sums [parts, 16, sum_row] of a product: one warp for each 16 columns and part, in turn. */
template <class Math, bool b_k_major, class T>
__device__ __forceinline__ void multiply(const Team& team, const T* a, const T* b, float* sums) {
  const int groups = team.n / 16;
  for (int task = int(threadIdx.x) >> 5; task < groups * team.parts; task += int(blockDim.x) >> 5) {
    const int group = task % groups, part = task / groups, begin = team.begin(part), end = team.begin(part + 1);
    float sum[1][2][4] = {};
    warp_multiply<Math, 1, b_k_major>(sum, a + begin, team.a_row,
                                      b + (b_k_major ? 16 * group * team.b_row + begin : 16 * group + begin * team.b_row), team.b_row,
                                      end - begin);
    store_sums(sum, sums + part * persistent_rows * team.sum_row + 16 * group, team.sum_row);
  }
}

template <class T, bool exact, class Blocks>
__global__ void __launch_bounds__(32 * most_warps, 1) forward_persistent(Forward<T> run, Sequence s, Team team, const T* packed) {
  WEFT_DYNAMIC_SHARED(T, weights);
  T* const operands = weights + int64_t(team.k) * team.b_row;  // [2, 16, a_row]: of this step and the next
  const int operand_size = persistent_rows * team.a_row;
  float* const sums = reinterpret_cast<float*>(operands + 2 * operand_size);
  const unsigned rank = Blocks::rank();
  const int first_row = int(blockIdx.x / Blocks::size) * persistent_rows, first_unit = int(rank) * team.columns.per;
  const Owned<T> owned(team, s, first_row, first_unit);

  bring_weights(weights, packed, team, s, team.k, rank);
  for (int i = threadIdx.x; i < 2 * operand_size; i += blockDim.x) {
    const int row = first_row + i / team.a_row, unit = i % team.a_row;
    const bool there = i < operand_size && row < s.batch && unit < s.units;
    operands[i] = narrow<T>(there ? scale_of(run, s, row, unit) * first_state(run, s, row, unit).h : 0);
  }
  State states[most_items<T>];
#pragma unroll
  for (int j = 0; j < most_items<T>; j++) {
    if (!owned.exists(j)) continue;
    states[j] = first_state(run, s, first_row + owned.row(j), first_unit + owned.local(j));
    if (s.steps == 0) store_last(run, s, first_row + owned.row(j), first_unit + owned.local(j), states[j]);
  }
  async_wait<0>();
  Blocks::sync();

  for (int k = 0; k < s.steps; k++) {
    Given given[most_items<T>];
#pragma unroll
    for (int j = 0; j < most_items<T>; j++)
      if (owned.exists(j)) given[j] = load_given(run, s, first_row + owned.row(j), k, first_unit + owned.local(j));
    T *const operand = operands + k % 2 * operand_size, *const next = operands + (k + 1) % 2 * operand_size;
    multiply<MathOf<T, exact>, false>(team, operand, weights, sums);
    __syncthreads();
#pragma unroll
    for (int j = 0; j < most_items<T>; j++) {
      if (!owned.exists(j)) continue;
      float sum[4] = {};
      const float* from = sums + owned.row(j) * team.sum_row + owned.local(j) * team.columns.gates;
      for (int part = 0; part < team.parts; part++, from += persistent_rows * team.sum_row)
#pragma unroll
        for (int g = 0; g < 4; g++)
          if (g < team.columns.gates) sum[g] += from[g];
      forward_unit(run, s, first_row + owned.row(j), k, first_unit + owned.local(j), given[j], sum, states[j]);
      next[owned.row(j) * team.a_row + first_unit + owned.local(j)] =
          narrow<T>(scale_of(run, s, first_row + owned.row(j), first_unit + owned.local(j)) * states[j].h);
    }
    if (k == s.steps - 1) break;
    if constexpr (Blocks::size > 1) {  // to the other blocks, 16 bytes at a time; their products with what lay there ended a barrier ago
      constexpr int piece = 16 / int(sizeof(T));
      __syncthreads();
      const int mine = s.units - first_unit < team.columns.per ? s.units - first_unit : team.columns.per;
      const int pieces = mine > 0 ? (mine + piece - 1) / piece : 0;
      for (int i = threadIdx.x; i < persistent_rows * pieces * int(Blocks::size - 1); i += blockDim.x) {
        const int there = i / (persistent_rows * pieces), place = i - there * persistent_rows * pieces;
        T* const at = next + place / pieces * team.a_row + first_unit + place % pieces * piece;
        store_pack(Blocks::at(at, (rank + 1 + unsigned(there)) % Blocks::size), load_pack<piece>(at));
      }
    }
    Blocks::sync();
  }
}

template <class T, bool exact, class Blocks>
__global__ void __launch_bounds__(32 * most_warps, 1) backward_persistent(Backward<T> run, Sequence s, Team team, const T* packed) {
  WEFT_DYNAMIC_SHARED(T, weights);
  T* const slopes = weights + int64_t(team.n) * team.b_row;  // [16, a_row]
  float* const sums = reinterpret_cast<float*>(slopes + persistent_rows * team.a_row);
  const int sums_size = team.parts * persistent_rows * team.sum_row;  // of two: others read one while this block writes the other
  const unsigned rank = Blocks::rank();
  const int first_row = int(blockIdx.x / Blocks::size) * persistent_rows, first_unit = int(rank) * team.columns.per;
  const Owned<T> owned(team, s, first_row, first_unit);
  /** The gradient of a scaled state, from the shares of all blocks for the step whose sums these are. */
  const auto gradient = [&](float* from, int j) {
    float sum = 0;
    for (unsigned block = 0; block < Blocks::size; block++) {
      const float* at = Blocks::at(from, block) + owned.row(j) * team.sum_row + first_unit + owned.local(j);
      for (int part = 0; part < team.parts; part++, at += persistent_rows * team.sum_row) sum += *at;
    }
    return sum;
  };

  bring_weights(weights, packed, team, s, team.n, rank);
  for (int i = threadIdx.x; i < persistent_rows * team.a_row; i += blockDim.x) slopes[i] = narrow<T>(0);
  Carry carries[most_items<T>];
  Saved saved[most_items<T>];
  const auto load = [&](int k) {
#pragma unroll
    for (int j = 0; j < most_items<T>; j++)
      if (owned.exists(j) && k >= 0) saved[j] = load_saved(run, s, first_row + owned.row(j), k, first_unit + owned.local(j));
  };
#pragma unroll
  for (int j = 0; j < most_items<T>; j++)
    if (owned.exists(j)) carries[j] = first_carry(run, s, first_row + owned.row(j), first_unit + owned.local(j));
  load(s.steps - 1);
  async_wait<0>();
  __syncthreads();

  for (int k = s.steps - 1; k >= 0; k--) {
    float *const of_next = sums + (k + 1) % 2 * sums_size, *const of_this = sums + k % 2 * sums_size;
#pragma unroll
    for (int j = 0; j < most_items<T>; j++) {
      if (!owned.exists(j)) continue;
      const float product = k == s.steps - 1 ? 0 : gradient(of_next, j);
      float d[4];
      backward_unit(run, s, first_row + owned.row(j), k, first_unit + owned.local(j), saved[j], product, carries[j], d);
      T* const to = slopes + owned.row(j) * team.a_row + owned.local(j) * team.columns.gates;
#pragma unroll
      for (int g = 0; g < 4; g++)
        if (g < team.columns.gates) to[g] = narrow<T>(d[g]);
    }
    __syncthreads();
    load(k - 1);
    multiply<MathOf<T, exact>, true>(team, slopes, weights, of_this);
    Blocks::sync();
  }
#pragma unroll
  for (int j = 0; j < most_items<T>; j++)
    if (owned.exists(j))
      store_first(run, s, first_row + owned.row(j), first_unit + owned.local(j), s.steps == 0 ? 0 : gradient(sums, j), carries[j]);
  if constexpr (Blocks::size > 1) Blocks::sync();  // others may still read these sums
}

/** Whether a team of so many blocks can hold the weights. */
inline bool team_fits(const Recurrence& run, const Target& target, int size, bool backward) {
  const Sequence& s = run.s;
  const bool known = s.cell != Cell::gruBefore && (code_for(target.capability) >= 80 || run.dtype == DType::float16);
  const auto fits = [&]<class T>(const Team& team) {
    return team.shared <= target.shared_memory && team.columns.per * persistent_rows <= most_items<T> * 32 * team.warps;
  };
  return known &&
         (run.dtype == DType::float32 ? fits.template operator()<float>(team_of<float>(s, size, backward))
                                      : fits.template operator()<BFloat16>(team_of<BFloat16>(s, size, backward))) &&
         divide_up(s.batch, persistent_rows) * size <= INT32_MAX;
}

/** The run by teams of Blocks; T and exact from dispatch_math. */
template <class T, bool exact, class Blocks> Step bind_team(Call& call, const Recurrence& run, bool backward) {
  const Team team = team_of<T>(run.s, int(Blocks::size), backward);
  const View packed = scratch_matrix(call, run.s.units, team.columns.all(), run.dtype);
  const Shape shape{.grid = dim3(unsigned(divide_up(run.s.batch, persistent_rows)) * Blocks::size),
                    .block = dim3(unsigned(32 * team.warps)),
                    .shared = team.shared,
                    .cluster = Blocks::size};
  return [=](const Frame& frame) {
    launch(frame, one_thread_each(int64_t(run.s.units) * team.columns.all()), pack_columns<T>, frame.at<const T>(run.recurrent),
           frame.at<T>(packed), team.columns, run.s.units);
    if (backward)
      launch(frame, shape, backward_persistent<T, exact, Blocks>, run.backward<T>(frame), run.s, team, frame.at<const T>(packed));
    else launch(frame, shape, forward_persistent<T, exact, Blocks>, run.forward<T>(frame), run.s, team, frame.at<const T>(packed));
  };
}

}  // namespace weft::cuda
