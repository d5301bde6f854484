// Convolution of small images with tiles whose rows are images: one pixel of several images at a time. Each pixel sums
// the taps that meet its image, so that no border is copied or multiplied, and a tile is as tall as the batch allows.
// Rows of small images make short tiles, with zeros in many of their taps.
#pragma once
#include "conv_forward.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Sums have the order of ForwardConv::run(): a result's bits are the same either way, unless a weight is infinite or no
 * number: a border that is multiplied makes NaN of it.
 */
template <class T> class ConvAcross {
 public:
  ConvAcross() = default;
  WEFT_BINDER ConvAcross(Call& call, const ConvShape& shape, const ForwardConv<T>& forward) : s_(shape), forward_(forward) {
    image_ = s_.h * s_.w * s_.c, result_ = s_.oh * s_.ow * s_.o;
    const int64_t bytes = image_ * int64_t(sizeof(T));
    if (bytes == 0 || !forward_.in_stretches() || std::min<int64_t>(s_.n, tile_rows) * bytes > largest_tile) return;
    // images whose beginnings share their place in the nearest cache: more than eight of them drive each other out
    const int height = bytes % 4096 == 0 ? std::min(tile_rows, 8) : tile_rows;
    groups_ = tiles_in(s_.n, int(std::max<int64_t>(1, largest_group / (bytes * height)) * height));
    packs_parts_ = forward_.packed() && groups_ == 1 && forward_.panels() >= 8 && s_.depth() * s_.o * int64_t(sizeof(T)) > small_kernel;
    // to pack a kernel takes some cycles for each of its elements, beside the tiles of all pixels that meet it
    const double packing = packs_parts_ ? 2.4 * lanes_of<T> / double(s_.n * s_.oh * s_.ow) : 0;
    const double time = double(s_.taps_inside()) * time_of_tiles(s_.n, height) / double(s_.n);
    // pixels of a single row share few taps and few channels make short sums: to read several images side by side then
    // costs more than is counted here
    const double least = s_.oh == 1 || s_.c < 16 ? 0.9 : 0.985;
    if (time >= (least + packing) * forward_.time_in_pixels()) {
      packs_parts_ = false;
      return;
    }
    height_ = height;
    // panels are shared out first: each piece reads the kernel of its own
    const int64_t pieces = pieces_of_work(s_.multiply_adds(), 32);
    parts_ = std::clamp<int64_t>(pieces / groups_, 1, forward_.panels());
    if (packs_parts_) part_ = ThreadScratch(call, size_t(longest_block() * tile_columns<T>) * sizeof(T));
    else bands_ = std::clamp<int64_t>(pieces / (groups_ * parts_), 1, s_.oh * s_.ow);
  }

  /** Whether this is the faster way for the shape. */
  bool faster() const { return height_ > 0; }
  /**
   * Whether run() packs the kernel, where it is large and read once: each part of a panel right before its tiles. Else
   * the kernel is prepared, as for ForwardConv::run().
   */
  bool packs_parts() const { return packs_parts_; }

  /** x [n, h, w, c] to y [n, oh, ow, o]. */
  void run(const Frame& frame, const T* x, const T* kernel, const T* bias, Activation activation, T* y) const {
    parallel(groups_ * bands_ * parts_, [&](int64_t piece, int thread) {
      const int64_t part = piece % parts_, band = piece / parts_ % bands_, group = piece / parts_ / bands_, images = group_begin(group);
      const Piece at{images, group_begin(group + 1), band_begin(band), band_begin(band + 1), panels_begin(part), panels_begin(part + 1)};
      const bool next_group = band + 1 == bands_;
      const Ahead ahead = part + 1 < parts_ ? Ahead() : rows_ahead(x, group + next_group, next_group ? 0 : band + 1, at);
      T* packed = packs_parts_ ? part_.template at<T>(frame, thread) : nullptr;
      run_piece(frame, kernel, packed, bias, activation, x + images * image_, y + images * result_, at, ahead);
    });
  }

 private:
  /** Images [first, last), of their results the pixels [begin, end), and panels of channels. */
  struct Piece {
    int64_t first, last, begin, end, first_panel, end_panel;
    int64_t images() const { return last - first; }
  };
  int64_t group_begin(int64_t group) const { return s_.n * group / groups_; }
  int64_t band_begin(int64_t band) const { return s_.oh * s_.ow * band / bands_; }
  int64_t panels_begin(int64_t part) const { return forward_.panels() * part / parts_; }

  /** What a band reads that the band before it does not, in equal shares for the tiles of a piece. */
  Ahead rows_ahead(const T* x, int64_t group, int64_t band, const Piece& piece) const {
    if (group == groups_) return {};
    const auto reach = [&](int64_t pixels) {
      const int64_t rows = (pixels + s_.ow - 1) / s_.ow;
      return rows == 0 ? 0 : std::clamp<int64_t>(s_.reach_h(rows) - s_.top, 0, s_.h);
    };
    const int64_t from = reach(band_begin(band)), to = reach(band_begin(band + 1)), images = group_begin(group);
    if (to == from) return {};
    const int64_t tiles = (piece.end_panel - piece.first_panel) * int64_t(forward_.blocks().size()) * (piece.end - piece.begin) *
                          tiles_in(piece.images(), height_);
    return {x + images * image_ + from * s_.w * s_.c, group_begin(group + 1) - images, (to - from) * s_.w * s_.c, image_, tiles};
  }

  /**
   * The images of a piece stay in the second-level cache while the panels go by. `in` and `out` begin at its first one.
   */
  __attribute__((noinline)) void run_piece(const Frame& frame, const T* kernel, T* packed, const T* bias, Activation activation,
                                           const T* in, T* out, const Piece& piece, Ahead ahead) const {
    const int64_t row = s_.kw * s_.c, blocks = int64_t(forward_.blocks().size()), images = piece.images();
    MicroTile<T> tile;
    tile.a_row = image_, tile.a_step = 1, tile.b_step = forward_.panel_step(), tile.c_row = result_;
    tile.a_outer = s_.dilation_h * s_.w * s_.c, tile.b_outer = row * tile.b_step;
    for (int64_t panel = piece.first_panel; panel < piece.end_panel; panel++) {
      const int64_t channel = panel * tile_columns<T>, w = std::min(tile_columns<T>, s_.o - channel);
      const T* b = packed ? packed : forward_.panel(frame, kernel, 0, channel);
      const int vectors = vectors_for<T>(w);
      tile.last = last_mask<T>(w);
      for (int64_t i = 0; i < blocks; i++) {
        const auto& block = forward_.blocks()[size_t(i)];
        const int64_t first_row = packed ? block.b_row : 0;  // of the kernel in b
        if (packed) forward_.pack_rows(kernel, channel, first_row, block.outer * block.inner * block.k, packed);
        tile.accumulate = i > 0;
        tile.bias = bias && i == 0 ? bias + channel : nullptr;
        tile.relu = activation == Activation::relu && i + 1 == blocks;
        for (int64_t y = piece.begin / s_.ow; y * s_.ow < piece.end; y++) {
          const auto inside = s_.kernel_rows(y);
          const int64_t r0 = std::max(block.kernel_row, inside.begin), r1 = std::min(block.kernel_row + block.outer, inside.end);
          const T* from = in + (y * s_.stride_h + r0 * s_.dilation_h - s_.top) * s_.w * s_.c;
          const int64_t row_begin = y * s_.ow, end = std::min(piece.end - row_begin, s_.ow);
          for (int64_t x = std::max<int64_t>(0, piece.begin - row_begin); x < end; x++) {
            const auto columns = s_.kernel_columns(x);
            const int64_t k0 = std::max(block.shift, columns.begin * s_.c), k1 = std::min(block.shift + block.k, columns.end * s_.c);
            tile.k = std::max<int64_t>(0, k1 - k0);
            tile.outer = tile.k > 0 ? std::max<int64_t>(0, r1 - r0) : 0;
            if (tile.outer == 0 && i > 0 && !tile.relu) continue;
            const T* a = from + (x * s_.stride_w - s_.left) * s_.c + k0;
            T* c = out + (row_begin + x) * s_.o + channel;
            tile.b = b + (r0 * row + k0 - first_row) * tile.b_step;
            for_tiles(images, height_, [&](int64_t i0, int64_t i1) {
              ahead.give(tile);
              tile.a = a + i0 * image_;
              tile.c = c + i0 * result_;
              multiply_tile(tile, int(i1 - i0), vectors);
            });
          }
        }
      }
      if (activation == Activation::sigmoid || activation == Activation::tanh)
        for (int64_t i = 0; i < images; i++)
          for (int64_t pixel = piece.begin; pixel < piece.end; pixel++)
            activate_row(activation, out + i * result_ + pixel * s_.o + channel, w);
    }
  }

  int64_t longest_block() const {
    int64_t longest = 0;
    for (const auto& block : forward_.blocks()) longest = std::max(longest, block.outer * block.inner * block.k);
    return longest;
  }

  // bytes: of input that goes together, of that where it cannot be less, of a kernel that is packed as a whole
  static constexpr int64_t largest_group = 640 << 10, largest_tile = 2 << 20, small_kernel = 256 << 10;

  ConvShape s_{};
  ForwardConv<T> forward_;
  int64_t image_ = 0, result_ = 0;  // elements
  int height_ = 0;                  // of tiles, in images
  int64_t groups_ = 1;              // of images that go together
  int64_t bands_ = 1, parts_ = 1;   // of the pixels of a result, and of the panels
  bool packs_parts_ = false;
  ThreadScratch part_;
};

}  // namespace weft::cpu::WEFT_ISA
