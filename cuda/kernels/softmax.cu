// softmax, logSoftmax and their gradients over the last axis. A group of threads (row_plan.h) keeps its row in
// registers: one read, one write, two reductions over the group. Rows of up to 32768 elements take a block, of up to
// eight times as many a cluster; others are read twice.
#include "softmax_rows.cuh"

namespace weft::cuda {
namespace {

/**
 * y = exp(x - largest) / total, or its logarithm, for whole rows, for the chunks of a cluster's row, or for chunks
 * whose sums are known. A cut row has one group of threads per block.
 */
template <class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage), 1) softmax_rows(const T* x, T* y, const ChunkSum* sums, bool logarithm, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  WEFT_SHARED(ChunkSum, slot, [1]);
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];  // at last x - largest, or exp of it
  ChunkSum row{load_with_largest<T, items>(piece, x, value, scratch), 0};
  if constexpr (stage == Stage::rest)
    row = combine_chunks(ScratchSums<ChunkSum>{sums + piece.row * rows.chunks, rows.chunks}, int(blockDim.x), scratch);
  // a chunk may be -infinity throughout; a row that is has no softmax
  const float shift = stage == Stage::cluster ? shift_of(row.largest) : row.largest;
  float total[1] = {0};
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++) {
      value[k][e] -= shift;
      const float power = expf(value[k][e]);
      total[0] += power;
      value[k][e] = logarithm ? value[k][e] : power;
    }
  float below = 0;  // the chunk's largest element minus the row's
  if constexpr (stage != Stage::rest) {
    group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
    row.others = logarithm ? others_of(total[0], value, true, piece.lanes, scratch) : total[0] - 1;
  }
  if constexpr (stage == Stage::cluster) {
    const ClusterSums<ChunkSum> cluster{slot, rows.chunks};
    const float largest = row.largest;
    cluster.give(row);
    row = combine_chunks(cluster, 32, scratch);
    cluster.leave();
    below = largest - row.largest;
  }
  const float factor = logarithm ? 1.0f : expf(below) / row.total(), offset = logarithm ? below - log1pf(row.others) : 0.0f;
#pragma unroll
  for (int k = 0; k < items; k++) {
    Words<T> out;
#pragma unroll
    for (int e = 0; e < piece.size; e++) out.set(e, value[k][e] * factor + offset);
    piece.store(y, k, out);
  }
  if constexpr (stage == Stage::cluster) ClusterSums<ChunkSum>{slot, rows.chunks}.end();
}

/** The sums of chunks, one per block. */
template <class T, int items>
__global__ void __launch_bounds__(most_threads(Stage::sums)) sum_chunks(const T* x, ChunkSum* sums, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];
  const float largest = load_with_largest<T, items>(piece, x, value, scratch), shift = shift_of(largest);
  float total[1] = {0};
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++) {
      value[k][e] -= shift;
      total[0] += expf(value[k][e]);
    }
  group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
  const float others = others_of(total[0], value, true, piece.lanes, scratch);
  if (piece.lane == 0) sums[piece.id] = {largest, others};
}

template <class T> Step bind_softmax(Call& call, bool logarithm) {
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View x = call.in[0], y = call.out[0];
  const int64_t n = x.dim(-1), count = n == 0 ? 0 : x.size() / n;
  const RowPlan plan = plan_rows(count, n, sizeof(T), most_items, has_clusters(call.target));
  const View sums = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(ChunkSum));
  call.in_place(0, 0);
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      ChunkSum* partial = !plan.twice() ? nullptr : frame.at<ChunkSum>(sums);
      const auto run = [&](auto kernel) {
        launch(frame, plan.shape(), kernel, frame.at<T>(x), frame.at<T>(y), partial, logarithm, plan.rows);
      };
      if (plan.whole()) return run(softmax_rows<T, items, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(softmax_rows<T, items, Stage::cluster>);
        launch(frame, plan.shape(), sum_chunks<T, items>, frame.at<T>(x), partial, plan.rows);
        run(softmax_rows<T, items, Stage::rest>);
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
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_softmax<T>(call, false); });
}
KERNEL(cuda, logSoftmax) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_softmax<T>(call, true); });
}
KERNEL(cuda, softmaxGrad) { return bind_slope<SoftmaxSlope>(call); }
KERNEL(cuda, logSoftmaxGrad) { return bind_slope<LogSoftmaxSlope>(call); }

}  // namespace weft::cuda
