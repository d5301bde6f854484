// How one matrix product is cut into chunks and packed: all of it follows from the shape, nothing from the threads.
#pragma once
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** A product as its plan sees it: c[m, n] = a[m, k] * b[k, n]. */
struct ProductShape {
  int64_t m, n, k;
  bool transposed_a, transposed_b;  // stored as [k, m], as [n, k]
};

/** Rows that lie `stride` bytes apart and meet in one set of the first-level cache, of those of a tile: the most. */
inline int rows_in_a_set(int64_t stride) {
  constexpr int64_t line = 64, sets = 64;
  int most = 0;
  for (int i = 0; i < tile_rows; i++) {
    int together = 0;
    for (int j = 0; j < tile_rows; j++) together += (i * stride / line - j * stride / line) % sets == 0;
    most = std::max(most, together);
  }
  return most;
}

template <class T> struct ProductPlan {
  int64_t row_chunks = 1, column_chunks = 1;
  bool pack_a = false;                  // a block of a chunk's rows, before the sums or by its first tiles
  bool pack_b = false, panels = false;  // the whole of b before the sums; panel by panel, by the first tile that reads it
  int64_t together = 0;                 // panels of a far b that move near together

  ProductPlan() = default;
  /** `whole`: one of many products, which a thread computes as one chunk. */
  explicit ProductPlan(const ProductShape& s, bool whole = false) {
    const int64_t bytes = sizeof(T), length = block_length(s.k), wide = tile_columns<T>;
    const int64_t row_tiles = (s.m + tile_rows - 1) / tile_rows, column_tiles = (s.n + wide - 1) / wide;
    int64_t pieces = std::clamp(int64_t(double(s.m) * double(s.n) * double(s.k) / least_piece), int64_t(1), int64_t(8));
    if (pieces > 2) pieces = (pieces + 3) / 4 * 4;  // two threads, and four, do them in equal shares
    const bool turned = s.transposed_a && s.k > 1;
    const bool collide = !turned && rows_in_a_set(s.k * bytes) >= first_level_ways;
    // Rows of a transposed a that are packed anew in each chunk of columns, or rows that would evict each other.
    const int64_t column_bytes = s.m * bytes;  // between the neighbours in a column of a transposed a
    const bool far_apart = length * column_bytes > pages_at_hand * page || rows_in_a_set(column_bytes) == tile_rows;
    const bool costly_a = turned ? !tile_shapes.pack_turned && far_apart : collide;
    const bool near = s.m * length * bytes <= near_rows;
    const bool blocked = !near && s.m >= 2 * block_rows && s.n >= 2 * block_rows;
    if (whole) {
      // nothing is cut
    } else if (blocked) {
      // blocks of c that stay in the second-level cache while k runs
      column_chunks = (s.n + widest_chunk - 1) / widest_chunk;
      row_chunks = (s.m + block_rows - 1) / block_rows;
      row_chunks += row_chunks * column_chunks % 2;  // two threads share an even number
    } else if (s.n >= 2 * long_columns && s.m * s.k * bytes > second_level_cache) {
      column_chunks = (s.n + long_columns - 1) / long_columns;  // each reads all of a, which does not stay near: they are few
    } else {
      const int64_t tall = std::clamp<int64_t>(s.m / least_rows, 1, row_tiles);
      const int64_t broad = std::max<int64_t>(1, costly_a ? s.n / least_columns : column_tiles);
      if (s.m > s.n) {
        row_chunks = std::min(pieces, tall);
        column_chunks = std::min(broad, pieces / row_chunks);
      } else {
        column_chunks = std::min(broad, pieces);
        row_chunks = std::min(tall, pieces / column_chunks);
      }
      if (s.k > length) column_chunks = std::max(column_chunks, (s.n + widest_chunk - 1) / widest_chunk);
    }
    const int64_t rows = std::min(s.m, (row_tiles + row_chunks - 1) / row_chunks * tile_rows), columns = s.n / column_chunks;
    // A far b lies in rows that are pages apart, so that no prefetcher follows a panel down.
    const bool far_b = s.k * s.n * bytes > second_level_cache;
    const int64_t few_rows = !far_b ? 3 * tile_rows : tiles_keep<T> ? least_keeping_rows - 1 : 18;
    const bool shared_b = s.transposed_b || (s.n > wide && s.m > few_rows);  // packing it pays, or fetching it
    panels = shared_b && !blocked && rows * length * bytes <= near_rows && (!s.transposed_b || row_chunks == 1);
    pack_b = shared_b && !panels;
    if (far_b && panels) together = !s.transposed_b && 2 * rows * length * bytes <= near_rows ? near_columns / wide : 1;
    if (turned) pack_a = (tile_shapes.pack_turned || costly_a) && columns > wide && s.m > 4 && s.k > 16;
    else pack_a = columns >= least_columns && s.m >= least_rows && s.k > 64 && (collide || (blocked && s.k > length));
  }

 private:
  static constexpr double least_piece = 1e6;                      // multiply-adds, 20 µs: products hand over little but addresses
  static constexpr int64_t least_rows = 48, least_columns = 128;  // of a chunk that packs what it shares
  static constexpr int64_t widest_chunk = 1024;
  static constexpr int64_t near_columns = 128;  // of a far b, that move near together
  static constexpr int64_t long_columns = 256;
  static constexpr int64_t second_level_cache = 1 << 20, near_rows = 1 << 19;  // bytes
  static constexpr int64_t page = 4096, pages_at_hand = 96;
  static constexpr int first_level_ways = 8;
};

}  // namespace weft::cpu::WEFT_ISA
