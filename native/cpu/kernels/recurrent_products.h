// The products that follow the way back through a sequence: gradients of the weights, which are long sums over all places, and of the input.
// They are taken a block of steps at a time, while the slopes of its gates lie in the second-level cache: slopes are written as the products
// want them, and what nobody else reads never reaches memory.
#pragma once
#include "recurrent.h"

namespace weft::cpu::WEFT_ISA {

/** Slopes of gates at the places of a block, as panels of columns: [panels][places][tile columns]; the units of a gate are padded to whole vectors. */
template <class T> struct Slopes {
  T* data = nullptr;  // null: nobody wants them
  int64_t places = 0, padded = 0;

  WEFT_INLINE T* at(int64_t gate, int64_t unit, int64_t place) const {
    constexpr int64_t columns = tile_columns<T>;
    const int64_t column = gate * padded + unit;
    return data + column / columns * columns * places + place * columns + column % columns;
  }
};

/** A block: steps [begin, end) of some rows of the batch. Places are in order of rows, then of time. */
struct Block {
  int64_t first_row, rows, begin, end, steps;  // steps: of the whole sequence
  bool reverse;

  int64_t length() const { return end - begin; }
  int64_t places() const { return rows * length(); }
  /** Time of the block's first place of each row. */
  int64_t time() const { return reverse ? steps - end : begin; }
  /** Place of step i of the block's row 0. */
  int64_t place(int64_t i) const { return reverse ? end - 1 - i : i - begin; }
  /** Where a place lies in what is [batch * steps, n]. */
  int64_t source(int64_t place) const { return (first_row + place / length()) * steps + time() + place % length(); }
};

/** Packs a^T for the micro-kernel: row(i, memory) is the address of row i of a, [k, m], and may be copied to `memory`. */
template <class T, class Row> void pack_places(int64_t m, int64_t k, Row&& row, T* memory, T* packed) {
  for (int64_t i = 0; i < k; i++) {
    const T* from = row(i, memory);
    for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) {
      T* to = packed + r0 * k + i * (r1 - r0);
      for (int64_t r = r0; r < r1; r += lanes_of<T>) {
        const MaskOf<T> mask = lanes_below<T>(int(std::min<int64_t>(lanes_of<T>, r1 - r)));
        store_masked(to + r - r0, load_masked(from + r, mask), mask);
      }
    });
  }
}

/** c[m, n] (+)= a^T * slopes over the places of a block. */
template <class T> void add_outer(const T* packed_a, int64_t m, const Slopes<T>& slopes, int64_t n, T* c, bool accumulate) {
  constexpr int64_t columns = tile_columns<T>;
  Tile<T> tile;
  tile.k = slopes.places, tile.b_step = columns, tile.c_row = n, tile.a_row = 1, tile.accumulate = accumulate;
  for (int64_t j = 0; j < n; j += columns) {
    const int64_t w = std::min(columns, n - j);
    tile.b = slopes.data + j * slopes.places;
    tile.last = last_mask<T>(w);
    for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) {
      tile.a = packed_a + r0 * slopes.places;
      tile.a_step = r1 - r0;
      tile.c = c + r0 * n + j;
      tile_kernel<T>(int(r1 - r0), vectors_for<T>(w))(tile);
    });
  }
}

/** Packs (w [k, gates * units])^T as panels of k: rows are gates of padded units, zero where there is no unit. */
template <class T> void pack_transposed_gates(const T* w, int64_t k, int64_t gates, int64_t units, T* packed) {
  constexpr int64_t columns = tile_columns<T>;
  const int64_t padded = padded_units<T>(units);
  for (int64_t j = 0; j < k; j += columns, packed += gates * padded * columns)
    for (int64_t g = 0; g < gates; g++) {
      T* to = packed + g * padded * columns;
      pack_panels<T>({w + j * gates * units + g * units, 1, gates * units}, units, std::min(columns, k - j), 0, 1, to);
      std::fill(to + units * columns, to + padded * columns, T(0));
    }
}

/** The gradient of a projection x * kernel + bias, from its slopes: what is joined with the gradient of a recurrence. Views that nobody wants are unused. */
struct ProjectionGradient {
  int64_t features = 0;
  View x, kernel, dx, dkernel, dbias;

  ProjectionGradient() = default;
  /** As joined() has put it into a call whose op has so many outputs of its own. */
  ProjectionGradient(const Call& call, size_t outputs) {
    if (!call.attrs.has("features")) return;
    features = call.attrs.integer("features");
    dx = call.out[outputs], dkernel = call.out[outputs + 1], dbias = call.out[outputs + 2];
    size_t input = call.in.size();
    if (dx.used()) kernel = call.in[--input];
    if (dkernel.used()) x = call.in[--input];
  }

  /** Whether all that is done with the slopes, [places, n] in memory, is to take this gradient of them. */
  bool is_all(const std::vector<const Call*>& readers, const View& slopes, int64_t n) {
    for (const Call* reader : readers) {
      const View &a = reader->in[0], &b = reader->in.back(), &result = reader->out[0];
      const bool first = a.slot == slopes.slot, second = b.slot == slopes.slot;
      if (reader->op == "sum") {
        if (dbias.used() || a.rank() != 2 || a.dim(1) != n || reader->attrs.integers("axes") != Dims{0}) return false;
        dbias = result;
        continue;
      }
      if (reader->op != "matMul" || first == second || a.rank() != 2 || b.rank() != 2) return false;
      if (reader->attrs.flag("transposeA") == first || reader->attrs.flag("transposeB") == second) return false;
      View& own = first ? dx : dkernel;
      if (own.used() || (first ? a : b).dim(1) != n) return false;
      own = result;
      (first ? kernel : x) = first ? b : a;
    }
    if (dx.used() && dkernel.used() && dx.dim(1) != dkernel.dim(0)) return false;
    features = dx.used() ? dx.dim(1) : dkernel.used() ? dkernel.dim(0) : 0;
    return !readers.empty();
  }

  /** The call with these readers of its first output. */
  void join(const Call& call, Call& joined) const {
    joined.op = call.op + "+products";
    joined.attrs = call.attrs;
    joined.attrs.set("features", double(features));
    joined.in = call.in;
    if (dkernel.used()) joined.in.push_back(x);
    if (dx.used()) joined.in.push_back(kernel);
    joined.out = call.out;
    joined.out[0].slot = -1;
    joined.out.insert(joined.out.end(), {dx, dkernel, dbias});
  }
};

template <class T> class SequenceProducts {
 public:
  SequenceProducts() = default;
  /** `weights`: the gradient of the recurrent weights. `rows`: of the batch in a chunk. */
  SequenceProducts(Call& call, const RowChunks& chunks, int64_t steps, int64_t gates, int64_t units, const View& weights,
                   const ProjectionGradient& joined)
      : joined_(joined),
        weights_(weights),
        units_(units),
        gates_(gates),
        n_(gates * padded_units<T>(units)),
        chunks_(chunks),
        steps_(steps) {
    rows_ = (weights.used() ? units : 0) + (joined.dkernel.used() ? joined.features : 0) + (joined.dbias.used() ? 1 : 0);
    tasks_ = chunks.count;
    if (steps == 0 || chunks.count == 0 || units == 0) return;
    length_ = std::clamp<int64_t>(most_places / chunks.most(), 1, steps);
    const int64_t partial = rows_ * n_ * int64_t(sizeof(T));
    if (partial > 0) tasks_ = std::clamp<int64_t>(most_partial / partial, 1, std::min<int64_t>(chunks.count, 16));
    if (!wanted()) return;
    const int64_t places = chunks.most() * length_, widest = std::max(units, joined.features);
    slopes_ = LaneScratch(call, size_t(n_ * places) * sizeof(T));
    packed_a_ = LaneScratch(call, size_t(widest * (places + 1) + lanes_of<T>) * sizeof(T));
    if (rows_ > 0) partial_ = call.scratch(size_t(tasks_ * partial));
    if (joined.dx.used()) packed_kernel_ = call.scratch(size_t(packed_size<T>(n_, joined.features)) * sizeof(T));
  }

  bool wanted() const { return rows_ > 0 || joined_.dx.used(); }
  /** Chunks of rows are shared out among so many tasks, each of which adds up its own weights. */
  int64_t tasks() const { return tasks_; }
  int64_t first_chunk(int64_t task) const { return chunks_.count * task / tasks_; }
  /** Steps of a block. */
  int64_t length() const { return length_; }

  void start(const Frame& frame) const {
    if (packed_kernel_.used())
      pack_transposed_gates(frame.at<const T>(joined_.kernel), joined_.features, gates_, units_, frame.at<T>(packed_kernel_));
  }

  Slopes<T> slopes(const Frame& frame, int lane, const Block& block) const {
    return {wanted() ? slopes_.at<T>(frame, lane) : nullptr, block.places(), padded_units<T>(units_)};
  }

  /** Takes the products of a block whose slopes are written. `first`: it is the first one of its task. */
  void add(const Frame& frame, int64_t task, int lane, const Block& block, const MetStates<T>& met, bool first) const {
    const Slopes<T> slopes = this->slopes(frame, lane, block);
    T *packed = packed_a_.template at<T>(frame, lane), *to = rows_ > 0 ? frame.at<T>(partial_) + task * rows_ * n_ : nullptr;
    if (weights_.used()) {
      const auto state = [&](int64_t place, T* memory) { return met.at(block.source(place), memory); };
      pack_places<T>(units_, slopes.places, state, packed + units_ * slopes.places + lanes_of<T>, packed);
      add_outer(packed, units_, slopes, n_, to, !first);
      to += units_ * n_;
    }
    const int64_t d = joined_.features;
    if (joined_.dkernel.used()) {
      const T* x = frame.at<const T>(joined_.x);
      const auto row = [&](int64_t place, T*) { return x + block.source(place) * d; };
      pack_places<T>(d, slopes.places, row, nullptr, packed);
      add_outer(packed, d, slopes, n_, to, !first);
      to += d * n_;
    }
    if (joined_.dbias.used()) add_columns(slopes, to, first);
    if (joined_.dx.used()) write_input_gradient(frame, block, slopes);
  }

  /** Adds up what the tasks have, in their order. */
  void finish(const Frame& frame) const {
    if (rows_ == 0) return;
    const bool any = partial_.used();
    int64_t row = 0;
    const auto give = [&](const View& view, int64_t rows) {
      if (!view.used()) return;
      T* to = frame.at<T>(view);
      const int64_t wide = gates_ * units_;
      if (!any) std::fill_n(to, rows * wide, T(0));
      else
        parallel_range(rows, std::max<int64_t>(1, (1 << 14) / n_), [&](int64_t begin, int64_t end) {
          for (int64_t r = begin; r < end; r++)
            for (int64_t g = 0; g < gates_; g++) {
              const T* from = frame.at<const T>(partial_) + (row + r) * n_ + g * padded_units<T>(units_);
              T* sums = to + r * wide + g * units_;
              std::copy_n(from, units_, sums);
              for (int64_t task = 1; task < tasks_; task++) {
                from += rows_ * n_;
                for (int64_t j = 0; j < units_; j++) sums[j] += from[j];
              }
            }
        });
      row += rows;
    };
    give(weights_, units_);
    give(joined_.dkernel, joined_.features);
    give(joined_.dbias, 1);
  }

 private:
  void add_columns(const Slopes<T>& slopes, T* to, bool first) const {
    constexpr int lanes = lanes_of<T>;
    for (int64_t j = 0; j < n_; j += lanes) {
      Vector<T> sum = first ? Vector<T>{} : load(to + j);
      const T* from = slopes.at(0, j, 0);
      for (int64_t place = 0; place < slopes.places; place++, from += tile_columns<T>) sum += load(from);
      store(to + j, sum);
    }
  }

  /** dx = slopes * kernel^T: the sum runs through the panels of the slopes, one after the other. */
  void write_input_gradient(const Frame& frame, const Block& block, const Slopes<T>& slopes) const {
    constexpr int64_t columns = tile_columns<T>;
    const int64_t d = joined_.features;
    T* dx = frame.at<T>(joined_.dx);
    Tile<T> tile;
    tile.k = columns, tile.outer = n_ / columns;
    tile.a_row = columns, tile.a_step = 1, tile.a_outer = columns * slopes.places;
    tile.b_step = columns, tile.b_outer = columns * columns, tile.c_row = d;
    for (int64_t j = 0; j < d; j += columns) {
      const int64_t w = std::min(columns, d - j);
      tile.b = frame.at<const T>(packed_kernel_) + j * n_;
      tile.last = last_mask<T>(w);
      for (int64_t r = 0; r < block.rows; r++)
        for_tiles(block.length(), tile_rows, [&](int64_t i0, int64_t i1) {
          const int64_t place = r * block.length() + i0;
          tile.a = slopes.data + place * columns;
          tile.c = dx + block.source(place) * d + j;
          tile_kernel<T>(int(i1 - i0), vectors_for<T>(w))(tile);
        });
    }
  }

  static constexpr int64_t most_places = 224, most_partial = 32 << 20;
  ProjectionGradient joined_;
  View weights_;
  int64_t units_ = 0, gates_ = 0, n_ = 0;
  RowChunks chunks_{0};
  int64_t steps_ = 0, rows_ = 0, length_ = 1, tasks_ = 0;
  LaneScratch slopes_, packed_a_;
  View partial_, packed_kernel_;
};

}  // namespace weft::cpu::WEFT_ISA
