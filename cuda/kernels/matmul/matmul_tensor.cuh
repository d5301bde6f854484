// Matrix products on tensor cores (mma.sync), for operands of any Math of matmul_tile.cuh.
// A block computes a tile of c. While its warps multiply one TileK of a and b in shared memory, asynchronous copies
// bring the next ones: a ring of `stages` buffers and one barrier per TileK. Tiles of 128 where they fill the GPU, else
// tiles of 64 and a split sum over k. 16-bit operands stay as they are stored (fragments are transposed as they are
// read), so their rows must be multiples of 16 bytes: others are padded first. float32 operands may be ragged, and are
// brought into one layout by the copies.
#pragma once
#include "matmul.h"
#include "matmul_tile.cuh"

namespace weft::cuda {

template <class Tile, bool k_major, int outer, int row>
__device__ __forceinline__ void stage_operand(typename Tile::Element* tile, const typename Tile::Element* matrix, bool stored_k_major,
                                              int row_length, int first, int end, int k, int k_end) {
  using Element = typename Tile::Element;
  const bool vectors = row_length % (16 / int(sizeof(Element))) == 0;
  if constexpr (sizeof(Element) == 4) {
    if (stored_k_major != k_major) {
      if constexpr (k_major) stage_transposed<outer, Tile::TileK, row, Tile::threads>(tile, matrix, row_length, first, end, k, k_end);
      else stage_transposed<Tile::TileK, outer, row, Tile::threads>(tile, matrix, row_length, k, k_end, first, end);
      return;
    }
  }
  if constexpr (k_major) stage<outer, Tile::TileK, row, Tile::threads>(tile, matrix, row_length, first, end, k, k_end, vectors);
  else stage<Tile::TileK, outer, row, Tile::threads>(tile, matrix, row_length, k, k_end, first, end, vectors);
}

/** Blocks of 16-bit products that a multiprocessor should hold; on sm_75 copies pass through registers. */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr int half_blocks = 1;
#else
constexpr int half_blocks = 2;
#endif

template <class Tile, int stages>
__global__ void __launch_bounds__(Tile::threads, sizeof(typename Tile::Element) == 4 ? 1 : half_blocks)
    tensor_product(Extents p, const typename Tile::Element* a, const typename Tile::Element* b, Output<typename Tile::Element> out) {
  using Element = typename Tile::Element;
  WEFT_DYNAMIC_SHARED(Element, shared);  // [stages][a tile, b tile]
  constexpr int stage_size = Tile::a_size + Tile::b_size;
  const Place at = place_of(p, blockIdx.x, Tile::TileM, Tile::TileN);
  a += at.a;
  b += at.b;
  const int steps = (at.k_end - at.k_begin + Tile::TileK - 1) / Tile::TileK;
  const auto copy = [&](int step) {
    if (step < steps) {
      Element* const tile = shared + step % stages * stage_size;
      const int k = at.k_begin + step * Tile::TileK;
      stage_operand<Tile, Tile::a_k_major, Tile::TileM, Tile::a_row>(tile, a, p.a_k_major, p.a_row, at.row, p.m, k, at.k_end);
      stage_operand<Tile, Tile::b_k_major, Tile::TileN, Tile::b_row>(tile + Tile::a_size, b, p.b_k_major, p.b_row, at.column, p.n, k,
                                                                     at.k_end);
    }
    async_commit();  // empty ones too, so that the newest stages - 2 groups are always those still to come
  };

  Tile tile;
  tile.clear();
  for (int step = 0; step < stages - 1; step++) copy(step);
  for (int step = 0; step < steps; step++) {
    async_wait<stages - 2>();
    __syncthreads();  // the tile is there for all, and all are done with the buffer that is filled next
    copy(step + stages - 1);
    const Element* const staged = shared + step % stages * stage_size;
    tile.multiply(staged, staged + Tile::a_size);
  }
  tile.visit([&](int row, int column, const float(&four)[4]) { out.store(p, at, at.row + row, at.column + column, four); });
}

template <class Tile, int stages> Step bind_tensor_tile(Call& call, Product p) {
  using Element = typename Tile::Element;
  const SplitSum sums(call, p);
  Planes a, b;
  if constexpr (sizeof(Element) == 2) {
    a = Planes(call, p.a_view, p.a_rows(), p.a_row, p.a_k_major, 1);
    b = Planes(call, p.b_view, p.b_rows(), p.b_row, p.b_k_major, 1);
    p.a_row = a.row();
    p.b_row = b.row();
  }
  const Shape shape{.grid = dim3(unsigned(blocks_of(p, Tile::TileM, Tile::TileN))),
                    .block = dim3(Tile::threads),
                    .shared = stages * size_t(Tile::a_size + Tile::b_size) * sizeof(Element)};
  return [=](const Frame& frame) {
    if constexpr (sizeof(Element) == 2) {
      a.make(frame);
      b.make(frame);
      launch(frame, shape, tensor_product<Tile, stages>, p, a.at<Element>(frame), b.at<Element>(frame), output_of<Element>(frame, p, sums));
    } else
      launch(frame, shape, tensor_product<Tile, stages>, p, frame.at<const Element>(p.a_view), frame.at<const Element>(p.b_view),
             output_of<Element>(frame, p, sums));
    sums.finish(frame);
  };
}

/** Tiles of 128 where there are enough to give every multiprocessor one. */
template <class Math, int TileK, bool a_k_major, bool b_k_major> Step bind_tensor_sizes(Call& call, Product p) {
  p.splits = 1;
  p.k_per_split = p.k;
  if (blocks_of(p, 128, 128) >= call.target.multiprocessors)
    return bind_tensor_tile<TensorTile<Math, 128, 128, TileK, 2, 4, a_k_major, b_k_major>, 3>(call, p);
  split_sum(p, blocks_of(p, 64, 64), 2 * call.target.multiprocessors, 128, 32);
  return bind_tensor_tile<TensorTile<Math, 64, 64, 32, 2, 2, a_k_major, b_k_major>, 3>(call, p);
}

/** The steps by type of operand: matmul_tensor.cu, matmul_tensor_float.cu. */
Step bind_tensor_float(Call& call, const Product& p);

}  // namespace weft::cuda
