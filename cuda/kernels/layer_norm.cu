// layerNorm over the rows of [r, c]. A group of threads (row_plan.h) keeps its row in registers: one read for the mean, the deviations from it
// and the output. Rows of up to 16384 elements take a block, of up to eight times as many a cluster; others are read twice. Moments of chunks
// are merged as in Chan et al. 1979.
#include "chunk_sums.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

constexpr int most_lanes = 512;  // of a row: with more, the row and its parameters would not fit into registers

/** Of a chunk: its mean and its sum of squared deviations. */
struct ChunkMoments {
  float mean, deviation;
};
/** Of a row. The mean is near + rest: with large means, the rounding of one float would show in the output. */
struct RowMoments {
  float near, rest, deviation;
};

/** Combines the chunks of a row; `lanes` threads work on it, a warp or the block, and all get the result. */
template <class Chunks>
__device__ __forceinline__ RowMoments combine_chunks(const Chunks& chunks, const Rows& rows, int lanes, float* scratch) {
  const int lane = int(threadIdx.x) % lanes;
  const auto count = [&](int i) {
    const int64_t left = rows.n - i * rows.chunk;
    return float(left < rows.chunk ? left : rows.chunk);
  };
  const float near = chunks(0).mean;
  float rest[1] = {0}, deviation[1] = {0};
  for (int i = lane; i < rows.chunks; i += lanes) rest[0] += (chunks(i).mean - near) * (count(i) / float(rows.n));
  group_reduce(rest, lanes, 0.0f, scratch, Sum());
  for (int i = lane; i < rows.chunks; i += lanes) {
    const ChunkMoments chunk = chunks(i);
    const float difference = (chunk.mean - near) - rest[0];
    deviation[0] += chunk.deviation + difference * difference * count(i);
  }
  group_reduce(deviation, lanes, 0.0f, scratch, Sum());
  return {near, rest[0], deviation[0]};
}

/** Where the outputs go; null for those nobody reads. */
template <class T> struct Outputs { T *y, *mean, *rstd; };

template <class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_lanes), stage == Stage::rest ? 2 : 0)
    normalize_rows(const T* x, const T* gamma, const T* beta, Outputs<T> out, ChunkMoments* moments, float epsilon, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  WEFT_SHARED(ChunkMoments, slot, [1]);
  const ClusterSums<ChunkMoments> cluster{slot, rows.chunks};
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];
#pragma unroll
  for (int k = 0; k < items; k++) {
    const Words<T> pack = piece.load(x, k, 0);
#pragma unroll
    for (int e = 0; e < piece.size; e++) value[k][e] = pack.get(e);
  }
  RowMoments row;
  if constexpr (stage == Stage::rest) {
    row = combine_chunks(ScratchSums<ChunkMoments>{moments + piece.row * rows.chunks, rows.chunks}, rows, int(blockDim.x), scratch);
  } else {
    float total[1] = {0}, deviations[2] = {0, 0};  // their sum, which only rounding keeps from 0, and the sum of their squares
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) total[0] += value[k][e];
    group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
    const float count = float(piece.length);
    row.near = total[0] / count;
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) {
        const float d = piece.inside(k, e) ? value[k][e] - row.near : 0.0f;
        deviations[0] += d;
        deviations[1] += d * d;
      }
    group_reduce(deviations, piece.lanes, 0.0f, scratch, Sum());
    row.rest = deviations[0] / count;
    row.deviation = deviations[1] - row.rest * row.rest * count;
  }
  if constexpr (stage == Stage::cluster) {
    cluster.give({row.near + row.rest, row.deviation});
    row = combine_chunks(cluster, rows, 32, scratch);
    cluster.leave();
  }
  const bool leader = piece.lane == 0 && piece.exists(rows);
  if constexpr (stage == Stage::sums) {
    if (leader) moments[piece.id] = {row.near + row.rest, row.deviation};
  } else {
    const float rstd = 1.0f / sqrtf(row.deviation / float(rows.n) + epsilon);
    if (leader && piece.start == piece.row * rows.n) {
      if (out.mean != nullptr) out.mean[piece.row] = narrow<T>(row.near + row.rest);
      if (out.rstd != nullptr) out.rstd[piece.row] = narrow<T>(rstd);
    }
    if (out.y != nullptr) {
#pragma unroll
      for (int k = 0; k < items; k++) {
        if (piece.place(k) >= piece.length) break;
        float scale[Piece<T>::size], shift[Piece<T>::size];
        piece.load_columns(rows, gamma, k, scale);
        piece.load_columns(rows, beta, k, shift);
        Words<T> result;
#pragma unroll
        for (int e = 0; e < piece.size; e++) result.set(e, ((value[k][e] - row.near) - row.rest) * rstd * scale[e] + shift[e]);
        piece.store(out.y, k, result);
      }
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

template <class T> Step bind_forward(Call& call) {
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View x = call.in[0], gamma = call.in[1], beta = call.in[2], y = call.out[0], mean = call.out[1], rstd = call.out[2];
  const float epsilon = float(call.attrs.number("epsilon"));
  const RowPlan plan = plan_rows(x.dim(0), x.dim(-1), sizeof(T), most_items, has_clusters(call.target), most_lanes);
  const View moments = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(ChunkMoments));
  if (y.used()) call.in_place(0, 0);
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const auto output = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
      ChunkMoments* partial = !plan.twice() ? nullptr : frame.at<ChunkMoments>(moments);
      const auto run = [&](auto kernel) {
        launch(frame, plan.shape(), kernel, frame.at<T>(x), frame.at<T>(gamma), frame.at<T>(beta),
               Outputs<T>{output(y), output(mean), output(rstd)}, partial, epsilon, plan.rows);
      };
      if (plan.whole()) return run(normalize_rows<T, items, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(normalize_rows<T, items, Stage::cluster>);
        run(normalize_rows<T, items, Stage::sums>);
        run(normalize_rows<T, items, Stage::rest>);
      }
    };
  });
}

}  // namespace

KERNEL(cuda, layerNorm) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_forward<T>(call); });
}

}  // namespace weft::cuda
