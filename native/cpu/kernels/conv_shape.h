// The geometry of a 2-d convolution (NHWC, kernels HWIO) and the copy of input rows with their zero border.
#pragma once
#include <algorithm>

#include "chunks.h"
#include "micro_kernel.h"

namespace weft::cpu::WEFT_ISA {

struct ConvShape {
  int64_t n, h, w, c;  // input
  int64_t kh, kw;      // kernel [kh, kw, c / groups, o]
  int64_t oh, ow, o;   // output
  int64_t stride_h, stride_w, top, left, dilation_h, dilation_w, groups;

  int64_t group_c() const { return c / groups; }
  int64_t group_o() const { return o / groups; }
  /** Rows of the kernel as a matrix [kh * kw * c / groups, o]. */
  int64_t depth() const { return kh * kw * group_c(); }
  /** The extent of the input, border included, that the output reads. */
  int64_t reach_h(int64_t rows) const { return (rows - 1) * stride_h + (kh - 1) * dilation_h + 1; }
  int64_t reach_w() const { return (ow - 1) * stride_w + (kw - 1) * dilation_w + 1; }
  bool bordered() const { return top != 0 || left != 0 || reach_h(oh) > h || reach_w() > w; }
  struct Taps {
    int64_t begin, end;
    int64_t count() const { return std::max<int64_t>(0, end - begin); }
  };
  /** The kernel rows that meet the image, not its border, at output row y. */
  Taps kernel_rows(int64_t y) const { return taps(y * stride_h - top, kh, dilation_h, h); }
  /** The kernel columns that do so at output column x. */
  Taps kernel_columns(int64_t x) const { return taps(x * stride_w - left, kw, dilation_w, w); }
  /** How many taps of the kernel meet an image, over all pixels of its result. */
  int64_t taps_inside() const {
    int64_t rows = 0, columns = 0;
    for (int64_t y = 0; y < oh; y++) rows += kernel_rows(y).count();
    for (int64_t x = 0; x < ow; x++) columns += kernel_columns(x).count();
    return rows * columns;
  }
  /** Elements between rows of the input that tiles read: of x itself, or of its copy with a border. */
  int64_t row_pitch() const { return (bordered() ? reach_w() : w) * c; }
  bool depthwise() const { return groups == c && groups > 1; }
  bool pointwise() const {
    return kh == 1 && kw == 1 && stride_h == 1 && stride_w == 1 && groups == 1 && !bordered() && oh == h && ow == w;
  }
  bool empty() const { return n * oh * ow * o == 0; }
  double multiply_adds() const { return double(n) * double(oh * ow) * double(depth()) * double(o); }

 private:
  /** Of `count` taps, from `start` on and `dilation` apart, those in [0, length). */
  static Taps taps(int64_t start, int64_t count, int64_t dilation, int64_t length) {
    if (start >= 0 && start + (count - 1) * dilation < length) return {0, count};
    const int64_t begin = start >= 0 ? 0 : (-start + dilation - 1) / dilation;
    const int64_t end = length > start ? (length - 1 - start) / dilation + 1 : 0;
    return {std::min(begin, count), std::min(end, count)};
  }
};

/** Reads the attributes that all convolutions share, and sets the call's cost. */
inline ConvShape conv_shape(Call& call, const Dims& x, const Dims& kernel, int64_t oh, int64_t ow) {
  const Dims strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  const Dims dilations = call.attrs.integers("dilations");
  const int64_t groups = call.attrs.integer("groups");
  require(groups > 0 && x[3] == kernel[2] * groups && kernel[3] % groups == 0, "ERR_SHAPE", call.op, ": ", x[3], " channels do not fit ",
          groups, " groups of kernels with ", kernel[2], " channels");
  const ConvShape s{x[0],      x[1],       x[2],       x[3],       kernel[0],  kernel[1],    oh,           ow,
                    kernel[3], strides[0], strides[1], padding[0], padding[2], dilations[0], dilations[1], groups};
  call.flops = 2 * s.multiply_adds();
  return s;
}

/** The input rows that the band of output rows after y1 will read: (address, elements) for Ahead. */
template <class T> struct NextInput {
  const T* from;
  int64_t elements;
};
template <class T> NextInput<T> next_input(const ConvShape& s, const T* x, int64_t image, int64_t y1, int64_t rows) {
  const int64_t row = s.w * s.c, total = s.n * s.h * row;
  const int64_t first = std::min(total, (image * s.h + std::min(s.h, std::max<int64_t>(0, s.reach_h(y1) - s.top))) * row);
  return {x + first, std::min(total - first, rows * s.stride_h * row)};
}

/**
 * Copies `rows` rows of an image, from row `first` of the bordered input on, with zeros where the border is: [rows,
 * reach_w, c].
 */
template <class T> void copy_with_border(const ConvShape& s, const T* image, int64_t first, int64_t rows, T* to) {
  const int64_t pitch = s.reach_w() * s.c;
  const int64_t begin = std::clamp<int64_t>(s.left, 0, s.reach_w()), end = std::clamp<int64_t>(s.left + s.w, begin, s.reach_w());
  for (int64_t r = 0; r < rows; r++, to += pitch) {
    const int64_t row = first + r - s.top;
    if (row < 0 || row >= s.h) {
      std::fill(to, to + pitch, T(0));
      continue;
    }
    std::fill(to, to + begin * s.c, T(0));
    std::copy(image + (row * s.w + begin - s.left) * s.c, image + (row * s.w + end - s.left) * s.c, to + begin * s.c);
    std::fill(to + end * s.c, to + pitch, T(0));
  }
}

/** Bands of output rows: the unit of work of one thread, a share of an image that its caches hold. */
struct Bands {
  int64_t rows = 1, per_image = 1, units = 0, chunks = 1;

  Bands() = default;
  /** `rows` output rows in a band, rounded so that the bands of an image are of nearly one size. */
  Bands(const ConvShape& s, int64_t band_rows, int64_t most_chunks) {
    band_rows = std::clamp<int64_t>(band_rows, 1, std::max<int64_t>(1, s.oh));
    per_image = (s.oh + band_rows - 1) / band_rows;
    rows = (s.oh + per_image - 1) / per_image;
    per_image = (s.oh + rows - 1) / rows;
    units = s.n * per_image;
    chunks = std::min(units, pieces_of_work(s.multiply_adds(), most_chunks));
  }
  /** Calls f(image, first row, end row) for the bands of a chunk. */
  template <class F> void for_chunk(const ConvShape& s, int64_t chunk, F&& f) const {
    for (int64_t unit = units * chunk / chunks; unit < units * (chunk + 1) / chunks; unit++) {
      const int64_t first = unit % per_image * rows;
      f(unit / per_image, first, std::min(first + rows, s.oh));
    }
  }
};

}  // namespace weft::cpu::WEFT_ISA
