// What layerNorm and rmsNorm share: rows of [r, c] brought to one size, by a rule that says how a row is measured. A
// group of threads (row_plan.h) keeps its row in registers: one read for what the rule measures and for the output.
// Rows of up to 16384 elements take a block, of up to eight times as many a cluster; others are read twice.
#pragma once
#include "chunk_sums.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {

constexpr int most_norm_lanes = 512;  // of a row: with more, the row and its parameters would not fit into registers

/** The operands and outputs. Null are outputs that nobody reads, and beta and mean where the rule has none. */
template <class T> struct NormRows {
  const T *x, *gamma, *beta;
  T *y, *mean, *rstd;
};

/**
 * rstd = 1 / sqrt(squares / n + epsilon) and y = (x - mean) · rstd · gamma + beta, with the mean and the squares of a
 * row as the Rule measures them. It has
 *   shifts: whether there are mean and beta;
 *   Chunk: what the chunks of a row tell each other, and Row: with `squares`, subtract(x), which is x - mean, and
 *   mean();
 *   measure(value, piece, scratch): the Row of a piece; chunk_of(row);
 *   combine(chunks, rows, lanes, scratch): the Row of all chunks; `lanes` threads work on it, a warp or the block, and
 *   all get the result;
 *   blocks(stage, items): of a multiprocessor, which bounds the registers; 0: no bound.
 */
template <class Rule, class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_norm_lanes), Rule::blocks(stage, items))
    normalize_rows(NormRows<T> at, typename Rule::Chunk* chunks, float epsilon, Rows rows) {
  using Chunk = typename Rule::Chunk;
  WEFT_SHARED(float, scratch, [64]);
  WEFT_SHARED(Chunk, slot, [1]);
  const ClusterSums<Chunk> cluster{slot, rows.chunks};
  const Piece<T> piece(rows);
  float value[items][Piece<T>::size];
#pragma unroll
  for (int k = 0; k < items; k++) {
    const Words<T> pack = piece.load(at.x, k, 0);
#pragma unroll
    for (int e = 0; e < piece.size; e++) value[k][e] = pack.get(e);
  }
  typename Rule::Row row;
  if constexpr (stage == Stage::rest) {
    row = Rule::combine(ScratchSums<Chunk>{chunks + piece.row * rows.chunks, rows.chunks}, rows, int(blockDim.x), scratch);
  } else {
    row = Rule::measure(value, piece, scratch);
  }
  if constexpr (stage == Stage::cluster) {
    cluster.give(Rule::chunk_of(row));
    row = Rule::combine(cluster, rows, 32, scratch);
    cluster.leave();
  }
  const bool leader = piece.lane == 0 && piece.exists(rows);
  if constexpr (stage == Stage::sums) {
    if (leader) chunks[piece.id] = Rule::chunk_of(row);
  } else {
    const float rstd = 1.0f / sqrtf(row.squares / float(rows.n) + epsilon);
    if (leader && piece.start == piece.row * rows.n) {
      if constexpr (Rule::shifts) {
        if (at.mean != nullptr) at.mean[piece.row] = narrow<T>(row.mean());
      }
      if (at.rstd != nullptr) at.rstd[piece.row] = narrow<T>(rstd);
    }
    if (at.y != nullptr) {
#pragma unroll
      for (int k = 0; k < items; k++) {
        if (piece.place(k) >= piece.length) break;
        float scale[Piece<T>::size], shift[Piece<T>::size] = {};
        piece.load_columns(rows, at.gamma, k, scale);
        if constexpr (Rule::shifts) piece.load_columns(rows, at.beta, k, shift);
        Words<T> result;
#pragma unroll
        for (int e = 0; e < piece.size; e++) {
          const float normal = row.subtract(value[k][e]) * rstd;
          if constexpr (Rule::shifts) result.set(e, normal * scale[e] + shift[e]);
          else result.set(e, normal * scale[e]);
        }
        piece.store(at.y, k, result);
      }
    }
  }
  if constexpr (stage == Stage::cluster) cluster.end();
}

/** Operands: x, gamma and, if the rule shifts, beta. Outputs: y, then mean if it does, then rstd. */
template <class Rule, class T> Step bind_normalize(Call& call) {
  using Chunk = typename Rule::Chunk;
  constexpr int most_items = 32 / pack_size<T>;  // 32 floats in registers
  const View x = call.in[0], gamma = call.in[1], beta = Rule::shifts ? call.in[2] : View();
  const View y = call.out[0], mean = Rule::shifts ? call.out[1] : View(), rstd = call.out[Rule::shifts ? 2 : 1];
  const float epsilon = float(call.attrs.number("epsilon"));
  const RowPlan plan = plan_rows(x.dim(0), x.dim(-1), sizeof(T), most_items, has_clusters(call.target), most_norm_lanes);
  const View scratch = !plan.twice() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(Chunk));
  if (y.used()) call.in_place(0, 0);
  return with_items<most_items>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const auto address = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
      Chunk* chunks = !plan.twice() ? nullptr : frame.at<Chunk>(scratch);
      const NormRows<T> at{frame.at<T>(x), frame.at<T>(gamma), Rule::shifts ? frame.at<T>(beta) : nullptr,
                           address(y),     address(mean),      address(rstd)};
      const auto run = [&](auto kernel) { launch(frame, plan.shape(), kernel, at, chunks, epsilon, plan.rows); };
      if (plan.whole()) return run(normalize_rows<Rule, T, items, Stage::whole>);
      if constexpr (items == most_items) {  // only long rows are cut
        if (plan.cluster > 1) return run(normalize_rows<Rule, T, items, Stage::cluster>);
        run(normalize_rows<Rule, T, items, Stage::sums>);
        run(normalize_rows<Rule, T, items, Stage::rest>);
      }
    };
  });
}

}  // namespace weft::cuda
