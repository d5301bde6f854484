// Direct convolution by bands of output rows. Tiles of pixels x output channels are computed from the NHWC input as it
// lies in memory; there is no im2col.
#pragma once
#include "conv_few.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Convolves bands. Sums run over kernel rows, kernel columns, channels, in blocks that follow from the kernel's shape
 * alone.
 */
template <class T> class ForwardConv {
 public:
  ForwardConv() = default;
  /** `turned`: the kernel comes to prepare_turned(). */
  WEFT_BINDER ForwardConv(Call& call, const ConvShape& shape, bool turned = false) : s_(shape), turned_(turned) {
    cut_depth();
    find_edges();
    if constexpr (sizeof(T) == 4 && convolves_few_channels) few_ = has_few_channels(s_) && has_few_channels_tiles(s_.ow);
    panels_ = (s_.group_o() + tile_columns<T> - 1) / tile_columns<T>;
    const bool worth_packing = turned || s_.group_o() > tile_columns<T>;
    packed_ = !few_ && worth_packing && s_.n * s_.oh * s_.ow > 4 * tile_rows;
    if (packed_) weights_ = call.scratch(size_t(s_.groups * packed_size<T>(s_.depth(), s_.group_o())) * sizeof(T));
  }

  /** How many output rows suit a band: the input rows that they read fill a good part of the second-level cache. */
  int64_t band_rows() const {
    const int64_t row_bytes = s_.row_pitch() * int64_t(sizeof(T));
    return std::max<int64_t>(1, (192 * 1024 / std::max<int64_t>(1, row_bytes) - s_.kh * s_.dilation_h) / s_.stride_h);
  }
  /** A stretch of the kernel's depth: `outer` kernel rows from kernel_row on, `inner` runs of k channels in each. */
  struct Block {
    int64_t kernel_row, shift, b_row, outer, inner, k;
  };
  const std::vector<Block>& blocks() const { return blocks_; }
  bool packed() const { return packed_; }
  int64_t panels() const { return s_.groups * panels_; }
  /** Whether a kernel row is one stretch of the input, and rows of few channels have no tiles of their own. */
  bool in_stretches() const { return !few_ && s_.groups == 1 && s_.dilation_w == 1; }
  /** A panel of one group's kernel, and the distance between its rows. */
  const T* panel(const Frame& frame, const T* kernel, int64_t group, int64_t j) const {
    return packed_ ? frame.at<T>(weights_) + group * packed_size<T>(s_.depth(), s_.group_o()) + j * s_.depth()
                   : kernel + group * s_.group_o() + j;
  }
  int64_t panel_step() const { return packed_ ? tile_columns<T> : s_.o; }
  /** Packs some rows of one panel, of a kernel as prepare() or prepare_turned() takes it; without groups. */
  void pack_rows(const T* kernel, int64_t channel, int64_t first, int64_t rows, T* to) const {
    const int64_t w = std::min(tile_columns<T>, s_.o - channel), places = s_.kh * s_.kw;
    if (!turned_) return pack_panels<T>({kernel + first * s_.o + channel, s_.o, 1}, rows, w, 0, 1, to);
    for (int64_t row = first; row < first + rows;) {
      const int64_t place = places - 1 - row / s_.c, from = row % s_.c, count = std::min(s_.c - from, first + rows - row);
      pack_panels<T>({kernel + (place * s_.o + channel) * s_.c + from, 1, s_.c}, count, w, 0, 1, to + (row - first) * tile_columns<T>);
      row += count;
    }
  }

  /** Whether no tile meets a border at the left or right: a band may then lie in the image, without its border. */
  bool only_rows_meet_border() const { return s_.left <= 0 && s_.reach_w() <= s_.left + s_.w; }
  /**
   * Whether a band of `rows` rows that meet no border above or below reads nothing of the border at the left and right
   * either: such a band may lie in the image as well.
   */
  bool splits_edges(int64_t rows) const { return left_edge_ + right_edge_ > 0 && rows >= fewest_split_rows; }
  /**
   * The time that a kernel row of all output rows takes, in pixels, where no tile is lower than the tallest: what this
   * way of cutting an image costs.
   */
  double time_in_pixels() const {
    const Rows whole = rows_inside(0, s_.oh);
    const int64_t rows = whole.end - whole.begin, edges = left_edge_ + right_edge_;
    const bool split = edges > 0 && splits_edges(rows);
    int64_t edge_taps = 0;
    for (int64_t x = 0; x < s_.ow; x++)
      if (x < left_edge_ || x >= s_.ow - right_edge_) edge_taps += s_.kernel_columns(x).count();
    double time = 0;
    for (int64_t y = 0; y < s_.oh; y++) {
      const bool inside = split && y >= whole.begin && y < whole.end;
      const double pixels = inside ? double(s_.kw) * time_of_tiles(s_.ow - edges, tile_rows) +
                                         double(edge_taps) * time_of_tiles(rows, tile_rows) / double(rows)
                                   : double(s_.kw) * time_of_tiles(s_.ow, tile_rows);
      time += double(s_.kernel_rows(y).count()) * pixels;
    }
    return time;
  }
  struct Rows {
    int64_t begin, end;
  };
  /** Of output rows [begin, end), those that meet no border above or below. */
  Rows rows_inside(int64_t begin, int64_t end) const {
    while (begin < end && meets_border(begin)) begin++;
    while (end > begin && meets_border(end - 1)) end--;
    return {begin, end};
  }

  /** Packs the kernel once per step; kernel is [kh, kw, c / groups, o]. */
  void prepare(const Frame& frame, const T* kernel) const {
    if (!packed_) return;
    T* to = frame.at<T>(weights_);
    const int64_t depth = s_.depth(), group_o = s_.group_o();
    for_panels([&](int64_t group, int64_t panel) {
      pack_panels<T>({kernel + group * group_o, s_.o, 1}, depth, group_o, panel, panel + 1, to + group * packed_size<T>(depth, group_o));
    });
  }
  /**
   * The same for a kernel [kh, kw, o / groups, c] that is to be turned around, as the gradient of the input needs it.
   * False where no kernel is packed: run() then reads it as the caller turns it.
   */
  bool prepare_turned(const Frame& frame, const T* kernel) const {
    if (!packed_) return false;
    T* to = frame.at<T>(weights_);
    const int64_t group_c = s_.group_c(), group_o = s_.group_o(), depth = s_.depth(), places = s_.kh * s_.kw;
    for_panels([&](int64_t group, int64_t panel) {
      const int64_t j = panel * tile_columns<T>;
      T* at = to + group * packed_size<T>(depth, group_o) + j * depth;
      for (int64_t place = places - 1; place >= 0; place--, at += group_c * tile_columns<T>)
        pack_panels<T>({kernel + (place * group_o + j) * s_.c + group * group_c, 1, s_.c}, group_c, group_o - j, 0, 1, at);
    });
    return true;
  }

  /** The input of a band of output rows: the rows that the band reads, border included, and the next band's rows. */
  struct Band {
    const T* in;
    int64_t pitch;                 // elements between rows of in
    int64_t first, rows, columns;  // output rows [first, first + rows) of `columns` <= ow pixels
    NextInput<T> next{nullptr, 0};
  };

  /** Convolves a band into out, rows out_pitch apart, o channels per pixel. Kernel rows in the border are left out. */
  __attribute__((noinline)) void run(const Frame& frame, const T* kernel, const T* bias, Activation activation, const Band& band, T* out,
                                     int64_t out_pitch) const {
    int64_t begin = 0, end = 0;  // rows of pixels that meet no border above or below, convolved as rows of few channels
    if constexpr (sizeof(T) == 4 && convolves_few_channels)
      if (few_ && has_few_channels_tiles(band.columns)) {
        const Rows inside = rows_inside(band.first, band.first + band.rows);
        begin = inside.begin - band.first, end = inside.end - band.first;
        const T* from = band.in + begin * s_.stride_h * band.pitch;
        convolve_few_channels({from, band.pitch, kernel, s_.o, s_.c, bias, out + begin * out_pitch, activation == Activation::relu},
                              end - begin, s_.stride_h * band.pitch, out_pitch, band.columns);
      }
    if (begin > 0) run_tiles(frame, kernel, bias, activation, rows_of(band, 0, begin), out, out_pitch);
    if (end < band.rows)
      run_tiles(frame, kernel, bias, activation, end > 0 ? rows_of(band, end, band.rows) : band, out + end * out_pitch, out_pitch);
    if (activation == Activation::sigmoid || activation == Activation::tanh)
      for (int64_t y = 0; y < band.rows; y++) activate_row(activation, out + y * out_pitch, band.columns * s_.o);
  }

 private:
  /** Calls f(group, panel) for the panels of the packed kernel. */
  template <class F> void for_panels(F&& f) const {
    const int64_t grain = std::max<int64_t>(1, (1 << 16) / std::max<int64_t>(1, s_.depth() * tile_columns<T>));
    parallel_range(s_.groups * panels_, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) f(i / panels_, i % panels_);
    });
  }
  bool meets_border(int64_t y) const {
    const auto inside = s_.kernel_rows(y);
    return inside.begin > 0 || inside.end < s_.kh;
  }
  Band rows_of(const Band& band, int64_t begin, int64_t end) const {
    return {band.in + begin * s_.stride_h * band.pitch, band.pitch, band.first + begin, end - begin, band.columns};
  }

  __attribute__((noinline)) void run_tiles(const Frame& frame, const T* kernel, const T* bias, Activation activation, const Band& band,
                                           T* out, int64_t out_pitch) const {
    const int64_t group_c = s_.group_c(), group_o = s_.group_o();
    const int64_t calls = s_.groups * panels_ * int64_t(blocks_.size()) * band.rows * tiles_in(band.columns, tile_rows);
    Ahead ahead(band.next.from, band.next.elements, calls);
    const bool split = band.columns == s_.ow && splits_edges(band.rows);
    for (int64_t group = 0; group < s_.groups; group++) {
      for (int64_t j = 0; j < group_o; j += tile_columns<T>) {
        const int64_t channel = group * group_o + j, w = std::min(tile_columns<T>, group_o - j);
        const int64_t b_step = panel_step();
        const T* b = panel(frame, kernel, group, j);
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
          int64_t whole_begin = band.rows, whole_end = 0;  // rows of the output that see no border above or below
          for (int64_t y = 0; y < band.rows; y++) {
            const auto inside = s_.kernel_rows(band.first + y);
            const int64_t r0 = std::max(block.kernel_row, inside.begin);
            tile.outer = std::max<int64_t>(0, std::min(block.kernel_row + block.outer, inside.end) - r0);
            if (tile.outer == 0 && i > 0 && !tile.relu) continue;
            int64_t begin = 0, end = band.columns;
            if (split && inside.begin == 0 && inside.end == s_.kh) {
              begin = left_edge_, end -= right_edge_;
              whole_begin = std::min(whole_begin, y), whole_end = y + 1;
            }
            tile.b = b + (block.b_row + (r0 - block.kernel_row) * s_.kw * group_c) * b_step;
            const T* from = band.in + y * s_.stride_h * band.pitch + r0 * tile.a_outer + block.shift + group * group_c;
            for_tiles(end - begin, tile_rows, [&](int64_t x0, int64_t x1) {
              ahead.give(tile);
              tile.a = from + (begin + x0) * tile.a_row;
              tile.c = out + y * out_pitch + (begin + x0) * s_.o + channel;
              multiply_tile(tile, int(x1 - x0), vectors);
            });
          }
          if (split) { run_edges(tile, band, block, b + block.b_row * b_step, whole_begin, whole_end, out + channel, out_pitch, vectors); }
        }
      }
    }
  }

  /**
   * The pixels at the left and right edge in rows [y0, y1): a tile goes down a column of them, and leaves out the taps
   * that meet the border, if any. `tile` has what all pixels of a panel and a block share.
   */
  void run_edges(MicroTile<T> tile, const Band& band, const Block& block, const T* b, int64_t y0, int64_t y1, T* out, int64_t out_pitch,
                 int vectors) const {
    const int64_t pixel = s_.stride_w * s_.c, columns = band.columns;
    tile.a_row = s_.stride_h * band.pitch;
    tile.c_row = out_pitch;
    tile.ahead_lines = 0;
    for (int64_t edge = 0; edge < left_edge_ + right_edge_; edge++) {
      const int64_t x = edge < left_edge_ ? edge : columns - right_edge_ + edge - left_edge_;
      const auto taps = s_.kernel_columns(x);
      const int64_t k0 = std::max(block.shift, taps.begin * s_.c), k1 = std::min(block.shift + block.k, taps.end * s_.c);
      tile.k = std::max<int64_t>(0, k1 - k0);
      tile.outer = tile.k > 0 ? block.outer : 0;
      if (tile.k == 0 && tile.accumulate && !tile.relu) continue;
      tile.b = b + (k0 - block.shift) * tile.b_step;
      const T* from = band.in + block.kernel_row * tile.a_outer + x * pixel + k0;
      for_tiles(y1 - y0, tile_rows, [&](int64_t r0, int64_t r1) {
        tile.a = from + (y0 + r0) * tile.a_row;
        tile.c = out + (y0 + r0) * out_pitch + x * s_.o;
        multiply_tile(tile, int(r1 - r0), vectors);
      });
    }
  }

  /** Where pixels of a row are worth computing apart: kernel rows are whole stretches of many channels. */
  void find_edges() {
    const int64_t border = s_.left + s_.w;
    if (s_.groups > 1 || s_.dilation_w > 1 || s_.stride_w > 1 || s_.c < fewest_split_channels) return;
    const int64_t left = std::max<int64_t>(0, s_.left), right = std::max<int64_t>(0, s_.reach_w() - border);
    if (left >= s_.kw || right >= s_.kw || left + right >= s_.ow) return;
    const int64_t inside = s_.ow - left - right, rest = inside % tile_rows;
    if (s_.kw * s_.c > longest_stretch && 2 * inside < tile_rows) return;  // low tiles would wait for the kernel
    // pixels that would cut a row into short tiles go down a column as well
    const double down = double(rest) * time_of_tiles(s_.oh, tile_rows) / double(s_.oh);
    const bool short_tiles = inside > tile_rows && time_of_tiles(inside - rest, tile_rows) + down < 0.98 * time_of_tiles(inside, tile_rows);
    left_edge_ = left, right_edge_ = right + (short_tiles ? rest : 0);
  }

  static constexpr int64_t fewest_split_rows = 4, fewest_split_channels = 16;
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
  int64_t left_edge_ = 0, right_edge_ = 0;  // pixels of a row that are computed apart: all whose taps meet the border
  bool packed_ = false, few_ = false, turned_ = false;
  View weights_;
};

}  // namespace weft::cpu::WEFT_ISA
