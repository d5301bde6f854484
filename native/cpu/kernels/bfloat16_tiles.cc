// Matrix products in AMX tiles (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18). A
// tile is a register of 16 rows of 64 bytes. One instruction, TDPBF16PS, adds to a tile of 16 x 16 sums the product of
// a tile of a, 16 rows of 32 elements, and a tile of b, 16 rows of pairs of 16 columns: 8192 multiply-adds in 16
// cycles. Four tiles of sums use each tile of a and of b twice, so that loading keeps up with multiplying.
//
// Who multiplies that fast waits for memory. So a chunk is as high as it is wide: each float of a and of b in it is
// read and rounded once, and meets some hundred others. A block of k of all its columns of b is packed into the
// second-level cache; then 32 rows of a at a time are packed into the first-level cache and meet these columns.
#include "bfloat16_tiles.h"

#if WEFT_LEVEL == 2

#include <cstring>

#include "bfloat16_pairs.h"
#include "transpose_square.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Rows of a tile, columns of a tile of sums, and pairs in a row of it. */
constexpr int64_t side = 16;
/** Elements of k in a tile of a. */
constexpr int64_t terms = 2 * side;
/** Pairs of a tile of a or b: a kilobyte. */
constexpr int64_t tile_pairs = side * side;
/** Rows of a and columns of b that meet in tiles of sums at once. */
constexpr int64_t block = 2 * side;
/** Tiles of k in a block: 32 rows of a so long are 32 KiB. */
constexpr int64_t longest_steps = 16;
/** Rows and columns of a chunk, at most: its block of b has half a megabyte, its sums one. */
constexpr int64_t longest_chunk = 512;

/** What LDTILECFG reads. */
struct alignas(64) Configuration {
  uint8_t palette = 1, start_row = 0, reserved[14]{};
  uint16_t row_bytes[16]{};
  uint8_t rows[16]{};
};
constexpr Configuration configuration = [] {
  Configuration all;
  for (int tile = 0; tile < 8; tile++) all.row_bytes[tile] = 64, all.rows[tile] = side;
  return all;
}();

/** The tile registers of this thread, while it lives: released, they cost no switch of threads anything. */
class TileRegisters {
 public:
  TileRegisters() { asm volatile("ldtilecfg %0" ::"m"(configuration)); }
  ~TileRegisters() { asm volatile("tilerelease"); }
  TileRegisters(const TileRegisters&) = delete;
  TileRegisters& operator=(const TileRegisters&) = delete;
};

// Tiles 0 to 3 are sums, 4 and 5 are of a, 6 and 7 of b. The instructions are written out, because the compiler's own
// functions do not tell it that they read memory.
template <int tile> WEFT_INLINE void clear() { asm volatile("tilezero %%tmm%c0" ::"i"(tile)); }
template <int tile> WEFT_INLINE void load_tile(const void* from, int64_t row_bytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(from), "r"(row_bytes), "i"(tile) : "memory");
}
template <int tile> WEFT_INLINE void store_tile(void* to, int64_t row_bytes) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(to), "r"(row_bytes), "i"(tile) : "memory");
}
template <int sums, int a, int b> WEFT_INLINE void multiply_tiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(sums), "i"(a), "i"(b));
}

/** How the products of one shape are cut. All of it follows from the shape. */
struct Cut {
  int64_t steps, block_steps;  // tiles of k; in a block of k
  int64_t rows, columns;       // of a chunk, at most; multiples of `block`
  int64_t row_chunks, column_chunks, chunks;

  explicit Cut(const RoundedProducts& p) {
    steps = (p.k + terms - 1) / terms;
    const int64_t blocks = std::max<int64_t>(1, (steps + longest_steps - 1) / longest_steps);
    block_steps = (steps + blocks - 1) / blocks;
    const int64_t count = int64_t(p.a_of.size());
    const int64_t pieces = std::clamp<int64_t>(int64_t(double(count) * double(p.m) * double(p.n) * double(p.k) / 128e6), 1, 16);
    row_chunks = std::max<int64_t>(1, (p.m + longest_chunk - 1) / longest_chunk);
    column_chunks = std::max<int64_t>(1, (p.n + longest_chunk - 1) / longest_chunk);
    for (; count * row_chunks * column_chunks < pieces; (p.m / row_chunks > p.n / column_chunks ? row_chunks : column_chunks) *= 2)
      if (std::max(p.m / row_chunks, p.n / column_chunks) < 2 * block) break;
    rows = whole_blocks((p.m + row_chunks - 1) / row_chunks);
    columns = whole_blocks((p.n + column_chunks - 1) / column_chunks);
    row_chunks = (p.m + rows - 1) / rows;
    column_chunks = (p.n + columns - 1) / columns;
    chunks = count * row_chunks * column_chunks;
  }

  static int64_t whole_blocks(int64_t n) { return std::max<int64_t>(1, (n + block - 1) / block) * block; }
  /** Pairs of 16 columns of a block of b. The odd line keeps their beginnings apart in the cache. */
  int64_t strip() const { return block_steps * tile_pairs + side; }
};

/** Packs up to 16 rows of a, [steps] tiles that are `pitch` pairs apart. Elements beyond `length` are zero. */
WEFT_PAIRS void pack_rows(Matrix<float> a, int rows, int64_t length, int64_t steps, Pair* to, int64_t pitch) {
  const Mask lanes = first_lanes(rows);
  for (int64_t step = 0; step < steps; step++, to += pitch) {
    const int64_t k = step * terms, left = length - k;
    if (a.column == 1) {
      for (int i = 0; i < rows; i++) {
        const float* at = a.data + i * a.row + k;
        __builtin_prefetch(at + side * a.row, 0, 3);
        __builtin_prefetch(at + side * a.row + width, 0, 3);
        _mm512_storeu_si512(to + i * side, pairs_at(at, left));
      }
    } else {
      Vec v[side];
      for (int p = 0; p < side; p++) {
        const float* at = a.data + (k + 2 * p) * a.column;
        const Mask low = 2 * p < left ? lanes : Mask(0), high = 2 * p + 1 < left ? lanes : Mask(0);
        v[p] = (Vec)pairs_of(load_masked(at, low), load_masked(at + a.column, high));
      }
      transpose_square(v);  // of words, which hold pairs
      for (int i = 0; i < rows; i++) _mm512_storeu_si512(to + i * side, (__m512i)v[i]);
    }
  }
}

/** Packs columns of b in strips of 16, each [steps] tiles; strips begin `pitch` pairs apart. */
WEFT_PAIRS void pack_columns(Matrix<float> b, int64_t columns, int64_t length, int64_t steps, Pair* to, int64_t pitch) {
  const int64_t strips = (columns + side - 1) / side, pairs = (length + 1) / 2;
  const Mask last = first_lanes(int(columns - (strips - 1) * side));
  if (b.column == 1) {
    constexpr int64_t rows_ahead = 8;  // rows are pages apart, which no prefetcher follows
    for (int64_t p = 0; p < pairs; p++) {
      const float* at = b.data + 2 * p * b.row;
      for (int64_t s = 0; s < strips; s++, at += side) {
        const Mask lanes = s == strips - 1 ? last : Mask(0xffff), second = 2 * p + 1 < length ? lanes : Mask(0);
        __builtin_prefetch(at + rows_ahead * b.row, 0, 3);
        __builtin_prefetch(at + (rows_ahead + 1) * b.row, 0, 3);
        _mm512_storeu_si512(to + s * pitch + p * side, pairs_of(load_masked(at, lanes), load_masked(at + b.row, second)));
      }
    }
  } else {
    for (int64_t s = 0; s < strips; s++) {
      const int64_t left = std::min(side, columns - s * side);
      pack_pairs_of_rows(b.data + s * side * b.column, b.column, int(left), length, to + s * pitch, side);
    }
  }
  for (int64_t s = 0; s < strips; s++) std::memset(to + s * pitch + pairs * side, 0, size_t(steps * side - pairs) * side * sizeof(Pair));
}

/** 16 or 32 rows of a times 16 or 32 columns of b are added to c, or are c. */
template <int tall, int wide>
void multiply_block(const Pair* a, const Pair* b, int64_t b_pitch, int64_t steps, float* c, int64_t c_row, bool add) {
  const int64_t row_bytes = c_row * int64_t(sizeof(float));
  float* const below = c + side * c_row;
  if (add) {
    load_tile<0>(c, row_bytes);
    if constexpr (wide == 2) load_tile<1>(c + side, row_bytes);
    if constexpr (tall == 2) load_tile<2>(below, row_bytes);
    if constexpr (tall == 2 && wide == 2) load_tile<3>(below + side, row_bytes);
  } else {
    clear<0>();
    clear<1>();
    clear<2>();
    clear<3>();
  }
  constexpr int lines_of_row = wide * side / width, lines = tall * side * lines_of_row, steps_of_fetch = 8;
  for (int64_t step = 0; step < steps; step++) {
    if (!add && step < steps_of_fetch)  // the sums are written where nobody has read
      for (int line = 0; line < lines / steps_of_fetch; line++) {
        const int64_t at = step * (lines / steps_of_fetch) + line;
        __builtin_prefetch(c + at / lines_of_row * c_row + at % lines_of_row * width, 1, 3);
      }
    load_tile<4>(a, 64);
    load_tile<6>(b, 64);
    multiply_tiles<0, 4, 6>();
    if constexpr (wide == 2) {
      load_tile<7>(b + b_pitch, 64);
      multiply_tiles<1, 4, 7>();
    }
    if constexpr (tall == 2) {
      load_tile<5>(a + tile_pairs, 64);
      multiply_tiles<2, 5, 6>();
      if constexpr (wide == 2) multiply_tiles<3, 5, 7>();
    }
    a += 2 * tile_pairs;
    b += tile_pairs;
  }
  store_tile<0>(c, row_bytes);
  if constexpr (wide == 2) store_tile<1>(c + side, row_bytes);
  if constexpr (tall == 2) store_tile<2>(below, row_bytes);
  if constexpr (tall == 2 && wide == 2) store_tile<3>(below + side, row_bytes);
}

void multiply_any(const Pair* a, const Pair* b, int64_t b_pitch, int64_t steps, float* c, int64_t c_row, bool add, int64_t rows,
                  int64_t columns) {
  const auto multiply = rows > side      ? columns > side ? multiply_block<2, 2> : multiply_block<2, 1>
                             : columns > side ? multiply_block<1, 2>
                                         : multiply_block<1, 1>;
  multiply(a, b, b_pitch, steps, c, c_row, add);
}

/** What a chunk's rows get when their sums are whole. */
void finish(const Product<float>& p, float* c, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  const bool relu = p.activation == Activation::relu;
  if (p.bias == nullptr && !relu) return;
  for (int64_t i = 0; i < rows; i++) {
    float* to = c + (row + i) * p.c_row + column;
    for (int64_t j = 0; j < columns; j += width) {
      const Mask lanes = first_lanes(int(std::min<int64_t>(width, columns - j)));
      Vec v = load_masked(to + j, lanes);
      if (p.bias) v = v + load_masked(p.bias + column + j, lanes);
      if (relu) v = max(Vec{}, v);
      store_masked(to + j, v, lanes);
    }
  }
}

/** Memory of one thread: 32 rows of a, the columns of b, and sums of a block that is not whole. */
struct Packed {
  Pair *a, *b;
  float* c;
};

/** One chunk: the product of some rows and some columns. */
void multiply_chunk(const Product<float>& p, const Cut& cut, Packed packed) {
  const TileRegisters registers;
  const int64_t pitch = cut.strip();
  int64_t step = 0;
  do {
    const int64_t steps = std::min(cut.block_steps, cut.steps - step), k = step * terms, length = std::min(steps * terms, p.k - k);
    const bool first = step == 0, last = step + steps == cut.steps;
    pack_columns({p.b.data + k * p.b.row, p.b.row, p.b.column}, p.n, length, steps, packed.b, pitch);
    for (int64_t i = 0; i < p.m; i += block) {
      const int64_t rows = std::min(block, p.m - i);
      for (int64_t half = 0; half < rows; half += side) {
        const Matrix<float> a{p.a.data + (i + half) * p.a.row + k * p.a.column, p.a.row, p.a.column};
        pack_rows(a, int(std::min(side, rows - half)), length, steps, packed.a + half * side, 2 * tile_pairs);
      }
      for (int64_t j = 0; j < p.n; j += block) {
        const int64_t columns = std::min(block, p.n - j);
        const Pair* b = packed.b + j / side * pitch;
        float* c = p.c + i * p.c_row + j;
        if (rows == block && columns == block) {
          multiply_block<2, 2>(packed.a, b, pitch, steps, c, p.c_row, !first);
        } else {
          const auto bytes = size_t(columns) * sizeof(float);
          if (!first)
            for (int64_t r = 0; r < rows; r++) std::memcpy(packed.c + r * block, c + r * p.c_row, bytes);
          multiply_any(packed.a, b, pitch, steps, packed.c, block, !first, rows, columns);
          for (int64_t r = 0; r < rows; r++) std::memcpy(c + r * p.c_row, packed.c + r * block, bytes);
        }
        if (last) finish(p, p.c, i, rows, j, columns);
      }
    }
    step += steps;
  } while (step < cut.steps);
  if (p.activation == Activation::sigmoid || p.activation == Activation::tanh)
    for (int64_t i = 0; i < p.m; i++) activate_row(p.activation, p.c + i * p.c_row, p.n);
}

}  // namespace

WEFT_BINDER Step bind_tiles(Call& call, RoundedProducts products) {
  const Cut cut(products);
  const ThreadScratch a_rows(call, size_t(block * cut.block_steps * side) * sizeof(Pair));
  const ThreadScratch b_columns(call, size_t(cut.columns / side * cut.strip()) * sizeof(Pair));
  const ThreadScratch sums(call, size_t(block * block) * sizeof(float));
  return [p = std::move(products), cut, a_rows, b_columns, sums](const Frame& frame) {
    parallel(cut.chunks, [&](int64_t chunk, int thread) {
      const int64_t column = chunk % cut.column_chunks, row = chunk / cut.column_chunks % cut.row_chunks;
      const auto i = size_t(chunk / cut.column_chunks / cut.row_chunks);
      const Packed packed{a_rows.at<Pair>(frame, thread), b_columns.at<Pair>(frame, thread), sums.at<float>(frame, thread)};
      multiply_chunk(part_of(frame, p, i, {row * cut.rows, std::min(p.m, (row + 1) * cut.rows)},
                             {column * cut.columns, std::min(p.n, (column + 1) * cut.columns)}),
                     cut, packed);
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA

#endif
