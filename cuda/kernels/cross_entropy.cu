// Cross-entropy of softmax(logits) against distributions or labels, and the gradients from the probabilities. With m
// the largest logit of a row and t its targets (1 at the label, 0 elsewhere): loss = Σt · log Σexp(x - m) - Σ t · (x -
// m). Rows are divided as in row_plan.h, so the logits are read once, up to 24576 classes by a block, up to eight times
// as many by a cluster; more are read twice.
#include "softmax_rows.cuh"

namespace weft::cuda {
namespace {

constexpr int most_lanes = 768;  // of a row: with more, 32 logits, the sums and the addresses would not fit into registers

/** Of a row or a chunk: its largest logit m, Σ exp(x - m) without the 1 of m (ChunkSum), Σ t · (x - m) and Σ t. */
struct CrossSum {
  float most, others, dot, weight;
};

/** Combines the chunks of a row; `lanes` threads work on it, a warp or the block, and all get the result. */
template <class Chunks> __device__ __forceinline__ CrossSum combine_cross_chunks(const Chunks& chunks, int lanes, float* scratch) {
  const int lane = int(threadIdx.x) % lanes;
  float most[1] = {-infinity}, sum[4] = {0, 0, 0, 0};
  for (int i = lane; i < chunks.count; i += lanes) most[0] = fmaxf(most[0], chunks(i).most);
  group_reduce(most, lanes, -infinity, scratch, Larger());
  for (int i = lane; i < chunks.count; i += lanes) {
    const CrossSum chunk = chunks(i);
    const float lower = shift_of(chunk.most) - most[0];
    const float total = 1 + chunk.others;
    if (chunk.most == most[0]) sum[0] += chunk.others, sum[3] += 1;
    else sum[0] += total == 0 ? 0.0f : total * expf(lower);
    sum[1] += chunk.weight == 0 ? chunk.dot : chunk.dot + chunk.weight * lower;
    sum[2] += chunk.weight;
  }
  group_reduce(sum, lanes, 0.0f, scratch, Sum());
  return {most[0], sum[0] + (sum[3] - 1), sum[1], sum[2]};
}

/** `targets`: labels if sparse, else a distribution per row. `loss` and `probabilities` may be null. */
template <class T, int items, bool sparse, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_lanes), 1)
    cross_entropy_rows(const T* logits, const void* targets, T* loss, T* probabilities, CrossSum* sums, Rows rows, Fault* fault,
                       int32_t call) {
  WEFT_SHARED(float, scratch, [128]);
  WEFT_SHARED(CrossSum, slot, [1]);
  const ClusterSums<CrossSum> cluster{slot, rows.chunks};
  const Piece<T> piece(rows);
  const bool leader = piece.lane == 0 && piece.exists(rows);
  float value[items][Piece<T>::size];
  const float largest = load_with_largest<T, items>(piece, logits, value, scratch);
  // chunks may be all -infinity; rows that are have no softmax
  float most = stage == Stage::sums || stage == Stage::cluster ? shift_of(largest) : largest;
  float sum[3] = {0, 0, 0};  // Σ exp(x - m), from the reduction on without the 1 of m; Σ t · (x - m), Σ t
  if constexpr (stage == Stage::rest) {
    const CrossSum row = combine_cross_chunks(ScratchSums<CrossSum>{sums + piece.row * rows.chunks, rows.chunks}, int(blockDim.x), scratch);
    most = row.most;
    sum[0] = row.others, sum[1] = row.dot, sum[2] = row.weight;
  } else if constexpr (sparse) {
    const int64_t label = piece.exists(rows) ? static_cast<const int32_t*>(targets)[piece.row] : 0;
    const int64_t place = label - (piece.start - piece.row * rows.n);
    if (leader && place == label && (label < 0 || label >= rows.n)) raise(fault, call, label);
    if (place >= 0 && place < piece.length) {  // the thread that has the label's logit gives it
      const int at = int(place) + piece.shift, item = at / (piece.size * piece.lanes);
      const int element = at - (item * piece.lanes + piece.lane) * piece.size;
      const int mine = unsigned(element) < unsigned(piece.size) ? item * piece.size + element : -1;
      if (mine >= 0) sum[2] = 1;
#pragma unroll
      for (int k = 0; k < items; k++)
#pragma unroll
        for (int e = 0; e < piece.size; e++)
          if (mine == k * piece.size + e) sum[1] = value[k][e] - most;
    }
  } else {
#pragma unroll
    for (int k = 0; k < items; k++) {
      const Words<T> pack = piece.load(static_cast<const T*>(targets), k, 0);
#pragma unroll
      for (int e = 0; e < piece.size; e++) {
        const float t = pack.get(e);
        sum[1] += t == 0 ? 0.0f : t * (value[k][e] - most);  // where the target is 0, the logit may be -infinity
        sum[2] += t;
      }
    }
  }
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++) {
      value[k][e] = expf(value[k][e] - most);
      if constexpr (stage != Stage::rest) sum[0] += value[k][e];
    }
  if constexpr (stage != Stage::rest) {
    group_reduce(sum, piece.lanes, 0.0f, scratch, Sum());
    sum[0] = others_of(sum[0], value, false, piece.lanes, scratch);
  }
  float scale = 1;  // exp of what the chunk's largest logit is more than the row's
  if constexpr (stage == Stage::cluster) {
    cluster.give({largest, sum[0], sum[1], sum[2]});
    const CrossSum row = combine_cross_chunks(cluster, 32, scratch);
    cluster.leave();
    scale = expf(largest - row.most);
    sum[0] = row.others, sum[1] = row.dot, sum[2] = row.weight;
  }
  if constexpr (stage == Stage::sums) {
    if (leader) sums[piece.id] = {largest, sum[0], sum[1], sum[2]};
  } else {
    if (loss != nullptr && leader && piece.start == piece.row * rows.n)
      loss[piece.row] = narrow<T>(sparse && sum[2] == 0 ? 0.0f : sum[2] * log1pf(sum[0]) - sum[1]);
    if (probabilities != nullptr) {
      const float factor = scale / (1 + sum[0]);
#pragma unroll
      for (int k = 0; k < items; k++) {
        Words<T> out;
#pragma unroll
        for (int e = 0; e < piece.size; e++) out.set(e, value[k][e] * factor);
        piece.store(probabilities, k, out);
      }
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

template <class T, bool sparse> Step bind_cross_entropy(Call& call) {
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View logits = call.in[0], targets = call.in[1], loss = call.out[0], probabilities = call.out[1];
  const RowPlan plan = plan_rows(product(logits.dims, 0, logits.dims.size() - 1), logits.dim(-1), sizeof(T), most_items,
                                 has_clusters(call.target), most_lanes);
  const View sums = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(CrossSum));
  if (probabilities.used()) call.in_place(0, 1);
  call.raises = sparse;
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      CrossSum* partial = !plan.twice() ? nullptr : frame.at<CrossSum>(sums);
      T *to_loss = loss.used() ? frame.at<T>(loss) : nullptr, *to = probabilities.used() ? frame.at<T>(probabilities) : nullptr;
      const auto run = [&](auto kernel) {
        launch(frame, plan.shape(), kernel, frame.at<T>(logits), frame.at<void>(targets), to_loss, to, partial, plan.rows, frame.fault,
               frame.call);
      };
      if (plan.whole()) return run(cross_entropy_rows<T, items, sparse, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(cross_entropy_rows<T, items, sparse, Stage::cluster>);
        run(cross_entropy_rows<T, items, sparse, Stage::sums>);
        run(cross_entropy_rows<T, items, sparse, Stage::rest>);
      }
    };
  });
}

/**
 * dlogits = g · (p · Σt - t). Where p is above ½, which one class of a row is at most, this is p · (Σt - t) - t · Σ of
 * the other p: so it keeps its digits where p is next to 1.
 */
struct CrossEntropySlope {
  static constexpr int sums = 2;
  static __device__ __forceinline__ void add(float (&sum)[2], float p, float t) {
    sum[0] += t;
    sum[1] += p > 0.5f ? 0.0f : p;
  }
  static __device__ __forceinline__ float value(float p, float t, const float (&sum)[2]) {
    return p > 0.5f ? p * (sum[0] - t) - t * sum[1] : p * sum[0] - t;
  }
};

/**
 * dlogits = g · (p - [label]); where p of the label is above ½, minus the sum of the others; 0 where the label is bad.
 * dlogits may be p of whole rows.
 */
template <class T, int items>
__global__ void __launch_bounds__(1024)
    label_slopes(const T* g, const T* probabilities, const int32_t* labels, T* dx, Rows rows, Fault* fault, int32_t call) {
  WEFT_SHARED(float, scratch, [64]);
  const Piece<T> piece(rows);
  const bool exists = piece.exists(rows);
  const int64_t begin = piece.start - piece.row * rows.n, label = exists ? labels[piece.row] : 0;
  const bool good = exists && label >= 0 && label < rows.n;
  if (exists && !good && begin == 0 && piece.lane == 0) raise(fault, call, label);
  const float factor = good ? widen(g[piece.row]) : 0.0f;
  Words<T> pack[items];
#pragma unroll
  for (int k = 0; k < items; k++) pack[k] = piece.load(probabilities, k, 0);
  float sum[2] = {};  // p of the label, from the lane that holds it: others may have stored to it; Σ of the other p
#pragma unroll
  for (int k = 0; k < items; k++)
#pragma unroll
    for (int e = 0; e < piece.size; e++)
      if (good && label - begin == piece.place(k) + e) sum[0] = pack[k].get(e);
  if (rows.chunks == 1) {
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) sum[1] += pack[k].get(e) > 0.5f ? 0.0f : pack[k].get(e);
  } else if (good && label >= begin && label < begin + rows.chunk) {  // the chunk of the label reads the whole row
    for (int64_t i = piece.lane; i < rows.n; i += piece.lanes) {
      const float p = widen(probabilities[piece.row * rows.n + i]);
      sum[1] += p > 0.5f ? 0.0f : p;
    }
  }
  group_reduce(sum, piece.lanes, 0.0f, scratch, Sum());
  const float at_label = sum[0] > 0.5f ? -sum[1] : sum[0] - 1.0f;
#pragma unroll
  for (int k = 0; k < items; k++) {
    const int64_t place = label - begin - piece.place(k);  // of the label in the pack
    Words<T> out;
#pragma unroll
    for (int e = 0; e < piece.size; e++) out.set(e, good ? factor * (place == e ? at_label : pack[k].get(e)) : 0.0f);
    piece.store(dx, k, out);
  }
}

template <class T> Step bind_label_slopes(Call& call) {
  const View g = call.in[0], probabilities = call.in[1], labels = call.in[2], dx = call.out[0];
  const RowPlan plan = plan_rows(product(probabilities.dims, 0, probabilities.dims.size() - 1), probabilities.dim(-1), sizeof(T), 4, false);
  if (plan.whole()) call.in_place(1, 0);
  call.raises = true;
  return with_items<4>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, plan.shape(), label_slopes<T, items>, frame.at<T>(g), frame.at<T>(probabilities), frame.at<int32_t>(labels),
             frame.at<T>(dx), plan.rows, frame.fault, frame.call);
    };
  });
}

}  // namespace

KERNEL(cuda, softmaxCrossEntropy) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_cross_entropy<T, false>(call); });
}
KERNEL(cuda, sparseSoftmaxCrossEntropy) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_cross_entropy<T, true>(call); });
}
KERNEL(cuda, softmaxCrossEntropyGrad) {
  const View g = call.in[0], probabilities = call.in[1], targets = call.in[2], dx = call.out[0];
  call.in_place(1, 0);
  call.in_place(2, 0);
  return dispatch<float, BFloat16, Float16>(
      dx.dtype, [&]<class T>() { return bind_pair_rows<T, CrossEntropySlope>(call, probabilities, targets, g, dx); });
}
KERNEL(cuda, sparseSoftmaxCrossEntropyGrad) {
  return dispatch<float, BFloat16, Float16>(call.out[0].dtype, [&]<class T>() { return bind_label_slopes<T>(call); });
}

}  // namespace weft::cuda
