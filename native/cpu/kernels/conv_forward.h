// Direct convolution by bands of output rows: tiles of pixels x output channels straight from the NHWC input, no
// im2col.
#pragma once
#include "conv_shape.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Convolves bands. Sums run over kernel rows, kernel columns, channels, in blocks that follow from the kernel's shape
 * alone.
 */
template <class T> class ForwardConv {
 public:
  ForwardConv() = default;
  WEFT_BINDER ForwardConv(Call& call, const ConvShape& shape) : s_(shape) {
    cut_depth();
    panels_ = (s_.group_o() + tile_columns<T> - 1) / tile_columns<T>;
    packed_ = s_.group_o() > tile_columns<T> && s_.n * s_.oh * s_.ow > 4 * tile_rows;
    if (packed_) weights_ = call.scratch(size_t(s_.groups * packed_size<T>(s_.depth(), s_.group_o())) * sizeof(T));
  }

  /** Output rows that suit a band: the input rows they read fill a good part of the second-level cache. */
  int64_t band_rows() const {
    const int64_t row_bytes = s_.row_pitch() * int64_t(sizeof(T));
    return std::max<int64_t>(1, (192 * 1024 / std::max<int64_t>(1, row_bytes) - s_.kh * s_.dilation_h) / s_.stride_h);
  }
  int64_t blocks() const { return int64_t(blocks_.size()); }

  /** Packs the kernel once per step; kernel is [kh, kw, c / groups, o]. */
  void prepare(const Frame& frame, const T* kernel) const {
    if (!packed_) return;
    T* to = frame.at<T>(weights_);
    const int64_t depth = s_.depth(), group_o = s_.group_o();
    const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, depth * tile_columns<T>));
    parallel_range(s_.groups * panels_, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        const int64_t group = i / panels_, panel = i % panels_;
        pack_panels<T>({kernel + group * group_o, s_.o, 1}, depth, group_o, panel, panel + 1, to + group * packed_size<T>(depth, group_o));
      }
    });
  }

  /** Input of a band of output rows: the rows it reads, border included, and what the next band will read. */
  struct Band {
    const T* in;
    int64_t pitch;                 // elements between rows of in
    int64_t first, rows, columns;  // output rows [first, first + rows) of `columns` <= ow pixels
    NextInput<T> next{nullptr, 0};
  };

  /** Convolves a band into out, rows out_pitch apart, o channels per pixel. Kernel rows in the border are left out. */
  void run(const Frame& frame, const T* kernel, const T* bias, Activation activation, const Band& band, T* out, int64_t out_pitch) const {
    const int64_t group_c = s_.group_c(), group_o = s_.group_o(), depth = s_.depth();
    const int64_t calls = s_.groups * panels_ * blocks() * band.rows * tiles_in(band.columns, tile_rows);
    Ahead ahead(band.next.from, band.next.elements, calls);
    for (int64_t group = 0; group < s_.groups; group++) {
      for (int64_t j = 0; j < group_o; j += tile_columns<T>) {
        const int64_t channel = group * group_o + j, w = std::min(tile_columns<T>, group_o - j);
        const int64_t b_step = packed_ ? tile_columns<T> : s_.o;
        const T* b = packed_ ? frame.at<T>(weights_) + group * packed_size<T>(depth, group_o) + j * depth : kernel + channel;
        const int vectors = vectors_for<T>(w);
        MicroTile<T> tile;
        tile.last = last_mask<T>(w);
        tile.a_row = s_.stride_w * s_.c;
        tile.a_step = 1;
        tile.b_step = b_step;
        tile.c_row = s_.o;
        tile.a_outer = s_.dilation_h * band.pitch;
        tile.a_inner = s_.dilation_w * s_.c;
        tile.b_outer = s_.kw * group_c * b_step;
        tile.b_inner = group_c * b_step;
        for (size_t i = 0; i < blocks_.size(); i++) {
          const Block& block = blocks_[i];
          tile.k = block.k;
          tile.inner = block.inner;
          tile.accumulate = i > 0;
          tile.bias = bias && i == 0 ? bias + channel : nullptr;
          tile.relu = activation == Activation::relu && i + 1 == blocks_.size();
          for (int64_t y = 0; y < band.rows; y++) {
            const auto inside = s_.kernel_rows(band.first + y);
            const int64_t r0 = std::max(block.kernel_row, inside.begin);
            tile.outer = std::max<int64_t>(0, std::min(block.kernel_row + block.outer, inside.end) - r0);
            if (tile.outer == 0 && i > 0 && !tile.relu) continue;
            tile.b = b + (block.b_row + (r0 - block.kernel_row) * s_.kw * group_c) * b_step;
            const T* from = band.in + y * s_.stride_h * band.pitch + r0 * tile.a_outer + block.shift + group * group_c;
            for_tiles(band.columns, tile_rows, [&](int64_t x0, int64_t x1) {
              ahead.give(tile);
              tile.a = from + x0 * tile.a_row;
              tile.c = out + y * out_pitch + x0 * s_.o + channel;
              multiply_tile(tile, int(x1 - x0), vectors);
            });
          }
        }
      }
    }
    if (activation == Activation::sigmoid || activation == Activation::tanh)
      for (int64_t y = 0; y < band.rows; y++) activate_row(activation, out + y * out_pitch, band.columns * s_.o);
  }

 private:
  /** A stretch of the kernel's depth: `outer` kernel rows from kernel_row on, `inner` runs of k channels in each. */
  struct Block {
    int64_t kernel_row, shift, b_row, outer, inner, k;
  };

  static constexpr int64_t longest_stretch = 640;  // three rows of 3 x 64: longer panels stream from the second-level cache as fast

  void cut_depth() {
    const int64_t group_c = s_.group_c(), row = s_.kw * group_c;
    const bool merged = s_.groups == 1 && s_.dilation_w == 1;  // a kernel row is one stretch of the input
    if (row <= longest_stretch) {
      const int64_t rows = std::max<int64_t>(1, longest_stretch / std::max<int64_t>(1, row));
      for_tiles(s_.kh, int(std::min(rows, s_.kh)), [&](int64_t r0, int64_t r1) {
        blocks_.push_back({r0, 0, r0 * row, r1 - r0, merged ? 1 : s_.kw, merged ? row : group_c});
      });
      return;
    }
    const int64_t length = merged ? row : group_c;
    for (int64_t r = 0; r < s_.kh; r++)
      for (int64_t run = 0; run < (merged ? 1 : s_.kw); run++)
        for_tiles(length, int(longest_stretch), [&](int64_t k0, int64_t k1) {
          blocks_.push_back({r, run * s_.dilation_w * s_.c + k0, r * row + run * group_c + k0, 1, 1, k1 - k0});
        });
  }

  ConvShape s_{};
  std::vector<Block> blocks_;
  int64_t panels_ = 0;
  bool packed_ = false;
  View weights_;
};

}  // namespace weft::cpu::WEFT_ISA
