// How products of rounded operands are cut, packed and summed.
#include "bfloat16_products.h"

#include "bfloat16_kernel.h"
#include "bfloat16_tiles.h"

#if WEFT_LEVEL == 2

namespace weft::cpu::WEFT_ISA {
namespace {

/** Pairs in a block of k: a packed panel of b of that length stays in the first-level cache. */
constexpr int64_t longest_pairs = 256;
/** Rows of a in one block: packed, they stay in the second-level cache. */
constexpr int64_t most_rows = tile_rows * 18;

/** How the products of one shape are cut. All of it follows from the shape. */
struct Cut {
  int64_t pairs, block_pairs;                         // of k; of a block of k
  int64_t row_chunks, panels, column_chunks, chunks;  // of one product, of all
  int64_t block_rows;                                 // rows of a chunk, at most

  explicit Cut(const RoundedProducts& p) {
    pairs = (p.k + 1) / 2;
    const int64_t blocks = std::max<int64_t>(1, (pairs + longest_pairs - 1) / longest_pairs);
    block_pairs = (pairs + blocks - 1) / blocks;
    const int64_t count = int64_t(p.a_of.size());
    row_chunks = (p.m + most_rows - 1) / most_rows;
    block_rows = (p.m + row_chunks - 1) / row_chunks;
    panels = (p.n + pair_columns - 1) / pair_columns;
    const int64_t pieces = pieces_of_work(double(count) * double(p.m) * double(p.n) * double(p.k));
    column_chunks = std::clamp<int64_t>((pieces + count * row_chunks - 1) / (count * row_chunks), 1, panels);
    chunks = count * row_chunks * column_chunks;
  }
};

/** A block of a, [pairs][rows] of each tile, and a panel of b: memory of one thread. */
struct Packed {
  Pair *a, *b;
};

/** Packs the rows of a block of a, tile by tile. */
void pack_rows(Matrix<float> a, int64_t rows, int64_t length, Pair* packed) {
  const int64_t pairs = (length + 1) / 2;
  for_tiles(rows, tile_rows, [&](int64_t r0, int64_t r1) {
    const float* from = a.data + r0 * a.row;
    const int height = int(r1 - r0);
    if (a.column == 1) pack_pairs_of_rows(from, a.row, height, length, packed + r0 * pairs, height);
    else pack_pairs_across(from, a.column, height, length, packed + r0 * pairs, height);
  });
}

/** Packs a panel of a transposed b, whose columns lie in rows. */
void pack_panel(Matrix<float> b, int64_t columns, int64_t length, Pair* packed) {
  for (int64_t j = 0; j < columns; j += width)
    pack_pairs_of_rows(b.data + j * b.column, b.column, int(std::min<int64_t>(width, columns - j)), length, packed + j, pair_columns);
}

/** One chunk: the product of some rows and some columns. */
void multiply(Product<float> p, int64_t block_pairs, Packed packed) {
  const int64_t blocks = std::max<int64_t>(1, ((p.k + 1) / 2 + block_pairs - 1) / std::max<int64_t>(1, block_pairs));
  for (int64_t block = 0; block < blocks; block++) {
    const int64_t k0 = 2 * block * block_pairs, length = std::min(2 * block_pairs, p.k - k0), pairs = (length + 1) / 2;
    pack_rows({p.a.data + k0 * p.a.column, p.a.row, p.a.column}, p.m, length, packed.a);
    for (int64_t j = 0, columns = 0; j < p.n; j += columns) {
      const int64_t widest = p.b.column != 1 || p.m > most_wide_rows ? 1 : p.m > 1 || p.n - j < 4 * pair_columns ? 2 : 4;
      columns = std::min(p.n - j, (p.n - j < 2 * pair_columns ? 1 : widest) * pair_columns);
      const Matrix<float> b{p.b.data + k0 * p.b.row + j * p.b.column, p.b.row, p.b.column};
      const int vectors = vectors_for<float>(columns);
      PairTile tile;
      tile.pairs = pairs;
      tile.odd = length % 2 != 0;
      tile.c_row = p.c_row;
      tile.last = last_mask<float>(columns);
      tile.bias = p.bias && block == 0 ? p.bias + j : nullptr;
      tile.accumulate = block > 0;
      tile.relu = p.activation == Activation::relu && block == blocks - 1;
      if (b.column == 1) {
        tile.b = b.data;
        tile.b_row = b.row;
      } else {
        pack_panel(b, columns, length, packed.b);
        tile.packed_b = packed.b;
      }
      for_tiles(p.m, tile_rows, [&](int64_t r0, int64_t r1) {
        tile.a = packed.a + r0 * pairs;
        tile.c = p.c + r0 * p.c_row + j;
        tile.keep = tile.packed_b == nullptr && r1 < p.m ? packed.b : nullptr;
        multiply_pairs(tile, int(r1 - r0), vectors);
        if (tile.keep) tile.packed_b = packed.b;
      });
    }
  }
  if (p.activation == Activation::sigmoid || p.activation == Activation::tanh)
    for (int64_t i = 0; i < p.m; i++) activate_row(p.activation, p.c + i * p.c_row, p.n);
}

}  // namespace

WEFT_BINDER Step bind_rounded(Call& call, RoundedProducts products) {
  if (multiplies_tiles()) return bind_tiles(call, std::move(products));
  const Cut cut(products);
  const ThreadScratch a_blocks(call, size_t(cut.block_rows * cut.block_pairs) * sizeof(Pair));
  const ThreadScratch b_panels(call, size_t(pair_columns * cut.block_pairs) * sizeof(Pair));
  return [p = std::move(products), cut, a_blocks, b_panels](const Frame& frame) {
    parallel(cut.chunks, [&](int64_t chunk, int thread) {
      const int64_t column = chunk % cut.column_chunks, row = chunk / cut.column_chunks % cut.row_chunks;
      const size_t i = size_t(chunk / cut.column_chunks / cut.row_chunks);
      const int64_t r0 = p.m * row / cut.row_chunks, r1 = p.m * (row + 1) / cut.row_chunks;
      const int64_t j0 = cut.panels * column / cut.column_chunks * pair_columns;
      const int64_t j1 = std::min(p.n, cut.panels * (column + 1) / cut.column_chunks * pair_columns);
      const Product<float> part = part_of(frame, p, i, {r0, r1}, {j0, j1});
      multiply(part, cut.block_pairs, {a_blocks.at<Pair>(frame, thread), b_panels.at<Pair>(frame, thread)});
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA

#endif
