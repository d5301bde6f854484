// Packing the operands of a product, transposed ones through squares in registers.
#include "matmul_pack.h"

#include <algorithm>

#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * to[k * pitch + i] = from[i * row + k] for i < rows <= width, k < length. Writes whole vectors: up to width - rows
 * elements behind a row of `to` are overwritten (the next row repairs them), also behind the last.
 */
void transpose_block(const float* from, int64_t row, int64_t rows, int64_t length, float* to, int64_t pitch) {
  int64_t k = 0;
  for (; k + width <= length; k += width) {
    Vec v[width];
    for (int i = 0; i < width; i++) v[i] = i < rows ? load(from + i * row + k) : zero();
    transpose_square(v);
    for (int i = 0; i < width; i++) store(to + (k + i) * pitch, v[i]);
  }
  if (k < length) {
    const Mask rest = first_lanes(int(length - k));
    Vec v[width];
    for (int i = 0; i < width; i++) v[i] = i < rows ? load_masked(from + i * row + k, rest) : zero();
    transpose_square(v);
    for (int i = 0; i < length - k; i++) store(to + (k + i) * pitch, v[i]);
  }
}
void transpose_block(const double* from, int64_t row, int64_t rows, int64_t length, double* to, int64_t pitch) {
  for (int64_t k = 0; k < length; k++)
    for (int64_t i = 0; i < rows; i++) to[k * pitch + i] = from[i * row + k];
}

}  // namespace

template <class T> void pack_a_block(Matrix<T> a, int64_t m, int64_t k, T* packed) {
  if (a.row == 1 && a.column != 1) {
    // Whole vectors are copied while the rows that follow repair what is written beyond a tile's row. The last rows
    // have no such followers, neither here nor in a.
    constexpr int64_t lines_together = 16;
    const int64_t loose = k - lanes_of<T>;
    // A line of a holds a part of several tiles: some lines at a time, which stay near until all their tiles have them.
    for (int64_t first = 0; first < k; first += lines_together) {
      const int64_t end = std::min(k, first + lines_together), whole = std::clamp(loose, first, end);
      // no prefetcher follows lines that are this far apart: those of the next group are fetched here
      for (int64_t i = end; i < std::min(k, end + lines_together); i++)
        for (int64_t r = 0; r < m; r += 64 / int64_t(sizeof(T))) __builtin_prefetch(a.data + i * a.column + r, 0, 3);
      for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) {
        const int64_t rows = r1 - r0;
        const T* from = a.data + first * a.column + r0;
        T* to = packed + r0 * k + first * rows;
        int64_t i = first;
        for (; i < whole; i++, from += a.column, to += rows)
          for (int64_t r = 0; r < rows; r += lanes_of<T>) store(to + r, load(from + r));
        for (; i < end; i++, from += a.column, to += rows)
          for (int64_t r = 0; r < rows; r++) to[r] = from[r];
      });
    }
    return;
  }
  for_tiles(m, tile_rows, [&](int64_t r0, int64_t r1) {
    const int64_t rows = r1 - r0;
    const T* from = a.data + r0 * a.row;
    T* to = packed + r0 * k;
    if (a.column == 1) {
      // the last rows first: what they spill into the next row of the panel, the full groups of rows before them repair
      for (int64_t r = (rows - 1) / width * width; r >= 0; r -= width)
        transpose_block(from + r * a.row, a.row, std::min<int64_t>(width, rows - r), k, to + r, rows);
    } else {
      for (int64_t i = 0; i < k; i++)
        for (int64_t r = 0; r < rows; r++) to[i * rows + r] = from[r * a.row + i * a.column];
    }
  });
}

template <class T> void pack_panels(Matrix<T> b, int64_t k, int64_t n, int64_t begin, int64_t end, T* packed) {
  constexpr int lanes = lanes_of<T>;
  constexpr int64_t columns = tile_columns<T>;
  for (int64_t panel = begin; panel < end; panel++) {
    const int64_t j = panel * columns, w = std::min(columns, n - j);
    T* to = packed + j * k;
    if (b.column == 1 && w == columns) {
      for (int64_t i = 0; i < k; i++) {
        store(to + i * columns, load(b.data + i * b.row + j));
        store(to + i * columns + lanes, load(b.data + i * b.row + j + lanes));
      }
    } else if (b.column == 1) {
      for (int64_t i = 0; i < k; i++) {
        for (int64_t x = 0; x < w; x++) to[i * columns + x] = b.data[i * b.row + j + x];
        for (int64_t x = w; x < columns; x++) to[i * columns + x] = 0;
      }
    } else if (b.row == 1 && sizeof(T) == 4) {
      for (int64_t half = 0; half < 2; half++) {
        const int64_t rows = std::clamp<int64_t>(w - half * lanes, 0, lanes);
        transpose_block(b.data + (j + half * lanes) * b.column, b.column, rows, k, to + half * lanes, columns);
      }
    } else {
      for (int64_t i = 0; i < k; i++)
        for (int64_t x = 0; x < columns; x++) to[i * columns + x] = x < w ? b.data[i * b.row + (j + x) * b.column] : T(0);
    }
  }
}

template void pack_a_block<float>(Matrix<float>, int64_t, int64_t, float*);
template void pack_a_block<double>(Matrix<double>, int64_t, int64_t, double*);
template void pack_panels<float>(Matrix<float>, int64_t, int64_t, int64_t, int64_t, float*);
template void pack_panels<double>(Matrix<double>, int64_t, int64_t, int64_t, int64_t, double*);

}  // namespace weft::cpu::WEFT_ISA
