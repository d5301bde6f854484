// What the blocked attention kernels for float32 share: how lengths are cut, and products over the tile kernel.
#pragma once
#include "attention_shape.h"
#include "chunks.h"
#include "matmul_blocks.h"
#include "row_math.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Keys whose scores are held at once. It depends on the number of keys alone, so that a row's bits do not depend on its
 * batch.
 */
struct KeyBlocks {
  static constexpr int64_t panel = tile_columns<float>;
  int64_t count, length;  // length: a multiple of panel
  KeyBlocks(int64_t tk, int64_t longest) {
    count = std::max<int64_t>(1, (tk + longest - 1) / longest);
    length = std::max<int64_t>(1, ((tk + count - 1) / count + panel - 1) / panel) * panel;
    count = std::max<int64_t>(1, (tk + length - 1) / length);
  }
};

/** c[rows, columns] (+)= a·b. `tile` has the addresses and strides; its columns are set here. */
inline void multiply_rows(MicroTile<float> tile, int64_t rows, int64_t columns) {
  constexpr int64_t widest = tile_columns<float>;
  const float *a = tile.a, *b = tile.b;
  float* c = tile.c;
  for (int64_t j = 0; j < columns; j += widest) {
    const int64_t w = std::min(widest, columns - j);
    const int vectors = vectors_for<float>(w);
    tile.last = last_mask<float>(w);
    tile.b = b + j;
    for_tiles(rows, tile_rows, [&](int64_t r0, int64_t r1) {
      tile.a = a + r0 * tile.a_row;
      tile.c = c + r0 * tile.c_row + j;
      multiply_tile(tile, int(r1 - r0), vectors);
    });
  }
}

/** scores[rows, count] = a·bᵀ, where bᵀ is packed. Whole panels are written, also beyond `count`. */
inline void multiply_panels(const float* a, int64_t rows, int64_t k, const float* packed, int64_t count, float* scores, int64_t pitch) {
  constexpr int64_t panel = tile_columns<float>;
  MicroTile<float> tile{};
  tile.k = k, tile.a_row = k, tile.a_step = 1, tile.b_step = panel, tile.c_row = pitch;
  tile.last = last_mask<float>(panel);
  for (int64_t j = 0; j < count; j += panel) {
    tile.a = a;
    tile.b = packed + j * k;
    tile.c = scores + j;
    multiply_tile(tile, int(rows), 2);
  }
}

/** Copies `count` rows of n elements, which are a stride apart, to dense rows, and multiplies them by a factor. */
inline void copy_rows(const float* from, int64_t stride, int64_t count, int64_t n, float factor, float* to) {
  for (int64_t i = 0; i < count; i++, from += stride, to += n)
    for_lanes(
        n, [&](int64_t x, int m) __attribute__((always_inline)) { store_lanes(to + x, load_lanes(from + x, m) * factor, m); });
}

/**
 * Rows of a matrix that are wanted soon. They are too far apart for the processor to foresee, so their lines are
 * fetched a few at a time while products run.
 */
struct RowsAhead {
  const float* from = nullptr;
  int64_t stride = 0, rows = 0, columns = 0;

  /** Fetches share `part` of `parts`. */
  void fetch(int64_t part, int64_t parts) const {
    for (int64_t i = rows * part / parts; i < rows * (part + 1) / parts; i++)
      for (int64_t x = 0; x < columns; x += 16) __builtin_prefetch(from + i * stride + x, 0, 2);
  }
};
/** Fetches rows that will be written soon. */
inline void fetch_to_write(float* rows, int64_t stride, int64_t count, int64_t columns) {
  for (int64_t i = 0; i < count; i++)
    for (int64_t x = 0; x < columns; x += 16) __builtin_prefetch(rows + i * stride + x, 1, 3);
}
/** Rows of keys or values that are worth fetching ahead: more would drive out what is in use. */
constexpr int64_t most_rows_ahead = 256;

/** The lanes whose keys the mask lets through. */
WEFT_INLINE Mask visible_lanes(const uint8_t* mask, int n) {
  return greater(n == width ? load_bytes(mask) : load_bytes_partial(mask, n), zero());
}

/** A thread's scratch memory. It is cut into parts of whole cache lines. */
class Parts {
 public:
  size_t add(int64_t floats) {
    const size_t at = floats_;
    floats_ += size_t(std::max<int64_t>(1, floats) + 15) / 16 * 16;
    return at;
  }
  size_t bytes() const { return floats_ * sizeof(float); }

 private:
  size_t floats_ = 0;
};

}  // namespace weft::cpu::WEFT_ISA
