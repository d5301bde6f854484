// softmax, logSoftmax and their gradients over the last axis. A group of threads (rows.cuh) keeps its row in registers: one read, one write,
// two reductions over the group. Rows of up to 32768 elements take a block, of up to eight times as many a cluster; others are read twice.
#include "softmax_rows.cuh"

namespace weft::cuda {
namespace {

template <class T, int items, bool logarithm, Stage stage>
__global__ void __launch_bounds__(most_threads(stage), 1) softmax_rows(const T* x, T* y, ChunkSum* sums, Rows rows) {
  WEFT_SHARED(float, scratch, [32]);
  WEFT_SHARED(ChunkSum, slot, [1]);
  const ClusterSums<ChunkSum> cluster{slot, rows.chunks};
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];
  ChunkSum sum{load_with_largest<T, items>(piece, x, value, scratch), 0};
  if constexpr (stage == Stage::rest)
    sum = combine_chunks(ScratchSums<ChunkSum>{sums + piece.row * rows.chunks, rows.chunks}, int(blockDim.x), scratch);
  // chunks may be all -infinity; rows that are have no softmax
  const float shift = stage == Stage::sums || stage == Stage::cluster ? shift_of(sum.most) : sum.most;
  float total[1] = {0};
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++) {
      value[k][e] -= shift;
      if constexpr (!logarithm || stage == Stage::sums) value[k][e] = expf(value[k][e]);
      if constexpr (stage != Stage::rest) total[0] += logarithm && stage != Stage::sums ? expf(value[k][e]) : value[k][e];
    }
  float lower = 0;  // what the chunk's largest element is more than the row's
  if constexpr (stage != Stage::rest) {
    group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
    sum.total = total[0];
  }
  if constexpr (stage == Stage::cluster) {
    cluster.give(sum);
    const float largest = sum.most;
    sum = combine_chunks(cluster, 32, scratch);
    cluster.leave();
    lower = largest - sum.most;
  }
  if constexpr (stage == Stage::sums) {
    if (piece.lane == 0) sums[piece.id] = sum;
  } else {
    const float change = logarithm ? lower - logf(sum.total) : (stage == Stage::cluster ? expf(lower) : 1.0f) / sum.total;
#pragma unroll
    for (int k = 0; k < items; k++) {
      Words<T> out;
#pragma unroll
      for (int e = 0; e < piece.size; e++) out.set(e, logarithm ? value[k][e] + change : value[k][e] * change);
      piece.store(y, k, out);
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

template <class T, bool logarithm> Step bind_softmax(Call& call) {
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View x = call.in[0], y = call.out[0];
  const int64_t n = x.dim(-1), count = n == 0 ? 0 : x.size() / n;
  const RowPlan plan = plan_rows(count, n, sizeof(T), most_items, call.target.capability >= 90);
  const View sums = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(ChunkSum));
  call.in_place(0, 0);
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      ChunkSum* partial = !plan.twice() ? nullptr : frame.at<ChunkSum>(sums);
      const auto run = [&](auto kernel) { launch(frame, plan.shape(), kernel, frame.at<T>(x), frame.at<T>(y), partial, plan.rows); };
      if (plan.whole()) return run(softmax_rows<T, items, logarithm, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(softmax_rows<T, items, logarithm, Stage::cluster>);
        run(softmax_rows<T, items, false, Stage::sums>);
        run(softmax_rows<T, items, logarithm, Stage::rest>);
      }
    };
  });
}

struct SoftmaxSlope {
  static constexpr int sums = 1;
  static __device__ __forceinline__ void add(float (&sum)[1], float g, float y) { sum[0] += g * y; }
  static __device__ __forceinline__ float value(float g, float y, const float (&sum)[1]) { return y * (g - sum[0]); }
};
struct LogSoftmaxSlope {
  static constexpr int sums = 1;
  static __device__ __forceinline__ void add(float (&sum)[1], float g, float) { sum[0] += g; }
  static __device__ __forceinline__ float value(float g, float y, const float (&sum)[1]) { return g - expf(y) * sum[0]; }
};

template <class Rule> Step bind_slope(Call& call) {
  const View g = call.in[0], y = call.in[1], dx = call.out[0];
  call.in_place(0, 0);
  call.in_place(1, 0);
  return dispatch<float, BFloat16, Float16>(y.dtype, [&]<class T>() { return bind_pair_rows<T, Rule>(call, g, y, View(), dx); });
}

}  // namespace

KERNEL(cuda, softmax) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_softmax<T, false>(call); });
}
KERNEL(cuda, logSoftmax) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_softmax<T, true>(call); });
}
KERNEL(cuda, softmaxGrad) { return bind_slope<SoftmaxSlope>(call); }
KERNEL(cuda, logSoftmaxGrad) { return bind_slope<LogSoftmaxSlope>(call); }

}  // namespace weft::cuda
