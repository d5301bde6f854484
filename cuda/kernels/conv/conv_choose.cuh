// Which kernel works on a convolution as an implicit product: tensor cores where channels come in packs of 16 bytes,
// float units elsewhere, and the largest tile that still gives every multiprocessor work.
#pragma once
#include "architectures.h"
#include "conv_matrix_tiles.cuh"
#include "conv_tiles.cuh"

namespace weft::cuda {

/** Starts a product's blocks. */
template <class T> using RunProduct = void (*)(const Frame&, ConvProduct<T>);

template <class Tile, class T> Shape shape_of(ConvProduct<T>& p, size_t shared) {
  const int64_t row_tiles = divide_up(p.most_rows(), Tile::rows - Tile::rows % p.area());
  const int64_t column_tiles = divide_up(p.columns, Tile::columns);
  p.column_tiles = FastDivide(int(column_tiles));
  return {.grid = dim3(unsigned(row_tiles * column_tiles), 1, unsigned(p.parts())), .block = dim3(Tile::threads), .shared = shared};
}

template <class Tile, bool turned, class T> void run_float_tiles(const Frame& frame, ConvProduct<T> p) {
  const Shape shape = shape_of<Tile>(p, Tile::shared);
  launch(frame, shape, conv_float_tiles<T, Tile, turned>, p);
}
template <class Tile, bool turned, class T> void run_matrix_tiles(const Frame& frame, ConvProduct<T> p) {
  const Shape shape = shape_of<Tile>(p, Tile::shared(ConvStage<Tile, turned>::bytes));
  launch(frame, shape, conv_matrix_tiles<Tile, turned>, p);
}

/** Below this depth the split of float32 operands would be less exact than float32 arithmetic. */
constexpr int least_split_depth = 256;

/** What tensor cores can do for operands of this type. */
enum class Matrix { none, bfloat16, float16, tf32, float32 };
template <class T> Matrix matrix_for(const Call& call, const ConvShape& s, int64_t depth) {
  constexpr int pack = 16 / int(sizeof(T));
  if (!packs_fit(s.c, s.group_c(), pack) || !packs_fit(s.o, s.group_o(), pack)) return Matrix::none;
  if constexpr (std::is_same_v<T, Float16>) return Matrix::float16;
  if (code_for(call.target.capability) < 80) return Matrix::none;
  if constexpr (std::is_same_v<T, BFloat16>) return Matrix::bfloat16;
  if (call.precision != Precision::float32) return Matrix::tf32;
  return depth >= least_split_depth ? Matrix::float32 : Matrix::none;
}

/** Tiles for wgmma, or null where they do not suit the device or the product. conv_sm90.cu */
RunProduct<BFloat16> choose_group_tiles(const Call& call, const ConvProduct<BFloat16>& p, int64_t depth);
RunProduct<Float16> choose_group_tiles(const Call& call, const ConvProduct<Float16>& p, int64_t depth);

template <class Math, bool turned, class T> RunProduct<T> choose_matrix_tiles(const Call& call, const ConvProduct<T>& p) {
  using Large = MatrixTile<Math, 128, 128, 64, 32>;
  using Middle = MatrixTile<Math, 128, 64, 64, 32>;
  using Small = MatrixTile<Math, 64, 64, 32, 32>;
  const auto fills = [&]<class Tile>() {
    const int64_t row_tiles = divide_up(p.most_rows(), Tile::rows - Tile::rows % p.area());
    return row_tiles * divide_up(p.columns, Tile::columns) * p.parts() >= call.target.multiprocessors &&
           Tile::shared(ConvStage<Tile, turned>::bytes) <= call.target.shared_memory;
  };
  if constexpr (sizeof(T) == 2)
    if (p.columns > Middle::columns && fills.template operator()<Large>()) return run_matrix_tiles<Large, turned, T>;
  if (fills.template operator()<Middle>()) return run_matrix_tiles<Middle, turned, T>;
  return run_matrix_tiles<Small, turned, T>;
}

/** `product(pack)` describes the product with packs of so many elements; depth is that of its parts. */
template <bool turned, class T, class Describe>
std::pair<RunProduct<T>, ConvProduct<T>> choose_product(const Call& call, const ConvShape& s, int64_t depth, const Describe& product) {
  const Matrix matrix = matrix_for<T>(call, s, depth);
  if (matrix != Matrix::none) {
    const ConvProduct<T> p = product(16 / int(sizeof(T)));
    if constexpr (sizeof(T) == 2)
      if (const RunProduct<T> run = choose_group_tiles(call, p, depth)) return {run, p};
    if constexpr (std::is_same_v<T, BFloat16>) return {choose_matrix_tiles<BFloat16Math, turned>(call, p), p};
    else if constexpr (std::is_same_v<T, Float16>) return {choose_matrix_tiles<Float16Math, turned>(call, p), p};
    else if (matrix == Matrix::tf32) return {choose_matrix_tiles<Tf32Math, turned>(call, p), p};
    else return {choose_matrix_tiles<Float32Math, turned>(call, p), p};
  }
  const ConvProduct<T> p = product(4);
  using Small = FloatTile<32, 32, 4, 4>;
  using Large = FloatTile<128, 64, 8, 8>;
  const int64_t blocks = divide_up(p.most_rows(), Large::rows) * divide_up(p.columns, Large::columns) * p.parts();
  if (p.columns > Small::columns && blocks >= call.target.multiprocessors) return {run_float_tiles<Large, turned, T>, p};
  return {run_float_tiles<Small, turned, T>, p};
}

}  // namespace weft::cuda
