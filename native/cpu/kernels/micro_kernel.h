// The micro-kernel under every product and convolution: c[rows x columns] (+)= sum over runs of a-run * b-run, with the
// whole tile of c in registers. Strides are general, so one kernel serves packed panels, NHWC images and transposed
// operands. Each element is summed in the order outer, inner, k with one fma each, whatever the tile's height: a row's
// bits do not depend on its neighbours.
#pragma once
#include <algorithm>
#include <cstring>

#include "lanes.h"
#include "tile_shapes.h"

namespace weft::cpu::WEFT_ISA {

/**
 * a(i, k) of run (p, q) is a[i * a_row + k * a_step + p * a_outer + q * a_inner]; b(k, j) is b[k * b_step + j + p *
 * b_outer + q * b_inner].
 */
template <class T> struct MicroTile {
  const T* a;
  const T* b;
  T* c;
  int64_t k, a_row, a_step, b_step, c_row;
  int64_t outer = 1, inner = 1, a_outer = 0, a_inner = 0, b_outer = 0, b_inner = 0;
  const T* bias = nullptr;           // one per column; the sums start from it
  const int64_t* rows_at = nullptr;  // only for gathered tiles: row i of a starts at a + rows_at[i]
  MaskOf<T> last;                    // columns of the last vector
  bool accumulate = false;           // add to c
  bool relu = false;
  // where a copy of what is read goes, packed for the tiles that use it next: rows of a ([k][rows], only where a_row is
  // 1), a panel of b. Only where tiles_keep<T>.
  T* keep_a = nullptr;
  T* keep_b = nullptr;
  // Memory that is wanted next: its lines are fetched while the tile is summed. They lie one behind the other, or there
  // are `ahead_runs` runs of so many lines, `ahead_stride` bytes apart.
  const char* ahead = nullptr;
  int64_t ahead_lines = 0, ahead_runs = 0, ahead_stride = 0;
};

constexpr int tile_rows = tile_shapes.rows, gathered_rows = tile_shapes.gathered_rows;
template <class T> constexpr int64_t tile_columns = 2 * lanes_of<T>;

/**
 * Whether tiles of T can keep what they read and fetch what comes next: the portable level has no masked stores and
 * waits for its sums, and float64 has few kernels.
 */
template <class T> constexpr bool tiles_keep = tile_shapes.keep && sizeof(T) == 4;
/** The first of several tiles that for_tiles() cuts has so many rows at least. */
constexpr int least_keeping_rows = (tile_rows + 1) / 2;

/**
 * Computes a tile of `rows` <= tile_rows rows and 1 or 2 vectors of columns; also 1 to 3 rows of 4 vectors, and 1 row
 * of 8. A tile that keeps what it reads has 2 vectors and at least least_keeping_rows rows.
 */
void multiply_tile(const MicroTile<float>& tile, int rows, int vectors);
void multiply_tile(const MicroTile<double>& tile, int rows, int vectors);
/** Rows of a are found through rows_at: `rows` <= gathered_rows, `vectors` 1 or 2. */
void multiply_gathered_tile(const MicroTile<float>& tile, int rows, int vectors);
void multiply_gathered_tile(const MicroTile<double>& tile, int rows, int vectors);

/** Vectors that hold n columns, and the mask of the last. */
template <class T> WEFT_INLINE int vectors_for(int64_t n) { return int((n + lanes_of<T> - 1) / lanes_of<T>); }
template <class T> WEFT_INLINE MaskOf<T> last_mask(int64_t n) { return lanes_below<T>(int(n - (vectors_for<T>(n) - 1) * lanes_of<T>)); }

/** Copies up to tile_rows elements. */
template <class T> WEFT_INLINE void copy_row(const T* from, int n, T* to) {
  for (int i = 0; i < n; i += lanes_of<T>) {
    const MaskOf<T> mask = lanes_below<T>(std::min(lanes_of<T>, n - i));
    store_masked(to + i, load_masked(from + i, mask), mask);
  }
}

/** Copies the columns that a tile has of a row. The usual heights of tiles are known here: moves without masks. */
template <class T> WEFT_INLINE void copy_tile_row(const T* from, int64_t rows, T* to) {
  if (rows == tile_rows) std::memcpy(to, from, tile_rows * sizeof(T));
  else if (rows == tile_rows - 1) std::memcpy(to, from, (tile_rows - 1) * sizeof(T));
  else copy_row(from, int(rows), to);
}

/** Memory that will be wanted soon, in equal shares for a known number of tiles. */
class Ahead {
 public:
  Ahead() = default;
  template <class T>
  Ahead(const T* from, int64_t elements, int64_t tiles)
      : at_(reinterpret_cast<const char*>(from)),
        left_(elements * int64_t(sizeof(T)) / line),
        share_((left_ + tiles - 1) / std::max<int64_t>(1, tiles)) {}
  /**
   * Of `rows` rows whose beginnings are `stride` elements apart, the first elements: a part of each row, then the next
   * part of each.
   */
  template <class T>
  Ahead(const T* from, int64_t rows, int64_t elements, int64_t stride, int64_t tiles)
      : at_(reinterpret_cast<const char*>(from)), left_(rows), rows_(rows), stride_(stride * int64_t(sizeof(T))) {
    const int64_t lines = (elements * int64_t(sizeof(T)) + line - 1) / line;
    parts_ = (lines + longest_run - 1) / longest_run;
    lines_ = (lines + parts_ - 1) / parts_;
    share_ = (rows * parts_ + tiles - 1) / std::max<int64_t>(1, tiles);
  }
  template <class T> WEFT_INLINE void give(MicroTile<T>& tile) {
    const int64_t count = std::min(share_, left_);
    tile.ahead = at_;
    tile.ahead_lines = rows_ == 0 ? count : count > 0 ? lines_ : 0;
    tile.ahead_runs = rows_ == 0 ? 0 : count;
    tile.ahead_stride = stride_;
    at_ += count * stride_;
    left_ -= count;
    if (left_ > 0 || --parts_ <= 0) return;
    left_ = rows_;
    at_ += lines_ * line - rows_ * stride_;
  }

 private:
  static constexpr int64_t line = 64, longest_run = 8;
  const char* at_ = nullptr;
  int64_t left_ = 0, share_ = 0;                              // lines, or parts of rows
  int64_t rows_ = 0, lines_ = 0, parts_ = 0, stride_ = line;  // of a part
};

/** Cuts n rows into tiles of nearly equal height and calls f(begin, end). */
inline int64_t tiles_in(int64_t n, int height) { return (n + height - 1) / height; }
template <class F> WEFT_INLINE void for_tiles(int64_t n, int height, F&& f) {
  const int64_t tiles = tiles_in(n, height), least = tiles > 0 ? n / tiles : 0, rest = n - least * tiles;
  int64_t begin = 0, error = 0;
  for (int64_t t = 0; t < tiles; t++) {  // end = n * (t + 1) / tiles, without a division for each
    error += rest;
    const int64_t more = error >= tiles, end = begin + least + more;
    error -= more ? tiles : 0;
    f(begin, end);
    begin = end;
  }
}
/**
 * The time that the tiles of n rows take, in rows of tall tiles: what begins and ends a tile, and that tiles of less
 * than five rows wait for their own sums.
 */
inline double time_of_tiles(int64_t n, int height) {
  double time = 0;
  for_tiles(n, height, [&](int64_t begin, int64_t end) { time += std::max(4.5, double(end - begin) + 0.25); });
  return time;
}

}  // namespace weft::cpu::WEFT_ISA
