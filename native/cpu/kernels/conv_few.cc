// Convolutions of few channels by 3 x 3 filters: tiles of 5 and 6 pixels by two vectors of output channels, and the
// gradient of up to nine taps at a time, with the sums in registers.
#include "conv_few.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * Values loaded before are loaded again: a compiler that keeps each input value for all the taps that meet it runs out
 * of registers, and then its sums go through memory.
 */
WEFT_INLINE void forget_loads() { asm volatile("" ::: "memory"); }

/** Convolves `tiles` neighbouring tiles of a row, for two vectors of output channels. */
template <int channels, int pixels>
__attribute__((noinline)) void convolve_tiles(const float* x, float* out, const float* filters, const float* bias, int64_t tiles,
                                              const FewChannels& rows) {
  constexpr int run = 3 * channels;
  const int64_t o = rows.o, pitch = rows.pitch;
  const bool relu = rows.relu;
  for (int64_t t = 0; t < tiles; t++, x += pixels * channels) {
    const float *from = x, *filter = filters;
    forget_loads();
    const Vec start[2] = {load(bias), load(bias + width)};
    Vec sum[pixels][2];
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++) sum[i][0] = start[0], sum[i][1] = start[1];
    const auto kernel_row = [&](const float* at) __attribute__((always_inline)) {
#pragma GCC unroll 9
      for (int k = 0; k < run; k++, filter += o) {
        forget_loads();
        const Vec tap[2] = {load(filter), load(filter + width)};
#pragma GCC unroll 6
        for (int i = 0; i < pixels; i++) {
          const Vec value = broadcast(at[i * channels + k]);
          sum[i][0] = fma(value, tap[0], sum[i][0]);
          sum[i][1] = fma(value, tap[1], sum[i][1]);
        }
      }
    };
    if constexpr (channels == 1) {  // a loop would move the sums back to their registers, and the rows are short
      kernel_row(from), kernel_row(from + pitch), kernel_row(from + 2 * pitch);
    } else {
      for (int r = 0; r < 3; r++) kernel_row(from + r * pitch);
    }
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++, out += o)
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) store(out + v * width, relu ? max(zero(), sum[i][v]) : sum[i][v]);
  }
}

/**
 * Adds to the gradient of `count` taps from `first` on, for two vectors of output channels. The nine taps are those of
 * one channel, or the three of a kernel's row on three channels.
 */
template <int channels, int first, int count> __attribute__((noinline)) void add_taps(const FewChannelsGrad& band, float* dk) {
  Vec sum[count][2];
#pragma GCC unroll 9
  for (int i = 0; i < count; i++)
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) sum[i][v] = load(dk + (first + i) * band.o + v * width);
  const float *row = band.x, *g_row = band.g;
  for (int64_t y = 0; y < band.rows; y++, row += band.step, g_row += band.g_pitch) {
    const float *from = row, *g = g_row;
#pragma GCC unroll 1
    for (int64_t p = 0; p < band.columns; p++, from += channels, g += band.o) {
      forget_loads();
      const Vec gradient[2] = {load(g), load(g + width)};
      __builtin_prefetch(g + band.ahead, 0, 2);
      if constexpr (width > 8) __builtin_prefetch(g + band.ahead + width, 0, 2);
#pragma GCC unroll 9
      for (int i = 0; i < count; i++) {
        const int tap = first + i;
        const Vec value = broadcast(from[channels == 1 ? tap / 3 * band.pitch + tap % 3 : tap]);
        sum[i][0] = fma(value, gradient[0], sum[i][0]);
        sum[i][1] = fma(value, gradient[1], sum[i][1]);
      }
    }
  }
#pragma GCC unroll 9
  for (int i = 0; i < count; i++)
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) store(dk + (first + i) * band.o + v * width, sum[i][v]);
}

/** A few rows of g stay in the first-level cache while all taps meet them. */
template <int channels> void add_bands(const FewChannelsGrad& band, float* dk) {
  constexpr int at_once = tile_shapes.gathered_rows >= 9 ? 9 : 5;
  constexpr int64_t near_bytes = 16 * 1024;
  const int64_t near = std::max<int64_t>(1, near_bytes / (band.columns * band.o * int64_t(sizeof(float))));
  for (int64_t y = 0; y < band.rows; y += near) {
    FewChannelsGrad part = band;
    part.rows = std::min(near, band.rows - y);
    for (int64_t j = 0; j < band.o; j += tile_columns<float>) {
      part.g = band.g + y * band.g_pitch + j;
      part.ahead = near * band.g_pitch;     // the first pass fetches the next rows
      for (int r = 0; r < channels; r++) {  // of 3 channels, nine taps are a row of the kernel
        part.x = band.x + y * band.step + r * band.pitch;
        float* to = dk + r * 9 * band.o + j;
        add_taps<channels, 0, at_once>(part, to);
        part.ahead = 0;
        if constexpr (at_once < 9) add_taps<channels, at_once, 9 - at_once>(part, to);
      }
    }
  }
}

}  // namespace

#if WEFT_LEVEL == 1
void convolve_few_channels(const FewChannels& rows, int64_t count, int64_t x_step, int64_t out_step, int64_t pixels) {
  const bool one = rows.channels == 1;
  const auto five = one ? convolve_tiles<1, 5> : convolve_tiles<3, 5>, six = one ? convolve_tiles<1, 6> : convolve_tiles<3, 6>;
  const int64_t tiles = tiles_in(pixels, 6), sixes = pixels - 5 * tiles, fives = tiles - sixes;
  static const float no_bias[2 * width] = {};
  const float* x = rows.x;
  float* out = rows.out;
  for (int64_t y = 0; y < count; y++, x += x_step, out += out_step)
    for (int64_t j = 0; j < rows.o; j += tile_columns<float>) {
      const float *filters = rows.filters + j, *bias = rows.bias ? rows.bias + j : no_bias;
      six(x, out + j, filters, bias, sixes, rows);
      five(x + 6 * sixes * rows.channels, out + 6 * sixes * rows.o + j, filters, bias, fives, rows);
    }
}

#endif

#if WEFT_LEVEL > 0
void add_few_channels_grad(const FewChannelsGrad& band, float* dk) { band.channels == 1 ? add_bands<1>(band, dk) : add_bands<3>(band, dk); }
#endif

}  // namespace weft::cpu::WEFT_ISA
