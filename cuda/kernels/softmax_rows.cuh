// What softmax and the cross-entropies share: a row's largest element and its sum of exponentials, for whole rows or
// combined from chunks, and the gradients that are functions of two rows and one sum over them.
#pragma once
#include "chunk_sums.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {

/**
 * The largest element m of a chunk, and the sum of exp(x - m) over the others; m itself adds 1. So the logarithm keeps
 * its digits where the others are next to nothing.
 */
struct ChunkSum {
  float largest, others;
  __device__ __forceinline__ float total() const { return 1 + others; }
};

/**
 * Σ exp(x - largest) without one element's 1, given the sum with it. Next to 1 the difference would have no digits, and
 * the values above ½, of which there is one then, are left out of a sum of their own. `value`: the powers, or where
 * `exponents` is set what they are powers of. All threads of a warp take part, of the block where a row has several
 * warps.
 */
template <int items, int size>
__device__ __forceinline__ float others_of(float total, const float (&value)[items][size], bool exponents, int lanes, float* scratch) {
  const bool near = total >= 1.0f && total < 1.0625f;
  float others[1] = {0};
  if (__any_sync(all_lanes, near)) {
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < size; e++) {
        const float power = exponents ? expf(value[k][e]) : value[k][e];
        others[0] += power > 0.5f ? 0.0f : power;
      }
    group_reduce(others, lanes, 0.0f, scratch, Sum());
  }
  return near ? others[0] : total - 1;
}

/** A number that exponents may be shifted by: the largest element, but 0 where all are -infinity. */
__device__ __forceinline__ float shift_of(float largest) { return largest == -infinity ? 0.0f : largest; }

/** Combines the chunks of a row; `lanes` threads work on it, a warp or the block, and all get the result. */
template <class Chunks> __device__ __forceinline__ ChunkSum combine_chunks(const Chunks& chunks, int lanes, float* scratch) {
  const int lane = int(threadIdx.x) % lanes;
  float largest[1] = {-infinity}, sum[2] = {0, 0};
  for (int i = lane; i < chunks.count; i += lanes) largest[0] = fmaxf(largest[0], chunks(i).largest);
  group_reduce(largest, lanes, -infinity, scratch, Larger());
  for (int i = lane; i < chunks.count; i += lanes) {
    const ChunkSum chunk = chunks(i);
    if (chunk.largest == largest[0]) sum[0] += chunk.others, sum[1] += 1;
    else sum[0] += chunk.total() == 0 ? 0.0f : chunk.total() * expf(shift_of(chunk.largest) - largest[0]);
  }
  group_reduce(sum, lanes, 0.0f, scratch, Sum());
  return {largest[0], sum[0] + (sum[1] - 1)};
}

/** x as floats in registers, with -infinity outside of the piece; returns the largest of the piece. */
template <class T, int items>
__device__ __forceinline__ float load_with_largest(const Piece<T>& piece, const T* x, float (&value)[items][Piece<T>::size],
                                                   float* scratch) {
  float largest[1] = {-infinity};
#pragma unroll
  for (int k = 0; k < items; k++) {
    const auto pack = piece.load(x, k, -infinity);
#pragma unroll
    for (int e = 0; e < piece.size; e++) value[k][e] = pack.get(e);
  }
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++) largest[0] = fmaxf(largest[0], value[k][e]);
  group_reduce(largest, piece.lanes, -infinity, scratch, Larger());
  return largest[0];
}

/** What pair_rows sums up over a row. */
template <int count> struct RowSums { float of[count]; };

/** The most threads of a row in pair_rows: two rows of 16-bit floats want more registers when they are widened. */
template <class T> constexpr int most_pair_lanes = sizeof(T) == 4 ? 1024 : 512;

/**
 * dx = scale · Rule::value(a, b, what Rule::add has summed up over the row); scale: one number per row, or null. dx may
 * be a or b.
 */
template <class T, int items, class Rule, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_pair_lanes<T>), 1)
    pair_rows(const T* a, const T* b, const T* scale, T* dx, float* sums, Rows rows) {
  constexpr int count = Rule::sums;
  WEFT_SHARED(float, scratch, [32 * count]);
  const Piece<T> piece(rows);
  Words<T> first[items], second[items];
#pragma unroll
  for (int k = 0; k < items; k++) {
    first[k] = piece.load(a, k, 0);
    second[k] = piece.load(b, k, 0);
  }
  float total[count] = {};
  if constexpr (stage == Stage::rest) {
    for (int i = int(threadIdx.x); i < rows.chunks; i += int(blockDim.x))
      for (int s = 0; s < count; s++) total[s] += sums[(piece.row * rows.chunks + i) * count + s];
  } else {
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) Rule::add(total, first[k].get(e), second[k].get(e));
  }
  group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
  WEFT_SHARED(RowSums<count>, slot, [1]);
  const ClusterSums<RowSums<count>> cluster{slot, rows.chunks};
  if constexpr (stage == Stage::cluster) {
    RowSums<count> own;
    for (int s = 0; s < count; s++) own.of[s] = total[s], total[s] = 0;
    cluster.give(own);
    for (int i = 0; i < cluster.count; i++) {
      const RowSums<count> other = cluster(i);
      for (int s = 0; s < count; s++) total[s] += other.of[s];
    }
    cluster.leave();
  }
  if constexpr (stage == Stage::sums) {
    if (piece.lane == 0 && piece.exists(rows))
      for (int s = 0; s < count; s++) sums[piece.id * count + s] = total[s];
  } else {
    const float factor = scale != nullptr && piece.exists(rows) ? widen(scale[piece.row]) : 1.0f;
#pragma unroll
    for (int k = 0; k < items; k++) {
      Words<T> out;
#pragma unroll
      for (int e = 0; e < piece.size; e++) out.set(e, factor * Rule::value(first[k].get(e), second[k].get(e), total));
      piece.store(dx, k, out);
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

/** The Step of pair_rows for rows of the last axis of a and b. A scale that is not there is a View without a slot. */
template <class T, class Rule> Step bind_pair_rows(Call& call, const View& a, const View& b, const View& scale, const View& dx) {
  const int64_t n = a.dim(-1), count = n == 0 ? 0 : a.size() / n;
  const RowPlan plan = plan_rows(count, n, sizeof(T), 4, has_clusters(call.target), most_pair_lanes<T>);
  const View sums = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * Rule::sums * sizeof(float));
  return with_items<4>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const T* factor = scale.used() ? frame.at<T>(scale) : nullptr;
      float* partial = !plan.twice() ? nullptr : frame.at<float>(sums);
      const auto run = [&](auto kernel) {
        launch(frame, plan.shape(), kernel, frame.at<T>(a), frame.at<T>(b), factor, frame.at<T>(dx), partial, plan.rows);
      };
      if (plan.whole()) return run(pair_rows<T, items, Rule, Stage::whole>);
      if constexpr (items > 1) {  // only long rows are cut
        if (plan.cluster > 1) return run(pair_rows<T, items, Rule, Stage::cluster>);
        run(pair_rows<T, items, Rule, Stage::sums>);
        run(pair_rows<T, items, Rule, Stage::rest>);
      }
    };
  });
}

}  // namespace weft::cuda
