// attentionGrad for float32: weights are computed again from the logarithms of their sums, a block of queries against a
// block of keys at a time.
#pragma once
#include <array>

#include "attention_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** The operands and results of attentionGrad; results that nobody reads are null. */
struct AttentionGradients {
  const float *g, *q, *k, *v, *y, *log_sum;
  float *dq, *dk, *dv;
};

/**
 * A piece takes some of the query blocks that read one head of keys, in order, and adds up what they give to one block
 * of keys and values after the other. Where heads of keys are too few, query blocks are shared out among pieces, whose
 * sums are added in order at the end.
 */
class AttentionBackward {
 public:
  WEFT_BINDER AttentionBackward(Call& call, const AttentionShape& shape, bool keys, bool values)
      : shape_(shape), blocks_(shape.tk, longest_block), query_blocks_(tiles_in(shape.tq, most_queries(blocks_.length))) {
    rows_ = query_blocks_ == 0 ? 0 : (shape.tq + query_blocks_ - 1) / query_blocks_;
    packed_keys_ = parts_.add(packed_size<float>(shape.d, blocks_.length) + width);
    packed_values_ = parts_.add(packed_size<float>(shape.dv, blocks_.length) + width);
    keys_ = parts_.add(blocks_.length * shape.d);
    key_sums_ = parts_.add(blocks_.length * shape.d);
    value_sums_ = parts_.add(blocks_.length * shape.dv);
    queries_ = parts_.add(rows_ * shape.d);
    if (blocks_.count > 1) query_sums_ = parts_.add(rows_ * shape.d);
    gradients_ = parts_.add(rows_ * shape.dv);
    weights_ = parts_.add(rows_ * blocks_.length);
    slopes_ = parts_.add(rows_ * blocks_.length);
    keep_ = parts_.add(blocks_.length);
    scratch_ = ThreadScratch(call, parts_.bytes());
    const int64_t heads = shape.b * shape.hk, work = shape.group() * query_blocks_;
    segments_ = heads == 0 ? 1 : std::clamp<int64_t>(16 / heads, 1, std::max<int64_t>(1, work));
    if (segments_ > 1 && keys) key_parts_ = call.scratch(size_t(heads * segments_ * shape.tk * shape.d) * sizeof(float));
    if (segments_ > 1 && values) value_parts_ = call.scratch(size_t(heads * segments_ * shape.tk * shape.dv) * sizeof(float));
  }

  void operator()(const Frame& frame, const AttentionGradients& at) const {
    const AttentionRun run(shape_, frame);
    const AttentionShape& s = shape_;
    float* key_parts = key_parts_.used() ? frame.at<float>(key_parts_) : nullptr;
    float* value_parts = value_parts_.used() ? frame.at<float>(value_parts_) : nullptr;
    const double work = double(s.group()) * double(s.tq) * double(s.tk) * double(s.d + s.dv) / double(segments_);
    const int64_t grain = std::max<int64_t>(1, int64_t(2e5 / std::max(1.0, work))), pieces = s.b * s.hk * segments_;
    parallel((pieces + grain - 1) / grain, [&](int64_t chunk, int thread) {
      float* memory = scratch_.at<float>(frame, thread);
      for (int64_t piece = chunk * grain; piece < std::min(pieces, (chunk + 1) * grain); piece++) {
        const int64_t unit = piece / segments_, batch = unit / s.hk, first = unit % s.hk * s.group();
        Results to;
        if (segments_ == 1) {
          to = {at.dk ? at.dk + s.key(batch, first, 0) : nullptr, s.hk * s.d, at.dv ? at.dv + s.value(batch, first, 0) : nullptr,
                s.hk * s.dv};
        } else {
          to = {key_parts ? key_parts + piece * s.tk * s.d : nullptr, s.d, value_parts ? value_parts + piece * s.tk * s.dv : nullptr, s.dv};
        }
        run_piece(run, at, memory, batch, first, piece % segments_, to);
      }
    });
    if (segments_ == 1) return;
    if (at.dk) add_segments(key_parts, s.d, at.dk);
    if (at.dv) add_segments(value_parts, s.dv, at.dv);
  }

 private:
  static constexpr int64_t longest_block = 256;
  /** Queries in a block: their weights and slopes for a block of keys stay in the second-level cache. */
  static constexpr int most_queries(int64_t keys) {
    return tile_rows * (keys <= 128 ? tile_shapes.query_tiles_of_few_keys : tile_shapes.query_tiles);
  }

  /** The memory that gradients of keys and values are added to, and the distance between its rows. */
  struct Results {
    float* keys;
    int64_t key_row;
    float* values;
    int64_t value_row;
  };

  void run_piece(const AttentionRun& run, const AttentionGradients& at, float* memory, int64_t batch, int64_t first, int64_t segment,
                 const Results& to) const {
    const AttentionShape& s = shape_;
    const int64_t count = s.group() * query_blocks_, begin = count * segment / segments_, end = count * (segment + 1) / segments_;
    const bool once = end - begin == 1;  // nothing is added up
    for (int64_t j = 0; j < s.tk || j == 0; j += blocks_.length) {
      const int64_t keys = std::min(blocks_.length, s.tk - j), panels = (keys + tile_columns<float> - 1) / tile_columns<float>;
      const float *k = at.k + s.key(batch, first, j), *v = at.v + s.value(batch, first, j);
      pack_panels<float>({k, 1, s.hk * s.d}, s.d, keys, 0, panels, memory + packed_keys_);
      pack_panels<float>({v, 1, s.hk * s.dv}, s.dv, keys, 0, panels, memory + packed_values_);
      copy_rows(k, s.hk * s.d, keys, s.d, float(s.scale), memory + keys_);
      Results sums{memory + key_sums_, s.d, memory + value_sums_, s.dv};
      if (once) {
        sums = {to.keys ? to.keys + j * to.key_row : nullptr, to.key_row, to.values ? to.values + j * to.value_row : nullptr, to.value_row};
      } else if (begin == end) {
        zero_sums(sums, 0, keys);
      }
      for (int64_t block = begin; block < end; block++) {
        const int64_t head = first + block / query_blocks_, part = block % query_blocks_;
        const Coming coming =
            block + 1 < end ? queries_ahead(at, batch, first, block + 1) : head_ahead(at, batch, first, j + blocks_.length);
        run_block(run, at, memory, batch, head, s.tq * part / query_blocks_, s.tq * (part + 1) / query_blocks_, j, keys, sums,
                  block > begin, coming);
      }
      if (once) continue;
      if (to.keys) write_rows(memory + key_sums_, keys, s.d, false, to.keys + j * to.key_row, to.key_row);
      if (to.values) write_rows(memory + value_sums_, keys, s.dv, false, to.values + j * to.value_row, to.value_row);
    }
  }

  /** What the next block of queries reads, and the next block of keys. */
  using Coming = std::array<RowsAhead, 5>;
  Coming queries_ahead(const AttentionGradients& at, int64_t batch, int64_t first, int64_t block) const {
    const AttentionShape& s = shape_;
    const int64_t head = first + block / query_blocks_, part = block % query_blocks_;
    const int64_t from = s.tq * part / query_blocks_, rows = s.tq * (part + 1) / query_blocks_ - from, y = s.result(batch, head, from);
    return {{{at.q + s.query(batch, head, from), s.h * s.d, rows, s.d},
             {at.g + y, s.h * s.dv, rows, s.dv},
             {at.y + y, s.h * s.dv, rows, s.dv}}};
  }
  /** Keys from j on, or those of the next head, which this thread will probably take. */
  Coming head_ahead(const AttentionGradients& at, int64_t batch, int64_t first, int64_t j) const {
    const AttentionShape& s = shape_;
    if (j >= s.tk) j = 0, first += s.group();
    if (first >= s.h) first = 0, batch++;
    if (segments_ > 1 || batch >= s.b) return {};
    Coming coming = queries_ahead(at, batch, first, 0);
    const int64_t rows = std::min(blocks_.length, s.tk - j);
    coming[3] = {at.k + s.key(batch, first, j), s.hk * s.d, rows, s.d};
    coming[4] = {at.v + s.value(batch, first, j), s.hk * s.dv, rows, s.dv};
    return coming;
  }

  /** Takes queries [begin, end) of one head against keys [first, first + keys). */
  void run_block(const AttentionRun& run, const AttentionGradients& at, float* memory, int64_t batch, int64_t head, int64_t begin,
                 int64_t end, int64_t first, int64_t keys, const Results& sums, bool add, const Coming& coming) const {
    const AttentionShape& s = shape_;
    const int64_t rows = end - begin, pitch = blocks_.length, count = std::clamp<int64_t>(run.reach(end - 1) - first, 0, keys);
    if (!add) zero_sums(sums, count, keys);
    if (count == 0 && first > 0) return;
    const int64_t from = s.query(batch, head, begin), y_from = s.result(batch, head, begin);
    float *queries = memory + queries_, *gradients = memory + gradients_, *weights = memory + weights_, *slopes = memory + slopes_;
    copy_rows(at.q + from, s.h * s.d, rows, s.d, float(s.scale), queries);
    copy_rows(at.g + y_from, s.h * s.dv, rows, s.dv, 1.0f, gradients);
    // results lie far apart: what several blocks of keys give is summed near, and added to them row by row
    const bool whole = blocks_.count == 1;
    float* query_sums = whole && at.dq ? at.dq + from : memory + query_sums_;
    const int64_t query_row = whole ? s.h * s.d : s.d;
    const int64_t tiles = tiles_in(rows, tile_rows);
    int64_t tile_index = 0;
    for_tiles(rows, tile_rows, [&](int64_t r0, int64_t r1) {
      for (const RowsAhead& ahead : coming) ahead.fetch(tile_index, tiles);
      tile_index++;
      const int64_t near = std::clamp<int64_t>(run.reach(begin + r1 - 1) - first, 0, count);
      multiply_panels(queries + r0 * s.d, r1 - r0, s.d, memory + packed_keys_, near, weights + r0 * pitch, pitch);
      multiply_panels(gradients + r0 * s.dv, r1 - r0, s.dv, memory + packed_values_, near, slopes + r0 * pitch, pitch);
      for (int64_t i = r0; i < r1; i++) {
        const int64_t own = std::clamp<int64_t>(run.reach(begin + i) - first, 0, near);
        const float log_sum = at.log_sum[s.log_sum(batch, head, begin + i)];
        float *p = weights + i * pitch, *ds = slopes + i * pitch;
        const bool sees = own > 0 && log_sum != -__builtin_inff();
        const uint8_t* mask = run.mask_row(batch, head, begin + i);
        float* keep = run.drops() ? memory + keep_ : nullptr;
        if (keep && sees) run.keep(batch, head, begin + i, first, own, keep);
        const float shared = row_dot(gradients + i * s.dv, at.y + y_from + i * s.h * s.dv, s.dv);
        // the products below read what is before `near`, and the keys of a tile that begins before `own`
        row_slopes(p, ds, log_sum, shared, mask ? mask + first : nullptr, keep, sees ? own : 0,
                   std::min(count, std::max(near, own + tile_rows)));
      }
      if (!at.dq) return;
      MicroTile<float> tile{};
      tile.k = near, tile.a = slopes + r0 * pitch, tile.a_row = pitch, tile.a_step = 1;
      tile.b = memory + keys_, tile.b_step = s.d;
      tile.c = query_sums + r0 * query_row, tile.c_row = query_row;
      multiply_rows(tile, r1 - r0, s.d);
    });
    if (at.dq && !whole) write_rows(query_sums, rows, s.d, first > 0, at.dq + from, s.h * s.d);
    if (at.dk) add_columns(run, slopes, queries, s.d, begin, rows, first, count, sums.keys, sums.key_row, add);
    if (at.dv) add_columns(run, weights, gradients, s.dv, begin, rows, first, count, sums.values, sums.value_row, add);
  }

  /**
   * Turns n scores in p into weights after dropout, and the weights' gradients in ds into those of the scores. What
   * follows becomes zero up to `filled`. Whole vectors are written.
   */
  static void row_slopes(float* p, float* ds, float log_sum, float shared, const uint8_t* mask, const float* keep, int64_t n,
                         int64_t filled) {
    for_lanes(
        n, [&](int64_t j, int m) __attribute__((always_inline)) {
          Vec weight = exp_below_88(load(p + j) - log_sum), slope = load(ds + j);
          if (mask) weight = select(visible_lanes(mask + j, m), weight, zero());
          Vec kept = weight;
          if (keep) {
            const Vec factor = load_lanes(keep + j, m);
            kept = weight * factor;
            slope = slope * factor;
          }
          store(p + j, keep_lanes(kept, m, zero()));
          store(ds + j, keep_lanes(weight * (slope - shared), m, zero()));
        });
    for (int64_t j = (n + width - 1) / width * width; j < filled; j += width) {
      store(p + j, zero());
      store(ds + j, zero());
    }
  }

  /**
   * sums[j] = (sums[j] +) Σ over queries i of x[i, j]·rows[i], for `count` keys from `first` on. Queries before those
   * that see a key are left out.
   */
  void add_columns(const AttentionRun& run, const float* x, const float* rows, int64_t n, int64_t begin, int64_t queries, int64_t first,
                   int64_t count, float* sums, int64_t sums_row, bool add) const {
    for_tiles(count, tile_rows, [&](int64_t j0, int64_t j1) {
      const int64_t skipped = std::clamp<int64_t>(run.first_query(first + j0) - begin, 0, queries);
      if (skipped == queries) {
        if (!add) zero_rows(sums, sums_row, n, j0, j1);
        return;
      }
      MicroTile<float> tile{};
      tile.k = queries - skipped, tile.a = x + skipped * blocks_.length + j0, tile.a_row = 1, tile.a_step = blocks_.length;
      tile.b = rows + skipped * n, tile.b_step = n;
      tile.c = sums + j0 * sums_row, tile.c_row = sums_row, tile.accumulate = add;
      multiply_rows(tile, j1 - j0, n);
    });
  }

  static void zero_rows(float* rows, int64_t stride, int64_t n, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) std::fill_n(rows + i * stride, n, 0.0f);
  }
  /** Zeros for the keys [begin, end) of a block. */
  void zero_sums(const Results& sums, int64_t begin, int64_t end) const {
    if (sums.keys) zero_rows(sums.keys, sums.key_row, shape_.d, begin, end);
    if (sums.values) zero_rows(sums.values, sums.value_row, shape_.dv, begin, end);
  }

  /** to[i] = rows[i] (+ to[i]) for rows of n elements. The rows of `to` are a stride apart. */
  static void write_rows(const float* rows, int64_t count, int64_t n, bool add, float* to, int64_t stride) {
    for (int64_t i = 0; i < count; i++, rows += n, to += stride)
      for_lanes(
          n, [&](int64_t x, int m) __attribute__((always_inline)) {
            const Vec row = load_lanes(rows + x, m);
            store_lanes(to + x, add ? row + load_lanes(to + x, m) : row, m);
          });
  }

  /** Adds up the sums that the segments of a head have left, in the order of the segments. */
  void add_segments(const float* sums, int64_t n, float* to) const {
    const AttentionShape& s = shape_;
    parallel_range(s.b * s.hk * s.tk, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, n * segments_)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t r = begin; r < end; r++) {
                       const int64_t unit = r / s.tk, j = r % s.tk, batch = unit / s.hk, head = unit % s.hk;
                       const float* from = sums + (unit * segments_ * s.tk + j) * n;
                       float* row = to + ((batch * s.tk + j) * s.hk + head) * n;
                       for_lanes(
                           n, [&](int64_t x, int m) __attribute__((always_inline)) {
                             Vec total = load_lanes(from + x, m);
                             for (int64_t segment = 1; segment < segments_; segment++)
                               total += load_lanes(from + segment * s.tk * n + x, m);
                             store_lanes(row + x, total, m);
                           });
                     }
                   });
  }

  AttentionShape shape_;
  KeyBlocks blocks_;
  int64_t query_blocks_, rows_ = 0, segments_ = 1;
  Parts parts_;
  size_t packed_keys_, packed_values_, keys_, key_sums_, value_sums_, queries_, query_sums_ = 0, gradients_, weights_, slopes_, keep_;
  ThreadScratch scratch_;
  View key_parts_, value_parts_;  // sums of each segment
};

}  // namespace weft::cpu::WEFT_ISA
