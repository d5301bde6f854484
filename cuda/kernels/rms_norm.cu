// rmsNorm over the rows of [r, c] (Zhang & Sennrich 2019). A group of threads (row_plan.h) keeps its row in registers: one read for the sum
// of squares and the output. Rows of up to 16384 elements take a block, of up to eight times as many a cluster; others are read twice.
#include "chunk_sums.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

constexpr int most_lanes = 512;  // of a row: with more, the row and its parameters would not fit into registers

/** The sum of a row from those of its chunks; `lanes` threads work on it, a warp or the block, and all get the result. */
template <class Chunks> __device__ __forceinline__ float add_chunks(const Chunks& chunks, int lanes, float* scratch) {
  float total[1] = {0};
  for (int i = int(threadIdx.x) % lanes; i < chunks.count; i += lanes) total[0] += chunks(i);
  group_reduce(total, lanes, 0.0f, scratch, Sum());
  return total[0];
}

template <class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_lanes), items > 1 ? 1 : 0)
    scale_rows(const T* x, const T* gamma, T* y, T* rstd, float* squares, float epsilon, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  WEFT_SHARED(float, slot, [1]);
  const ClusterSums<float> cluster{slot, rows.chunks};
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];
#pragma unroll
  for (int k = 0; k < items; k++) {
    const Words<T> pack = piece.load(x, k, 0);
#pragma unroll
    for (int e = 0; e < piece.size; e++) value[k][e] = pack.get(e);
  }
  float total[1] = {0};
  if constexpr (stage == Stage::rest) {
    total[0] = add_chunks(ScratchSums<float>{squares + piece.row * rows.chunks, rows.chunks}, int(blockDim.x), scratch);
  } else {
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) total[0] += value[k][e] * value[k][e];
    group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
  }
  if constexpr (stage == Stage::cluster) {
    cluster.give(total[0]);
    total[0] = add_chunks(cluster, 32, scratch);
    cluster.leave();
  }
  const bool leader = piece.lane == 0 && piece.exists(rows);
  if constexpr (stage == Stage::sums) {
    if (leader) squares[piece.id] = total[0];
  } else {
    const float factor = 1.0f / sqrtf(total[0] / float(rows.n) + epsilon);
    if (leader && rstd != nullptr && piece.start == piece.row * rows.n) rstd[piece.row] = narrow<T>(factor);
    if (y != nullptr) {
#pragma unroll
      for (int k = 0; k < items; k++) {
        if (piece.place(k) >= piece.length) break;
        float scale[Piece<T>::size];
        piece.load_columns(rows, gamma, k, scale);
        Words<T> result;
#pragma unroll
        for (int e = 0; e < piece.size; e++) result.set(e, value[k][e] * factor * scale[e]);
        piece.store(y, k, result);
      }
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

template <class T> Step bind_forward(Call& call) {
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View x = call.in[0], gamma = call.in[1], y = call.out[0], rstd = call.out[1];
  const float epsilon = float(call.attrs.number("epsilon"));
  const RowPlan plan = plan_rows(x.dim(0), x.dim(-1), sizeof(T), most_items, has_clusters(call.target), most_lanes);
  const View squares = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(float));
  if (y.used()) call.in_place(0, 0);
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const auto output = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
      float* partial = !plan.twice() ? nullptr : frame.at<float>(squares);
      const auto run = [&](auto kernel) {
        launch(frame, plan.shape(), kernel, frame.at<T>(x), frame.at<T>(gamma), output(y), output(rstd), partial, epsilon, plan.rows);
      };
      if (plan.whole()) return run(scale_rows<T, items, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(scale_rows<T, items, Stage::cluster>);
        run(scale_rows<T, items, Stage::sums>);
        run(scale_rows<T, items, Stage::rest>);
      }
    };
  });
}

}  // namespace

KERNEL(cuda, rmsNorm) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_forward<T>(call); });
}

}  // namespace weft::cuda
