// attention for float32: a few queries against blocks of keys at a time, with running maxima and sums (Dao et al.
// 2022).
#pragma once
#include "attention_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** The work of one chunk of the thread pool: some of the query tiles that read one head of keys. */
class AttentionForward {
 public:
  WEFT_BINDER AttentionForward(Call& call, const AttentionShape& shape)
      : shape_(shape), blocks_(shape.tk, longest_block), tiles_(tiles_in(shape.tq, tile_rows)) {
    keys_ = parts_.add(packed_size<float>(shape.d, shape.tk) + width);
    values_ = parts_.add(shape.tk * shape.dv);
    queries_ = parts_.add(tile_rows * shape.d);
    scores_ = parts_.add(tile_rows * blocks_.length);
    results_ = parts_.add(tile_rows * shape.dv);
    keep_ = parts_.add(blocks_.length);
    scratch_ = ThreadScratch(call, parts_.bytes());
    // a piece is a head of keys; where these are too few, their query tiles are shared out, and each piece packs its
    // keys
    const int64_t heads = shape.b * shape.hk, work = shape.group() * tiles_;
    segments_ = heads == 0 ? 1 : std::clamp<int64_t>(16 / heads, 1, std::max<int64_t>(1, work / 4));
  }

  void operator()(const Frame& frame, const float* q, const float* k, const float* v, float* y, float* log_sum) const {
    const AttentionRun run(shape_, frame);
    const double work = double(shape_.group()) * double(shape_.tq) * double(shape_.tk) * double(shape_.d + shape_.dv) / double(segments_);
    const int64_t grain = std::max<int64_t>(1, int64_t(5e5 / std::max(1.0, work)));
    const int64_t pieces = shape_.b * shape_.hk * segments_;
    parallel((pieces + grain - 1) / grain, [&](int64_t chunk, int thread) {
      float* memory = scratch_.at<float>(frame, thread);
      for (int64_t piece = chunk * grain; piece < std::min(pieces, (chunk + 1) * grain); piece++)
        run_piece(run, memory, piece / segments_, piece % segments_, q, k, v, y, log_sum);
    });
  }

 private:
  static constexpr int64_t longest_block = 256;

  void run_piece(const AttentionRun& run, float* memory, int64_t unit, int64_t segment, const float* q, const float* k, const float* v,
                 float* y, float* log_sum) const {
    const AttentionShape& s = shape_;
    const int64_t batch = unit / s.hk, first = unit % s.hk * s.group(), count = s.group() * tiles_;
    const int64_t begin = count * segment / segments_, end = count * (segment + 1) / segments_;
    if (begin == end) return;
    const int64_t panels = (s.tk + tile_columns<float> - 1) / tile_columns<float>;
    pack_panels<float>({k + s.key(batch, first, 0), 1, s.hk * s.d}, s.d, s.tk, 0, panels, memory + keys_);
    copy_rows(v + s.value(batch, first, 0), s.hk * s.dv, s.tk, s.dv, 1.0f, memory + values_);
    // the keys and values of the next head, which this thread will probably take
    const int64_t next = unit + 1, next_head = next % s.hk * s.group();
    RowsAhead keys_ahead, values_ahead;
    if (segment + 1 == segments_ && next < s.b * s.hk) {
      const int64_t rows = std::min(s.tk, most_rows_ahead);
      keys_ahead = {k + s.key(next / s.hk, next_head, 0), s.hk * s.d, rows, s.d};
      values_ahead = {v + s.value(next / s.hk, next_head, 0), s.hk * s.dv, rows, s.dv};
    }
    for (int64_t at = begin; at < end; at++) {
      const int64_t head = first + at / tiles_, tile = at % tiles_;
      keys_ahead.fetch(at - begin, end - begin);
      values_ahead.fetch(at - begin, end - begin);
      const int64_t following = s.tq * (tile + 1) / tiles_;  // the queries of the next tile
      RowsAhead{q + s.query(batch, head, following), s.h * s.d, std::min<int64_t>(tile_rows, s.tq - following), s.d}.fetch(0, 1);
      run_tile(run, memory, batch, head, s.tq * tile / tiles_, s.tq * (tile + 1) / tiles_, q, y, log_sum);
    }
  }

  /** Computes the results of queries [begin, end) of one head. */
  void run_tile(const AttentionRun& run, float* memory, int64_t batch, int64_t head, int64_t begin, int64_t end, const float* q, float* y,
                float* log_sum) const {
    const AttentionShape& s = shape_;
    const int64_t rows = end - begin, reach = run.reach(end - 1);
    float *queries = memory + queries_, *scores = memory + scores_, *results = memory + results_;
    constexpr int64_t most_rows = (tile_rows + width - 1) / width * width;
    float most[most_rows], total[most_rows];
    std::fill_n(most, most_rows, -__builtin_inff());
    std::fill_n(total, most_rows, 0.0f);
    if (y) fetch_to_write(y + s.result(batch, head, begin), s.h * s.dv, rows, s.dv);
    copy_rows(q + s.query(batch, head, begin), s.h * s.d, rows, s.d, float(s.scale), queries);
    for (int64_t from = 0; from < reach || from == 0; from += blocks_.length) {
      const int64_t count = std::clamp<int64_t>(reach - from, 0, blocks_.length);
      multiply_panels(queries, rows, s.d, memory + keys_ + from * s.d, count, scores, blocks_.length);
      // the largest scores first: each waits for the one before it in its row, and the rows of a tile do so side by
      // side
      float before[most_rows];
      for (int64_t i = 0; i < rows; i++) {
        const uint8_t* mask = run.mask_row(batch, head, begin + i);
        before[i] = most[i];
        most[i] = std::max(before[i],
                           hide(scores + i * blocks_.length, mask ? mask + from : nullptr, own_keys(run, begin + i, from, count), count));
      }
      for (int64_t i = 0; i < rows; i++) {
        float* row = scores + i * blocks_.length;
        const int64_t own = own_keys(run, begin + i, from, count);
        if (most[i] == -__builtin_inff()) {  // no key so far, or only NaN
          const float rest = row_sum(row, own);
          if (rest != rest) total[i] = rest;
          std::fill_n(row, count, 0.0f);
          continue;
        }
        const float sum = exponentials(row, most[i], count);
        if (from > 0 && most[i] > before[i]) {
          const float factor = exp(broadcast(before[i] - most[i]))[0];
          total[i] *= factor;
          scale_row(results + i * s.dv, factor, results + i * s.dv);
        }
        total[i] += sum;
        if (run.drops()) {
          run.keep(batch, head, begin + i, from, own, memory + keep_);
          multiply_row(row, memory + keep_, own);
        }
      }
      MicroTile<float> tile{};
      tile.k = count, tile.a = scores, tile.a_row = blocks_.length, tile.a_step = 1;
      tile.b = memory + values_ + from * s.dv, tile.b_step = s.dv;
      tile.c = results, tile.c_row = s.dv, tile.accumulate = from > 0;
      multiply_rows(tile, rows, s.dv);
    }
    if (y)
      for (int64_t i = 0; i < rows; i++)
        scale_row(results + i * s.dv, total[i] == 0 ? 0.0f : 1 / total[i], y + s.result(batch, head, begin + i));
    if (!log_sum) return;
    for (int64_t i = 0; i < rows; i += width) store(total + i, load(most + i) + log(load(total + i)));
    std::copy_n(total, rows, log_sum + s.log_sum(batch, head, begin));
  }

  /** How many of the `count` keys from `from` on a query may look at. */
  static int64_t own_keys(const AttentionRun& run, int64_t query, int64_t from, int64_t count) {
    return std::clamp<int64_t>(run.reach(query) - from, 0, count);
  }

  /**
   * Makes scores that may not be seen -infinity, in whole vectors up to `count`, and returns the largest of the others.
   */
  static float hide(float* row, const uint8_t* mask, int64_t own, int64_t count) {
    const Vec hidden = broadcast(-__builtin_inff());
    Vec most = hidden;
    int64_t j = 0;
    for (; j + width <= own; j += width) {
      Vec score = load(row + j);
      if (mask) store(row + j, score = select(visible_lanes(mask + j, width), score, hidden));
      most = max(score, most);
    }
    if (j < own) {
      Vec score = select(first_lanes(int(own - j)), load(row + j), hidden);
      if (mask) score = select(visible_lanes(mask + j, int(own - j)), score, hidden);
      store(row + j, score);
      most = max(score, most);
      j += width;
    }
    for (; j < count; j += width) store(row + j, hidden);
    return largest(most);
  }
  /** row = exp(row - shift), in whole vectors, for `count` elements. Returns their sum. */
  static float exponentials(float* row, float shift, int64_t count) {
    Vec total = zero();
    for (int64_t j = 0; j < count; j += width) {
      const Vec e = exp_below_88(load(row + j) - shift);
      store(row + j, e);
      total += e;
    }
    return sum(total);
  }
  static void multiply_row(float* row, const float* factors, int64_t n) {
    for_lanes(
        n, [&](int64_t j, int m)
               __attribute__((always_inline)) { store_lanes(row + j, load_lanes(row + j, m) * load_lanes(factors + j, m), m); });
  }
  void scale_row(const float* row, float factor, float* to) const {
    for_lanes(
        shape_.dv, [&](int64_t j, int m) __attribute__((always_inline)) { store_lanes(to + j, load_lanes(row + j, m) * factor, m); });
  }

  AttentionShape shape_;
  KeyBlocks blocks_;
  int64_t tiles_, segments_ = 1;
  Parts parts_;
  size_t keys_, values_, queries_, scores_, results_, keep_;
  ThreadScratch scratch_;
};

}  // namespace weft::cpu::WEFT_ISA
