// The products that follow the way back through a sequence: gradients of the weights, which are long sums over all
// places, and of the input. They are taken a block of steps at a time, while the slopes of its gates lie in the
// second-level cache: slopes are written as the products want them, and what nobody else reads never reaches memory.
#pragma once
#include <array>
#include <utility>
#include <vector>

#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Slopes of gates at the places of a block, as panels of columns: [panels][places][tile columns]; the units of a gate
 * are padded to whole vectors.
 */
template <class T> struct Slopes {
  T* data = nullptr;  // null: nobody wants them
  int64_t places = 0, padded = 0;

  WEFT_INLINE T* at(int64_t gate, int64_t unit, int64_t place) const {
    constexpr int64_t columns = tile_columns<T>;
    const int64_t column = gate * padded + unit, within = column & (columns - 1);
    return data + (column - within) * places + place * columns + within;
  }
};

/** A block: steps [begin, end) of some rows of the batch. Places are in order of rows, then of time. */
struct Block {
  int64_t first_row, rows, begin, end, steps;  // steps: of the whole sequence
  bool reverse;

  int64_t length() const { return end - begin; }
  int64_t places() const { return rows * length(); }
  /** The time of the first place that a row has in the block. */
  int64_t time() const { return reverse ? steps - end : begin; }
  /** The place of step i of the block's first row. */
  int64_t place(int64_t i) const { return reverse ? end - 1 - i : i - begin; }
  /** Where the first place of a row lies in what is [batch * steps, n]; the others follow. */
  int64_t source(int64_t row) const { return (first_row + row) * steps + time(); }
};

/**
 * Packs a^T for the micro-kernel: row(r, i, memory) is a, [m], at the i-th time of row r of the block, and may be
 * computed into `memory`.
 */
template <class T, class Row> void pack_places(const Block& block, int64_t m, Row&& row, T* memory, T* packed) {
  const int64_t places = block.places();
  int64_t place = 0;
  for (int64_t r = 0; r < block.rows; r++)
    for (int64_t i = 0; i < block.length(); i++, place++) {
      const T* from = row(r, i, memory);
      for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) { copy_tile_row(from + r0, r1 - r0, packed + r0 * places + place * (r1 - r0)); });
    }
}

/** c[m, end - begin] (+)= a^T * the columns [begin, end) of the slopes, over the places of a block. */
template <class T>
void add_outer(const T* packed_a, int64_t m, const Slopes<T>& slopes, int64_t begin, int64_t end, T* c, bool accumulate) {
  constexpr int64_t columns = tile_columns<T>;
  MicroTile<T> tile;
  tile.k = slopes.places, tile.b_step = columns, tile.c_row = end - begin, tile.a_row = 1, tile.accumulate = accumulate;
  for (int64_t j = begin; j < end;) {
    const int64_t w = std::min(columns - j % columns, end - j);
    tile.b = slopes.at(0, j, 0);
    tile.last = last_mask<T>(w);
    for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) {
      tile.a = packed_a + r0 * slopes.places;
      tile.a_step = r1 - r0;
      tile.c = c + r0 * tile.c_row + j - begin;
      multiply_tile(tile, int(r1 - r0), vectors_for<T>(w));
    });
    j += w;
  }
}

/** The gate of each group of slopes. */
using GateOrder = std::array<int, 4>;
constexpr GateOrder in_order{0, 1, 2, 3};

/**
 * Packs (w [k, all * units])^T as panels of k: rows are the gates `order`, of padded units, zero where there is no
 * unit.
 */
template <class T>
void pack_transposed_gates(const T* w, int64_t k, int64_t all, int64_t units, const GateOrder& order, int64_t gates, T* packed) {
  constexpr int64_t columns = tile_columns<T>;
  const int64_t padded = padded_units<T>(units), row = all * units;
  for (int64_t j = 0; j < k; j += columns)
    for (int64_t g = 0; g < gates; g++, packed += padded * columns) {
      pack_panels<T>({w + j * row + order[size_t(g)] * units, 1, row}, units, std::min(columns, k - j), 0, 1, packed);
      std::fill(packed + units * columns, packed + padded * columns, T(0));
    }
}

/** A gradient that is a sum over all places: a^T times the slopes of some groups. */
struct PlaceSum {
  enum class Of { states, inner, input, ones } of;  // a: states that meet the weights, what gru keeps of them, x, or 1
  int64_t rows;                                     // a's columns
  int64_t first, groups;
  GateOrder gates;  // of the result, one for each group
  View to;
};

/** What a recurrence has of slopes: `groups` for each unit, of which the first `gates` are the projection's. */
struct SlopeGroups {
  int64_t groups, gates;
  GateOrder order;  // of the projection
};

template <class T> class SequenceProducts {
 public:
  /**
   * `own`: sums other than the projection's; a sum whose result nobody reads is left out. `inner`: [batch * steps,
   * units].
   */
  WEFT_BINDER SequenceProducts(Call& call, const RowChunks& chunks, int64_t steps, int64_t units, const SlopeGroups& slopes,
                               const ProjectionGradient& joined, std::vector<PlaceSum> own, const View& inner = {})
      : chunks_(chunks),
        units_(units),
        padded_(padded_units<T>(units)),
        groups_(slopes),
        joined_(joined),
        sums_(std::move(own)),
        inner_(inner) {
    sums_.push_back({PlaceSum::Of::input, joined.features, 0, slopes.gates, slopes.order, joined.dkernel});
    sums_.push_back({PlaceSum::Of::ones, 1, 0, slopes.gates, slopes.order, joined.dbias});
    std::erase_if(sums_, [](const PlaceSum& sum) { return !sum.to.used(); });
    tasks_ = chunks.count;
    if (steps == 0 || chunks.count == 0 || units == 0 || !wanted()) return;
    length_ = std::clamp<int64_t>(most_places / chunks.most(), 1, steps);
    for (const PlaceSum& sum : sums_) partial_size_ += sum.rows * sum.groups * padded_;
    if (partial_size_ > 0) {
      tasks_ = std::clamp<int64_t>(most_partial / (partial_size_ * int64_t(sizeof(T))), 1, std::min<int64_t>(chunks.count, 16));
      partial_ = call.scratch(size_t(tasks_ * partial_size_) * sizeof(T));
    }
    const int64_t places = chunks.most() * length_;
    slopes_ = ThreadScratch(call, size_t(packed_size<T>(places, slopes.groups * padded_)) * sizeof(T));
    packed_a_ = ThreadScratch(call, size_t(std::max(units, joined.features) * (places + 1) + lanes_of<T>) * sizeof(T));
    if (joined.dx.used()) packed_kernel_ = call.scratch(size_t(packed_size<T>(slopes.gates * padded_, joined.features)) * sizeof(T));
  }

  bool wanted() const { return !sums_.empty() || joined_.dx.used(); }

  void start(const Frame& frame) const {
    if (!packed_kernel_.used()) return;
    const T* kernel = frame.at<const T>(joined_.kernel);
    pack_transposed_gates(kernel, joined_.features, groups_.gates, units_, groups_.order, groups_.gates, frame.at<T>(packed_kernel_));
  }

  Slopes<T> slopes(const Frame& frame, int thread, const Block& block) const {
    return {wanted() ? slopes_.at<T>(frame, thread) : nullptr, block.places(), padded_};
  }

  /**
   * Goes back through the steps of all chunks: run(begin, rows, thread, steps) calls steps(run_step), which calls
   * run_step(block, slopes, i) for each step from the last to the first and takes the products of a block once its
   * slopes are written.
   */
  template <class Run> void back(const Frame& frame, const MetStates<T>& met, bool reverse, Run&& run) const {
    parallel(tasks_, [&](int64_t task, int thread) {
      const int64_t first = chunks_.count * task / tasks_, last = chunks_.count * (task + 1) / tasks_;
      for (int64_t chunk = first; chunk < last; chunk++) {
        const int64_t begin = chunks_.begin(chunk), rows = chunks_.begin(chunk + 1) - begin;
        run(begin, rows, thread, [&](auto&& run_step) {
          Block block{begin, rows, 0, met.steps, met.steps, reverse};
          for (; block.end > 0; block.end = block.begin) {
            const int64_t blocks = (block.end + length_ - 1) / length_;
            block.begin = block.end - (block.end + blocks - 1) / blocks;
            const Slopes<T> slopes = this->slopes(frame, thread, block);
            for (int64_t i = block.end - 1; i >= block.begin; i--) run_step(block, slopes, i);
            if (wanted()) add(frame, task, thread, block, slopes, met, chunk == first && block.end == met.steps);
          }
        });
      }
    });
    finish(frame);
  }

 private:
  /** Takes the products of a block. `first` says that the block is the first one of its task. */
  void add(const Frame& frame, int64_t task, int thread, const Block& block, const Slopes<T>& slopes, const MetStates<T>& met,
           bool first) const {
    T *packed = packed_a_.template at<T>(frame, thread), *to = partial_.used() ? frame.at<T>(partial_) + task * partial_size_ : nullptr;
    const int64_t places = slopes.places;
    for (const PlaceSum& sum : sums_) {
      const int64_t begin = sum.first * padded_, end = begin + sum.groups * padded_;
      if (sum.of == PlaceSum::Of::ones) {
        add_columns(slopes, begin, end, to, first);
      } else {
        const T* rows = sum.of == PlaceSum::Of::input   ? frame.at<const T>(joined_.x)
                        : sum.of == PlaceSum::Of::inner ? frame.at<const T>(inner_)
                                                        : nullptr;
        const auto row = [&](int64_t r, int64_t i, T* memory) {
          return rows ? rows + (block.source(r) + i) * sum.rows : met.at(block.first_row + r, block.time() + i, memory);
        };
        pack_places(block, sum.rows, row, packed + sum.rows * places + lanes_of<T>, packed);
        add_outer(packed, sum.rows, slopes, begin, end, to, !first);
      }
      to += sum.rows * (end - begin);
    }
    if (joined_.dx.used()) write_input_gradient(frame, block, slopes);
  }

  /** Adds up the partial sums of the tasks in their order. */
  void finish(const Frame& frame) const {
    int64_t offset = 0;
    for (const PlaceSum& sum : sums_) {
      const int64_t wide = sum.groups * padded_, row = sum.to.dim(-1);
      T* to = frame.at<T>(sum.to);
      parallel_range(sum.rows, std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, wide)), [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++)
          for (int64_t g = 0; g < sum.groups; g++) {
            T* result = to + r * row + sum.gates[size_t(g)] * units_;
            if (!partial_.used()) {
              std::fill_n(result, units_, T(0));
              continue;
            }
            const T* from = frame.at<const T>(partial_) + offset + r * wide + g * padded_;
            std::copy_n(from, units_, result);
            for (int64_t task = 1; task < tasks_; task++) {
              from += partial_size_;
              for (int64_t j = 0; j < units_; j++) result[j] += from[j];
            }
          }
      });
      offset += sum.rows * wide;
    }
  }

  static void add_columns(const Slopes<T>& slopes, int64_t begin, int64_t end, T* to, bool first) {
    for (int64_t j = begin; j < end; j += lanes_of<T>, to += lanes_of<T>) {
      Vector<T> sum = first ? Vector<T>{} : load(to);
      const T* from = slopes.at(0, j, 0);
      for (int64_t place = 0; place < slopes.places; place++, from += tile_columns<T>) sum += load(from);
      store(to, sum);
    }
  }

  /** dx = slopes * kernel^T: the sum runs through the panels of the slopes, one after the other. */
  void write_input_gradient(const Frame& frame, const Block& block, const Slopes<T>& slopes) const {
    constexpr int64_t columns = tile_columns<T>;
    const int64_t d = joined_.features, n = groups_.gates * padded_, whole = n / columns, rest = n % columns;
    T* dx = frame.at<T>(joined_.dx);
    MicroTile<T> tile;
    tile.a_row = columns, tile.a_step = 1, tile.a_outer = columns * slopes.places;
    tile.b_step = columns, tile.b_outer = columns * columns, tile.c_row = d;
    for (int64_t j = 0; j < d; j += columns) {
      const int64_t w = std::min(columns, d - j);
      const T* panel = frame.at<const T>(packed_kernel_) + j * n;
      tile.last = last_mask<T>(w);
      for (int64_t r = 0; r < block.rows; r++)
        for_tiles(block.length(), tile_rows, [&](int64_t i0, int64_t i1) {
          const int height = int(i1 - i0), vectors = vectors_for<T>(w);
          tile.c = dx + (block.source(r) + i0) * d + j;
          tile.a = slopes.data + (r * block.length() + i0) * columns, tile.b = panel;
          tile.k = columns, tile.outer = whole, tile.accumulate = false;
          if (whole > 0) multiply_tile(tile, height, vectors);
          if (rest == 0) return;
          tile.a += whole * tile.a_outer, tile.b += whole * tile.b_outer;
          tile.k = rest, tile.outer = 1, tile.accumulate = whole > 0;
          multiply_tile(tile, height, vectors);
        });
    }
  }

  static constexpr int64_t most_places = 252, most_partial = 32 << 20;
  RowChunks chunks_;
  int64_t units_, padded_;
  SlopeGroups groups_;
  ProjectionGradient joined_;
  std::vector<PlaceSum> sums_;
  View inner_;
  int64_t length_ = 1, tasks_ = 0, partial_size_ = 0;  // steps of a block; tasks that share the chunks; elements of what a task adds up
  ThreadScratch slopes_, packed_a_;
  View partial_, packed_kernel_;
};

}  // namespace weft::cpu::WEFT_ISA
