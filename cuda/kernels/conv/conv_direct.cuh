// Direct convolution for few input channels (the first layer of a network), where a product would be too shallow for
// tiles: the whole kernel lies in shared memory, a thread sums 4 neighboring pixels x 8 output channels in registers
// and reads the image through the cache. Four pixels may be a pooling window, which then never leaves the registers.
#pragma once
#include "conv_product.cuh"

namespace weft::cuda {

constexpr int direct_pixels = 4, direct_columns = 8;

/** Columns of the kernel in shared memory: whole eights. */
inline int direct_pitch(const ConvShape& s) { return int(divide_up(s.o, direct_columns)) * direct_columns; }
inline size_t direct_shared(const ConvShape& s) { return size_t(s.depth()) * size_t(direct_pitch(s)) * sizeof(float); }
inline bool fits_direct(const ConvShape& s, int area) {
  return s.groups == 1 && s.c <= 4 && (area == 1 || area == direct_pixels) && direct_shared(s) <= 48 * 1024;
}

/** Threads: [row quads][octets of columns]. Grid: as many blocks as it takes. */
template <class T> __global__ void __launch_bounds__(128, 4) conv_direct(const ConvProduct<T> p, FastDivide octets) {
  WEFT_DYNAMIC_SHARED(float, kernel);
  const Part part = part_of<false>(p, 0);
  const int pitch = int(octets.divisor) * direct_columns;
  for (int i = threadIdx.x; i < part.depth * pitch; i += blockDim.x) {
    const int row = i / pitch, column = i - row * pitch;
    kernel[i] = column < p.columns ? widen(p.weights[row * p.columns + column]) : 0;
  }
  __syncthreads();
  int octet = int(blockIdx.x * blockDim.x + threadIdx.x);
  const int first_row = octets.divide(octet) * direct_pixels, column = octet * direct_columns;
  if (first_row >= part.rows) return;

  SourceRow<T> source[direct_pixels];
  bool whole = true;  // no tap of any pixel lies beyond the border
#pragma unroll
  for (int i = 0; i < direct_pixels; i++) {
    source[i] = SourceRow<T>(p, part, first_row + i);
    whole = whole && source[i].y >= 0 && source[i].x >= 0 && source[i].y + (part.y.taps - 1) * part.y.tap < part.y.size &&
            source[i].x + (part.x.taps - 1) * part.x.tap < part.x.size;
    if (first_row + i < part.rows) source[i].image += (source[i].y * part.x.size + source[i].x) * p.channels;
  }
  float sums[direct_pixels][direct_columns] = {};
  const float* weights = kernel + column;
  for (int tap_y = 0; tap_y < part.y.taps; tap_y++)
    for (int tap_x = 0; tap_x < part.x.taps; tap_x++) {
      const int y = tap_y * part.y.tap, x = tap_x * part.x.tap;
      bool inside[direct_pixels];
#pragma unroll
      for (int i = 0; i < direct_pixels; i++)
        inside[i] = whole || (unsigned(source[i].y + y) < unsigned(part.y.size) && unsigned(source[i].x + x) < unsigned(part.x.size));
      for (int c = 0; c < p.channels; c++, weights += pitch) {
        const int offset = (y * part.x.size + x) * p.channels + c;
        const Pack<float, 4> low = load_pack<4>(weights), high = load_pack<4>(weights + 4);
#pragma unroll
        for (int i = 0; i < direct_pixels; i++) {
          const float value = inside[i] ? widen(source[i].image[offset]) : 0;
#pragma unroll
          for (int e = 0; e < 4; e++) {
            sums[i][e] = fmaf(value, low.at[e], sums[i][e]);
            sums[i][e + 4] = fmaf(value, high.at[e], sums[i][e + 4]);
          }
        }
      }
    }

  const int used = min(direct_columns, p.columns - column);
#pragma unroll
  for (int e = 0; e < direct_columns; e++) {
    const float bias = p.bias && e < used ? widen(p.bias[column + e]) : 0;
#pragma unroll
    for (int i = 0; i < direct_pixels; i++) sums[i][e] += bias;
  }
  const bool pooled = p.window.divisor > 1;
  int place[direct_columns] = {};
  if (pooled) {
#pragma unroll
    for (int e = 0; e < direct_columns; e++)
#pragma unroll
      for (int i = 1; i < direct_pixels; i++)
        if (sums[i][e] > sums[0][e] || sums[i][e] != sums[i][e]) sums[0][e] = sums[i][e], place[e] = i;
  }
#pragma unroll
  for (int i = 0; i < direct_pixels; i++) {
    if (pooled ? i > 0 : first_row + i >= part.rows) break;
    const int64_t to = int64_t(pooled ? first_row / direct_pixels : first_row + i) * p.out_channels + column;
#pragma unroll
    for (int half = 0; half < direct_columns; half += 4) {
      Pack<T, 4> values;
#pragma unroll
      for (int e = 0; e < 4; e++) values.at[e] = narrow<T>(activate(p.activation, sums[i][half + e]));
      if (p.out_packs) {
        if (half < used) store_pack(p.out + to + half, values);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (half + e < used) p.out[to + half + e] = values.at[e];
      }
    }
    if (!p.index) continue;
#pragma unroll
    for (int e = 0; e < direct_columns; e++)
      if (e < used) p.index[to + e] = uint8_t(place[e]);
  }
}

template <class T> void run_direct(const Frame& frame, ConvProduct<T> p) {
  const int octets = int(divide_up(p.columns, direct_columns));
  const int64_t units = divide_up(p.most_rows(), direct_pixels) * octets;
  const int threads = int(std::min<int64_t>(128, divide_up(units, 32) * 32));
  const size_t shared = size_t(p.y.kernel * p.x.kernel * p.channels) * size_t(octets * direct_columns) * sizeof(float);
  launch(frame, {.grid = dim3(unsigned(divide_up(units, threads))), .block = dim3(unsigned(threads)), .shared = shared}, conv_direct<T>, p,
         FastDivide(octets));
}

}  // namespace weft::cuda
