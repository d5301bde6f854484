// Attention for float64. Queries are taken one after the other. For the gradients of keys and values, keys are taken
// one after the other.
#pragma once
#include "attention_shape.h"
#include "chunks.h"

namespace weft::cpu::WEFT_ISA {

class AttentionRows {
 public:
  /** The operands of the gradient. */
  struct Operands {
    const double *g, *q, *k, *v, *y, *log_sum;
  };

  WEFT_BINDER AttentionRows(Call& call, const AttentionShape& shape)
      : shape_(shape), scratch_(call, size_t(std::max<int64_t>(1, shape.tk) * 2) * sizeof(double)) {}

  void forward(const Frame& frame, const double* q, const double* k, const double* v, double* y, double* log_sum) const {
    const AttentionRun run(shape_, frame);
    parallel(shape_.b * shape_.h, [&](int64_t chunk, int thread) {
      double* weights = scratch_.at<double>(frame, thread);
      for (int64_t i = 0; i < shape_.tq; i++) {
        const double sum = row(run, q, k, v, y, chunk / shape_.h, chunk % shape_.h, i, weights, weights + shape_.tk);
        if (log_sum) log_sum[chunk * shape_.tq + i] = sum;
      }
    });
  }

  void backward(const Frame& frame, const Operands& at, double* dq, double* dk, double* dv) const {
    const AttentionShape& s = shape_;
    const AttentionRun run(s, frame);
    if (dq)
      parallel(s.b * s.h, [&](int64_t chunk, int thread) {
        const int64_t batch = chunk / s.h, head = chunk % s.h;
        for (int64_t i = 0; i < s.tq; i++) {
          double* to = dq + s.query(batch, head, i);
          std::fill_n(to, s.d, 0.0);
          row_gradients(run, at, batch, head, i, 0, s.tk, scratch_.at<double>(frame, thread),
                        [&](int64_t j, double, double slope) { add_scaled(to, slope, at.k + s.key(batch, head, j), s.d); });
        }
      });
    if (!dk && !dv) return;
    parallel(s.b * s.hk, [&](int64_t chunk, int thread) {
      const int64_t batch = chunk / s.hk, first = chunk % s.hk * s.group();
      for (int64_t j = 0; j < s.tk; j++) {
        double *keys = dk ? dk + s.key(batch, first, j) : nullptr, *values = dv ? dv + s.value(batch, first, j) : nullptr;
        if (keys) std::fill_n(keys, s.d, 0.0);
        if (values) std::fill_n(values, s.dv, 0.0);
        for (int64_t head = first; head < first + s.group(); head++)
          for (int64_t i = run.first_query(j); i < s.tq; i++)
            row_gradients(run, at, batch, head, i, j, j + 1, scratch_.at<double>(frame, thread), [&](int64_t, double weight, double slope) {
              if (values) add_scaled(values, weight, at.g + s.result(batch, head, i), s.dv);
              if (keys) add_scaled(keys, slope, at.q + s.query(batch, head, i), s.d);
            });
      }
    });
  }

 private:
  static double dot(const double* x, const double* y, int64_t n) {
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += x[i] * y[i];
    return total;
  }
  static void add_scaled(double* to, double factor, const double* x, int64_t n) {
    for (int64_t i = 0; i < n; i++) to[i] += factor * x[i];
  }

  /** Computes the result of query i. Returns the logarithm of the sum of its exponentials. */
  double row(const AttentionRun& run, const double* q, const double* k, const double* v, double* y, int64_t batch, int64_t head, int64_t i,
             double* weights, double* keep) const {
    const AttentionShape& s = shape_;
    const double none = -std::numeric_limits<double>::infinity();
    const int64_t reach = run.reach(i);
    const uint8_t* mask = run.mask_row(batch, head, i);
    double most = none, total = 0;
    for (int64_t j = 0; j < reach; j++) {
      weights[j] = mask && !mask[j] ? none : s.scale * dot(q + s.query(batch, head, i), k + s.key(batch, head, j), s.d);
      most = weights[j] <= most ? most : weights[j];
    }
    double* to = y + s.result(batch, head, i);
    std::fill_n(to, s.dv, 0.0);
    if (most == none) return none;
    if (run.drops()) run.keep(batch, head, i, 0, reach, keep);
    for (int64_t j = 0; j < reach; j++) total += weights[j] = std::exp(weights[j] - most);
    for (int64_t j = 0; j < reach; j++)
      if (weights[j] != 0) add_scaled(to, weights[j] / total * (run.drops() ? keep[j] : 1), v + s.value(batch, head, j), s.dv);
    return most + std::log(total);
  }

  /** Calls f(j, weight after dropout, gradient of q·k) for each key j in [begin, end) that query i looks at. */
  template <class F>
  void row_gradients(const AttentionRun& run, const Operands& at, int64_t batch, int64_t head, int64_t i, int64_t begin, int64_t end,
                     double* keep, F&& f) const {
    const AttentionShape& s = shape_;
    const double log_sum = at.log_sum[s.log_sum(batch, head, i)];
    const double *query = at.q + s.query(batch, head, i), *gradient = at.g + s.result(batch, head, i);
    end = std::min(end, run.reach(i));
    if (begin >= end || log_sum == -std::numeric_limits<double>::infinity()) return;
    const double shared = dot(gradient, at.y + s.result(batch, head, i), s.dv);
    const uint8_t* mask = run.mask_row(batch, head, i);
    if (run.drops()) run.keep(batch, head, i, begin, end - begin, keep);
    for (int64_t j = begin; j < end; j++) {
      if (mask && !mask[j]) continue;
      const double weight = std::exp(s.scale * dot(query, at.k + s.key(batch, head, j), s.d) - log_sum),
                   kept = run.drops() ? keep[j - begin] : 1;
      const double slope = kept * dot(gradient, at.v + s.value(batch, head, j), s.dv);
      f(j, weight * kept, weight * (slope - shared) * s.scale);
    }
  }

  AttentionShape shape_;
  ThreadScratch scratch_;
};

}  // namespace weft::cpu::WEFT_ISA
