// How variants of the gradient of a convolution's kernel are described and started.
#pragma once
#include "conv_kernel_product.cuh"
#include "conv_steps.cuh"

namespace weft::cuda {

template <class T> using RunKernelProduct = void (*)(const Frame&, KernelProduct<T>, int64_t pieces);

template <class T> struct KernelVariant {
  RunKernelProduct<T> run = nullptr;
  int rows = 0, columns = 0;  // of a tile
  int pack = 0;               // elements of a copy
  int fewest_pixels = 0;      // of a piece
  int blocks = 0;             // that fill a GPU
};

template <class Tile, class T>
void run_kernel_product(const Frame& frame, KernelProduct<T> p, int64_t pieces, size_t shared, void (*kernel)(KernelProduct<T>)) {
  p.row_tiles = int(divide_up(p.depth, Tile::rows));
  const int64_t column_tiles = divide_up(p.group_o, Tile::columns);
  launch(frame,
         {.grid = dim3(unsigned(p.row_tiles * column_tiles), unsigned(pieces), unsigned(p.s.groups)),
          .block = dim3(Tile::threads),
          .shared = shared},
         kernel, p);
}

/** Tiles for wgmma; `run` is null where they do not suit the device or the product. conv_kernel_grad_sm90.cu */
KernelVariant<BFloat16> choose_kernel_group(const Call& call, const ConvShape& s, BFloat16);
KernelVariant<Float16> choose_kernel_group(const Call& call, const ConvShape& s, Float16);

}  // namespace weft::cuda
