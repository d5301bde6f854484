// The backward kernels of attention: operands, outputs, and the gradient of one score.
#pragma once
#include "attention.cuh"

namespace weft::cuda {

/** Of one score: the weight as it meets the values, and the gradient of the scaled score. */
struct Slope {
  float weight, slope;
};

/**
 * Of a row: the logarithm, to base 2, of the sum of its exponentials, infinite where there is no weight; and the sum of
 * g · y.
 */
struct RowFacts {
  Query query;
  float log, sum;
};

/**
 * From the score of a visible key, without its scale, and the gradient `change` of its weight as it meets the values.
 */
__device__ __forceinline__ Slope slope_of(const Attention& attention, const RowFacts& row, int key, float score, float change) {
  const float weight = power_of_two(score * (attention.scale * log2_e) - row.log);
  const float factor = attention.state == nullptr ? 1.0f : attention.kept(row.query, key);
  return {weight * factor, weight * (change * factor - row.sum)};
}

/**
 * g and y [batch, tq, heads, dv], log_sum and sums (of g · y) [batch, heads, tq]; outputs are null where nobody reads
 * them.
 */
struct Gradients {
  const void *g, *y;
  const float* log_sum;
  float* sums;
  void *dq, *dk, *dv;

  __device__ __forceinline__ RowFacts facts(const Attention& attention, int head, int row, int shift) const {
    if (row >= attention.rows) return {{0, 0, 0}, -minus_infinity, 0};
    const int64_t at = int64_t(head) * attention.rows + row;
    const float log = log_sum[at];
    return {attention.query(head, row, shift), log == minus_infinity ? -minus_infinity : log * log2_e, sums[at]};
  }
};

/** What a binder of the gradient knows. */
struct BackwardPlan {
  Bound bound;
  View g, y, log_sum, sums, dq, dk, dv;

  Gradients gradients(const Frame& frame) const {
    const auto output = [&](const View& view) { return view.used() ? frame.at<void>(view) : nullptr; };
    return {frame.at<void>(g), frame.at<void>(y), frame.at<float>(log_sum), frame.at<float>(sums), output(dq), output(dk), output(dv)};
  }
  /** The sums of g · y. */
  void multiply(const Frame& frame, const Attention& attention, const Gradients& gradients) const;
};

inline BackwardPlan plan_backward(Call& call) {
  BackwardPlan plan{bind_attention(call, 1, 6), call.in[0], call.in[4], call.in[5], {}, call.out[0], call.out[1], call.out[2]};
  const Attention& shape = plan.bound.shape;
  plan.sums = call.scratch(size_t(plan.bound.heads() * shape.rows) * sizeof(float));
  call.flops = 2.0 * double(plan.bound.heads()) * shape.rows * shape.tk * (3 * shape.d + 2 * shape.dv) * (shape.causal ? 0.5 : 1);
  return plan;
}

/** The Step on tensor cores, if they and the shared memory of a block suffice; else null. */
Step bind_tensor_gradient(Call& call, const BackwardPlan& plan);

}  // namespace weft::cuda
