// The gradient of a convolution's kernel from small images: sums run over one pixel of all images of a group, then over
// the next pixel. Each tap sums the pixels that meet the image, so that no border is copied or multiplied, and sums are
// long. Row by row, image by image, small images give sums of few terms, each of which reads and writes its result.
#pragma once
#include "conv_shape.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

template <class T> class KernelGradAcross {
 public:
  KernelGradAcross() = default;
  WEFT_BINDER KernelGradAcross(Call& call, const ConvShape& shape) : s_(shape) {
    if (!faster_for(shape)) return;
    groups_ = tiles_in(s_.n, int(std::max<int64_t>(1, most_terms / (s_.oh * s_.ow))));
    for_tiles(s_.c, tile_rows, [&](int64_t begin, int64_t) { channels_.push_back(begin); });
    channels_.push_back(s_.c);
    panels_ = tiles_in(s_.o, int(tile_columns<T>));
    parts_ = std::clamp<int64_t>(tiles_in(pieces_of_work(s_.multiply_adds(), 32), int(panels_)), 1, taps());
    const int64_t x_image = s_.h * s_.w * s_.c, g_image = s_.oh * s_.ow * panels_ * tile_columns<T>;
    const int64_t images = tiles_in(s_.n, int(groups_));
    at_once_ = std::clamp<int64_t>(most_packed / (images * (x_image + g_image) * int64_t(sizeof(T))), 1, groups_);
    packed_x_ = call.scratch(size_t(at_once_ * images * x_image + lanes_of<T>) * sizeof(T));
    packed_g_ = call.scratch(size_t(at_once_ * images * g_image) * sizeof(T));
  }

  /** Whether this is the faster way for the shape. */
  bool faster() const { return groups_ > 0; }

  /** dk [kh, kw, c, o] of x [n, h, w, c] and g [n, oh, ow, o]. */
  void run(const Frame& frame, const T* x, const T* g, T* dk) const {
    for (int64_t first = 0; first < groups_; first += at_once_) add_groups(frame, x, g, first, std::min(groups_, first + at_once_), dk);
  }

 private:
  /**
   * Compares estimates, in times of the bare sums of the taps that meet the images; constants are fits to shapes from 2
   * x 2 to 32 x 32 pixels. Every tile reads and writes its result, which takes as long as some terms, more of them
   * where the result is too large for the caches; so does every run of terms.
   */
  static bool faster_for(const ConvShape& s) {
    if (s.groups != 1 || s.empty() || s.n == 1) return false;
    const double pixels = double(s.oh * s.ow), bytes = double(s.depth() * s.o) * sizeof(T);
    const double terms_of_result = 4 + 28 * std::min(1.0, bytes / (8 << 20));
    const double all_taps = pixels * double(s.kh * s.kw) / std::max(1.0, double(s.taps_inside()));
    const auto heights = [](int64_t n) { return time_of_tiles(n, tile_rows) / double(n); };
    const double by_rows =
        heights(s.dilation_w == 1 ? s.kw * s.c : s.c) * all_taps * (1 + 0.8 / double(s.ow)) * (1 + terms_of_result / pixels);
    const double packing = 5.4 * lanes_of<T> * (1 / double(s.c) + 1 / double(s.o)) / double(s.kh * s.kw);
    const double across = (heights(s.c) + packing) * (1 + terms_of_result / std::min(double(most_terms), double(s.n) * pixels));
    return across < 0.95 * by_rows;
  }
  struct Packed {
    T *x, *g;
    int64_t first;  // image
  };
  int64_t group_begin(int64_t group) const { return s_.n * group / groups_; }
  int64_t images_of(int64_t group) const { return group_begin(group + 1) - group_begin(group); }
  int64_t tiles() const { return int64_t(channels_.size()) - 1; }
  /** Tiles of a panel of the result: those of channels at each place of the kernel. */
  int64_t taps() const { return tiles() * s_.kh * s_.kw; }

  /** Packs groups [first, last), and adds what they give to dk; the first group of all stores it. */
  void add_groups(const Frame& frame, const T* x, const T* g, int64_t first, int64_t last, T* dk) const {
    const Packed packed{frame.at<T>(packed_x_), frame.at<T>(packed_g_), group_begin(first)};
    const int64_t images = group_begin(last) - group_begin(first), elements = images * (s_.h * s_.w * s_.c + s_.oh * s_.ow * s_.o);
    const int64_t rows = (last - first) * (s_.h + s_.oh), chunks = std::clamp<int64_t>(elements >> 15, 1, 64);
    parallel(chunks, [&](int64_t chunk, int) {
      for (int64_t i = rows * chunk / chunks; i < rows * (chunk + 1) / chunks; i++) {
        const int64_t group = first + i / (s_.h + s_.oh), y = i % (s_.h + s_.oh);
        if (y < s_.h) pack_inputs(x, group, y, packed);
        else pack_gradients(g, group, y - s_.h, packed);
      }
    });
    parallel(panels_ * parts_, [&](int64_t piece, int) {
      const int64_t panel = piece / parts_, part = piece % parts_;
      for (int64_t group = first; group < last; group++)
        add(packed, group, panel, taps() * part / parts_, taps() * (part + 1) / parts_, dk);
    });
  }

  /** Packs a row of a group's images: [tiles of channels][pixels][images][channels of the tile]. */
  void pack_inputs(const T* x, int64_t group, int64_t y, const Packed& packed) const {
    const int64_t images = images_of(group), pixels = s_.h * s_.w, image = pixels * s_.c;
    const T* from = x + group_begin(group) * image + y * s_.w * s_.c;
    T* to = packed.x + (group_begin(group) - packed.first) * image;
    for (int64_t i = 0; i < images; i++)
      for (int64_t q = 0; q < s_.w; q++) {
        const T* pixel = from + i * image + q * s_.c;
        const int64_t place = (y * s_.w + q) * images + i;
        for (size_t t = 0; t + 1 < channels_.size(); t++) {
          const int64_t begin = channels_[t], count = channels_[t + 1] - begin;
          copy_tile_row(pixel + begin, count, to + begin * pixels * images + place * count);
        }
      }
  }
  /** Packs a row of their gradients: [panels][pixels][images][columns of a panel]. */
  void pack_gradients(const T* g, int64_t group, int64_t y, const Packed& packed) const {
    constexpr int64_t wide = tile_columns<T>, lanes = lanes_of<T>;
    const int64_t images = images_of(group), pixels = s_.oh * s_.ow;
    const T* from = g + group_begin(group) * pixels * s_.o + y * s_.ow * s_.o;
    T* to = packed.g + (group_begin(group) - packed.first) * pixels * panels_ * wide;
    for (int64_t i = 0; i < images; i++)
      for (int64_t q = 0; q < s_.ow; q++) {
        const T* pixel = from + (i * pixels + q) * s_.o;
        T* place = to + ((y * s_.ow + q) * images + i) * wide;
        int64_t j = 0;
        for (; j + wide <= s_.o; j += wide, place += pixels * images * wide)
          store(place, load(pixel + j)), store(place + lanes, load(pixel + j + lanes));
        if (j < s_.o) copy_row(pixel + j, int(s_.o - j), place);
      }
  }

  /** Adds what a group gives to taps [first, last) of a panel of the result. */
  void add(const Packed& packed, int64_t group, int64_t j, int64_t first, int64_t last, T* dk) const {
    constexpr int64_t wide = tile_columns<T>;
    const int64_t before = group_begin(group) - packed.first, images = images_of(group), pixels = s_.oh * s_.ow, image = s_.h * s_.w * s_.c;
    const int64_t column = j * wide, w = std::min(wide, s_.o - column), places = s_.kh * s_.kw;
    const T* panel = packed.g + (before * panels_ + j * images) * pixels * wide;
    const bool one_run = s_.stride_w == 1;
    MicroTile<T> tile;
    tile.last = last_mask<T>(w);
    tile.a_row = 1, tile.b_step = wide, tile.c_row = s_.o, tile.accumulate = group > 0;
    tile.b_outer = s_.ow * images * wide, tile.b_inner = images * wide;
    for (int64_t tap = first; tap < last; tap++) {
      const int64_t t = tap / places, r = tap % places / s_.kw, q = tap % s_.kw;
      const int64_t channel = channels_[size_t(t)], rows = channels_[size_t(t) + 1] - channel;
      const int64_t top = r * s_.dilation_h - s_.top, left = q * s_.dilation_w - s_.left;
      const Pixels down = pixels_of(top, s_.stride_h, s_.h, s_.oh), across = pixels_of(left, s_.stride_w, s_.w, s_.ow);
      tile.a_step = rows, tile.a_outer = s_.stride_h * s_.w * images * rows, tile.a_inner = s_.stride_w * images * rows;
      tile.outer = across.count > 0 ? down.count : 0;
      tile.inner = one_run ? 1 : across.count, tile.k = one_run ? across.count * images : images;
      tile.a = packed.x + before * image + channel * s_.h * s_.w * images +
               ((down.begin * s_.stride_h + top) * s_.w + across.begin * s_.stride_w + left) * images * rows;
      tile.b = panel + (down.begin * s_.ow + across.begin) * images * wide;
      tile.c = dk + ((r * s_.kw + q) * s_.c + channel) * s_.o + column;
      multiply_tile(tile, int(rows), vectors_for<T>(w));
    }
  }

  /** Those of `count` output pixels whose tap, at i * stride + shift, lies in [0, length). */
  struct Pixels {
    int64_t begin, count;
  };
  static Pixels pixels_of(int64_t shift, int64_t stride, int64_t length, int64_t count) {
    const int64_t begin = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    const int64_t end = length > shift ? std::min(count, (length - 1 - shift) / stride + 1) : 0;
    return {begin, std::max<int64_t>(0, end - begin)};
  }

  static constexpr int64_t most_terms = 512;
  static constexpr int64_t most_packed = 4 << 20;  // bytes
  ConvShape s_{};
  std::vector<int64_t> channels_;     // where tiles of channels begin, and their end
  int64_t groups_ = 0, at_once_ = 1;  // groups of images, and of those, how many are packed at once
  int64_t panels_ = 0, parts_ = 1;    // of the result, and parts of a panel
  View packed_x_, packed_g_;
};

}  // namespace weft::cpu::WEFT_ISA
