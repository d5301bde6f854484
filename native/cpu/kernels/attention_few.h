// attention for float32 and a few queries, as in generation with a cache. Keys and values are read once, in the order
// in which they lie in memory.
#pragma once
#include "attention_blocks.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {

class AttentionFew {
 public:
  /** From so many queries per head on, packing blocks of keys is worth its time. */
  static constexpr int64_t enough = 5;

  WEFT_BINDER AttentionFew(Call& call, const AttentionShape& shape) : shape_(shape) {
    parts_ = std::clamp<int64_t>(shape.hk * shape.d / widest_part, 1, 4);
    rows_ = (shape.hk + parts_ - 1) / parts_ * shape.group() * shape.tq;
    scores_ = memory_.add(rows_ * shape.tk);
    keep_ = memory_.add(shape.tk);
    scratch_ = ThreadScratch(call, memory_.bytes());
  }

  void operator()(const Frame& frame, const float* q, const float* k, const float* v, float* y, float* log_sum) const {
    const AttentionRun run(shape_, frame);
    const int64_t grain = std::max<int64_t>(1, (1 << 18) / std::max<int64_t>(1, rows_ * shape_.tk * (shape_.d + shape_.dv))),
                  pieces = shape_.b * parts_;
    parallel((pieces + grain - 1) / grain, [&](int64_t chunk, int thread) {
      float* memory = scratch_.at<float>(frame, thread);
      for (int64_t piece = chunk * grain; piece < std::min(pieces, (chunk + 1) * grain); piece++) {
        const int64_t batch = piece / parts_, part = piece % parts_;
        run_part(run, memory, batch, shape_.hk * part / parts_, shape_.hk * (part + 1) / parts_, q, k, v, y, log_sum);
      }
    });
  }

 private:
  static constexpr int64_t widest_part = 256, block = 16;

  /** Calls f(head of keys, head of queries, query, row) for the queries that read the heads [begin, end) of keys. */
  template <class F> WEFT_INLINE void for_queries(int64_t begin, int64_t end, F&& f) const {
    int64_t row = 0;
    for (int64_t own = begin; own < end; own++)
      for (int64_t head = own * shape_.group(); head < (own + 1) * shape_.group(); head++)
        for (int64_t i = 0; i < shape_.tq; i++) f(own, head, i, row++);
  }

  void run_part(const AttentionRun& run, float* memory, int64_t batch, int64_t begin, int64_t end, const float* q, const float* k,
                const float* v, float* y, float* log_sum) const {
    const AttentionShape& s = shape_;
    const int64_t reach = s.tq == 0 ? 0 : run.reach(s.tq - 1);
    float *scores = memory + scores_, *keep = memory + keep_;
    for (int64_t j0 = 0; j0 < reach; j0 += block) {
      const int64_t j1 = std::min(reach, j0 + block);
      for_queries(begin, end, [&](int64_t own, int64_t head, int64_t i, int64_t row) {
        const float *query = q + s.query(batch, head, i), *keys = k + ((batch * s.tk + j0) * s.hk + own) * s.d;
        for (int64_t j = j0; j < j1; j += width, keys += width * s.hk * s.d) {
          float* to = scores + row * s.tk + j;
          if (j + width <= j1) store(to, score<true>(query, keys, width));
          else store_partial(to, score<false>(query, keys, int(j1 - j)), int(j1 - j));
        }
      });
    }
    for_queries(begin, end, [&](int64_t, int64_t head, int64_t i, int64_t row) {
      float* p = scores + row * s.tk;
      const float sum = weigh(p, run.mask_row(batch, head, i), run.reach(i), reach);
      if (log_sum) log_sum[s.log_sum(batch, head, i)] = sum;
      if (run.drops()) {
        run.keep(batch, head, i, 0, reach, keep);
        for_lanes(
            reach, [&](int64_t j, int m)
                       __attribute__((always_inline)) { store_lanes(p + j, load_lanes(p + j, m) * load_lanes(keep + j, m), m); });
      }
      if (y) std::fill_n(y + s.result(batch, head, i), s.dv, 0.0f);
    });
    if (!y) return;
    for (int64_t j0 = 0; j0 < reach; j0 += block) {
      const int64_t count = std::min(reach - j0, block);
      for_queries(begin, end, [&](int64_t own, int64_t head, int64_t i, int64_t row) {
        add_values(scores + row * s.tk + j0, v + ((batch * s.tk + j0) * s.hk + own) * s.dv, count, y + s.result(batch, head, i));
      });
    }
  }

  /**
   * The scores of one query with `count` keys, one in each lane. `whole`: the keys are as many as a vector has lanes.
   */
  template <bool whole> Vec score(const float* query, const float* keys, int count) const {
    constexpr int64_t most = 64 * width;  // rounding errors grow with the length of a sum
    const int64_t step = shape_.hk * shape_.d;
    Vec total = zero();
    for (int64_t begin = 0; begin < shape_.d; begin += most) {
      Vec sums[width];
#pragma GCC unroll 16
      for (int i = 0; i < width; i++) sums[i] = zero();
      for_lanes(
          std::min(most, shape_.d - begin), [&](int64_t x, int m) __attribute__((always_inline)) {
            const Vec factor = load_lanes(query + begin + x, m);
            const float* key = keys + begin + x;
#pragma GCC unroll 16
            for (int i = 0; i < width; i++) {
              sums[i] = fma(factor, load_lanes(key, m), sums[i]);
              if (whole || i + 1 < count) key += step;
            }
          });
      transpose_square(sums);
#pragma GCC unroll 4
      for (int half = width / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int i = 0; i < half; i++) sums[i] += sums[i + half];
      total += sums[0];
    }
    return total * float(shape_.scale);
  }

  /**
   * Turns the scores of `own` keys into weights, and writes zeros up to `count`. Returns the logarithm of the sum of
   * the exponentials.
   */
  static float weigh(float* row, const uint8_t* mask, int64_t own, int64_t count) {
    const Vec hidden = broadcast(-__builtin_inff());
    if (mask)
      for_lanes(
          own, [&](int64_t j, int m) __attribute__((always_inline)) {
            store_lanes(row + j, select(visible_lanes(mask + j, m), load_lanes(row + j, m), hidden), m);
          });
    std::fill(row + own, row + count, 0.0f);
    const float most = row_max(row, own);
    const float total = most == -__builtin_inff() ? row_sum(row, own) : row_exp(row, most, row, own);
    if (total == -__builtin_inff() || own == 0) {  // the query may look at no key
      std::fill_n(row, own, 0.0f);
      return -__builtin_inff();
    }
    const float factor = 1 / total;
    for_lanes(
        own, [&](int64_t j, int m) __attribute__((always_inline)) { store_lanes(row + j, load_lanes(row + j, m) * factor, m); });
    return most + log_of(total);
  }

  /** to += Σ weights[j]·values[j], over `count` keys. */
  void add_values(const float* weights, const float* values, int64_t count, float* to) const {
    const int64_t step = shape_.hk * shape_.dv;
    for_lanes(
        shape_.dv, [&](int64_t x, int m) __attribute__((always_inline)) {
          Vec total = load_lanes(to + x, m);
          for (int64_t j = 0; j < count; j++) total = fma(broadcast(weights[j]), load_lanes(values + j * step + x, m), total);
          store_lanes(to + x, total, m);
        });
  }

  AttentionShape shape_;
  int64_t parts_, rows_;
  Parts memory_;
  size_t scores_, keep_;
  ThreadScratch scratch_;
};

}  // namespace weft::cpu::WEFT_ISA
