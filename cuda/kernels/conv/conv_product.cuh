// A convolution as a matrix product that is never laid out: what its kernels get, how a block finds its part, and the
// end of a tile (bias, activation, max pooling, store), which kernels with and without tensor cores share.
#pragma once
#include "conv_shape.cuh"

namespace weft::cuda {

/** Division by a count that is the same, or one less, in every part of a product. */
struct CountDivide {
  FastDivide more, fewer;
  CountDivide() = default;
  explicit CountDivide(int most) : more(most), fewer(most - 1) {}
  __device__ __forceinline__ FastDivide of(int count) const { return count == int(more.divisor) ? more : fewer; }
};

template <class T> struct ConvProduct {
  const T *source = nullptr, *weights = nullptr;
  const T* bias = nullptr;  // null: none
  T* out = nullptr;
  uint8_t* index = nullptr;  // null: places of maxima are not asked for
  ConvAxis y, x;
  bool turned = false;  // the gradient of the input: the source is g, the result dx
  int images = 0, groups = 1;
  int source_channels = 0, channels = 0;  // of a source pixel; of one group of it
  int out_channels = 0, columns = 0;      // of a pixel of the result; of one group of it, the columns of the product
  int pool_h = 1, pool_w = 1;  // a window of so many neighboring pixels is a run of rows, of which the largest is kept; 1, 1: no pooling
  Activation activation = Activation::linear;
  bool source_packs = false, out_packs = false;  // channels come in packs that move as one access
  FastDivide window, window_columns, channel, column_tiles;
  CountDivide rows_y, rows_x, taps_x;

  int area() const { return pool_h * pool_w; }
  /** Parts of the product: groups, times the remainders of pixels modulo the strides. */
  int parts() const { return groups * (turned ? y.stride * x.stride : 1); }
  /** Rows of the largest part. */
  int64_t most_rows() const {
    if (!turned) return int64_t(images) * rows_y.more.divisor * rows_x.more.divisor * area();
    return int64_t(images) * divide_up(y.input, y.stride) * divide_up(x.input, x.stride);
  }
};

/** y = pooled(activation(conv(x, kernel) + bias)). Packs of `pack` elements are used where channels allow it. */
template <class T> ConvProduct<T> forward_product(const ConvShape& s, Activation activation, int pack, int pool_h = 1, int pool_w = 1) {
  ConvProduct<T> p;
  p.y = axis_y(s), p.x = axis_x(s);
  p.images = s.n, p.groups = s.groups;
  p.source_channels = s.c, p.channels = s.group_c(), p.out_channels = s.o, p.columns = s.group_o();
  p.pool_h = pool_h, p.pool_w = pool_w, p.activation = activation;
  p.source_packs = packs_fit(s.c, s.group_c(), pack), p.out_packs = packs_fit(s.o, s.group_o(), pack);
  p.window = FastDivide(pool_h * pool_w), p.window_columns = FastDivide(pool_w), p.channel = FastDivide(p.channels);
  p.rows_y = CountDivide(s.oh / pool_h), p.rows_x = CountDivide(s.ow / pool_w), p.taps_x = CountDivide(s.kw);
  return p;
}

/** dx = the gradient of the input of conv(x, kernel), from g. */
template <class T> ConvProduct<T> turned_product(const ConvShape& s, int pack) {
  ConvProduct<T> p;
  p.y = axis_y(s), p.x = axis_x(s);
  p.turned = true, p.images = s.n, p.groups = s.groups;
  p.source_channels = s.o, p.channels = s.group_o(), p.out_channels = s.c, p.columns = s.group_c();
  p.source_packs = packs_fit(s.o, s.group_o(), pack), p.out_packs = packs_fit(s.c, s.group_c(), pack);
  p.channel = FastDivide(p.channels);
  p.rows_y = CountDivide(int(divide_up(s.h, s.stride_h))), p.rows_x = CountDivide(int(divide_up(s.w, s.stride_w)));
  p.taps_x = CountDivide(int(divide_up(s.kw, p.x.tap_step)));
  return p;
}

/** The part of a product that a block works on. */
struct Part {
  Axis y, x;
  FastDivide rows_y, rows_x, taps_x;
  int group, rows, depth;
};

template <bool turned, class T> __device__ __forceinline__ Part part_of(const ConvProduct<T>& p, int number) {
  Part part;
  part.group = number % p.groups;
  if constexpr (turned) {
    const int remainders = number / p.groups;
    part.y = p.y.turned(remainders / p.x.stride), part.x = p.x.turned(remainders % p.x.stride);
    part.rows_y = p.rows_y.of(part.y.count), part.rows_x = p.rows_x.of(part.x.count);
    part.rows = p.images * part.y.count * part.x.count;
  } else {
    part.y = p.y.forward(), part.x = p.x.forward();
    part.rows_y = p.rows_y.more, part.rows_x = p.rows_x.more;
    part.rows = p.images * int(part.rows_y.divisor * part.rows_x.divisor) * p.pool_h * p.pool_w;
  }
  part.taps_x = p.taps_x.of(part.x.taps);
  part.depth = part.y.taps * part.x.taps * p.channels;
  return part;
}

/** A row of a product as a pixel. */
struct Pixel {
  int image, y, x;
};
template <class T> __device__ __forceinline__ Pixel pixel_of(const ConvProduct<T>& p, const Part& part, int row) {
  const int place_y_x = row;
  int window = row;
  if (p.window.divisor == 1) {
    const int line = part.rows_x.divide(window), image = part.rows_y.quotient(line);
    return {image, line - image * int(part.rows_y.divisor), window};
  }
  window = p.window.quotient(row);
  int place_x = place_y_x - window * int(p.window.divisor);
  const int place_y = p.window_columns.divide(place_x);
  const int line = part.rows_x.divide(window), image = part.rows_y.quotient(line);
  return {image, (line - image * int(part.rows_y.divisor)) * p.pool_h + place_y, window * p.pool_w + place_x};
}

/** A row of a product as the place its taps start from. */
template <class T> struct SourceRow {
  const T* image;  // of this group
  int y, x;        // of tap 0; far outside where the row is beyond the last

  SourceRow() = default;
  __device__ __forceinline__ SourceRow(const ConvProduct<T>& p, const Part& part, int row) : image(p.source), y(-(1 << 30)), x(0) {
    if (row >= part.rows) return;
    const Pixel pixel = pixel_of(p, part, row);
    image += int64_t(pixel.image) * part.y.size * part.x.size * p.source_channels + part.group * p.channels;
    y = pixel.y * part.y.step + part.y.start;
    x = pixel.x * part.x.step + part.x.start;
  }
};

/** A position in the depth of a product. */
struct Depth {
  int y, x;     // what its tap adds to a row's source position
  int channel;  // of the group
  int tap;      // of the kernel
  bool inside;

  template <class T>
  __device__ __forceinline__ Depth(const ConvProduct<T>& p, const Part& part, int k) : channel(k), inside(k < part.depth) {
    int tap_x = p.channel.divide(channel);
    const int tap_y = part.taps_x.divide(tap_x);
    y = tap_y * part.y.tap, x = tap_x * part.x.tap;
    tap = (part.y.first_tap + tap_y * part.y.tap_step) * p.x.kernel + part.x.first_tap + tap_x * part.x.tap_step;
  }
};

/** Where an element of the left operand lies in its image, and whether it does: beyond the border is zero. */
template <class T> struct Element {
  int offset;
  bool inside;
  __device__ __forceinline__ Element(const ConvProduct<T>& p, const Part& part, const SourceRow<T>& row, const Depth& at) {
    const int y = row.y + at.y, x = row.x + at.x;
    inside = at.inside && unsigned(y) < unsigned(part.y.size) && unsigned(x) < unsigned(part.x.size);
    offset = int((uint32_t(y) * uint32_t(part.x.size) + uint32_t(x)) * uint32_t(p.source_channels)) + at.channel;  // means nothing outside
  }
};

/** Rows of a tile of `rows` that are in use: whole pooling windows. */
template <class T> __device__ __forceinline__ int used_rows(const ConvProduct<T>& p, int rows) {
  return rows - rows % int(p.window.divisor);
}

/** Floats between rows of a finished tile in shared memory. */
constexpr int finished_pitch(int columns) { return columns + 4; }

/**
 * Writes a finished tile of sums, [rows][finished_pitch(columns)] in shared memory: the rest of the layer happens here.
 */
template <int rows, int columns, class T>
__device__ __forceinline__ void store_tile(const float* tile, const ConvProduct<T>& p, const Part& part, int first_row, int first_column) {
  constexpr int pitch = finished_pitch(columns), quads = columns / 4;
  const int area = int(p.window.divisor), units = rows / area;
  for (int i = threadIdx.x; i < units * quads; i += blockDim.x) {
    const int unit = i / quads, quad = i % quads * 4, column = first_column + quad, row = first_row + unit * area;
    if (row >= part.rows || column >= p.columns) continue;
    const int channel = part.group * p.columns + column, used = min(4, p.columns - column);
    float bias[4] = {0, 0, 0, 0};
    if (p.bias)
      for (int e = 0; e < used; e++) bias[e] = widen(p.bias[channel + e]);
    const float* from = tile + unit * area * pitch + quad;
    float best[4];
    int place[4] = {0, 0, 0, 0};
    for (int e = 0; e < 4; e++) best[e] = from[e] + bias[e];
    for (int k = 1; k < area; k++)
      for (int e = 0; e < 4; e++) {
        const float value = from[k * pitch + e] + bias[e];
        if (value > best[e] || value != value) best[e] = value, place[e] = k;
      }
    int64_t pixel = p.window.quotient(row);
    if (part.y.out_step != 1 || part.x.out_step != 1) {
      const Pixel at = pixel_of(p, part, row);
      pixel = (int64_t(at.image) * p.y.input + part.y.out_first + at.y * part.y.out_step) * p.x.input + part.x.out_first +
              at.x * part.x.out_step;
    }
    const int64_t to = pixel * p.out_channels + channel;
    if (p.out_packs) {
      Pack<T, 4> values;
      for (int e = 0; e < 4; e++) values.at[e] = narrow<T>(activate(p.activation, best[e]));
      store_pack(p.out + to, values);
    } else {
      for (int e = 0; e < used; e++) p.out[to + e] = narrow<T>(activate(p.activation, best[e]));
    }
    if (p.index)
      for (int e = 0; e < used; e++) p.index[to + e] = uint8_t(place[e]);
  }
}

}  // namespace weft::cuda
