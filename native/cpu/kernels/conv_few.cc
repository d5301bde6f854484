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

template <int channels, int pixels> __attribute__((noinline)) void convolve_tile(const FewChannels& tile) {
  constexpr int run = 3 * channels, columns = 2 * width;
  const float *x = tile.x, *filter = tile.panel;
  Vec sum[pixels][2];
#pragma GCC unroll 2
  for (int v = 0; v < 2; v++) {
    const Vec start = tile.bias ? load(tile.bias + v * width) : zero();
#pragma GCC unroll 6
    for (int i = 0; i < pixels; i++) sum[i][v] = start;
  }
#pragma GCC unroll 1
  for (int r = 0; r < 3; r++, x += tile.pitch, filter += run * columns) {
#pragma GCC unroll 9
    for (int k = 0; k < run; k++) {
      forget_loads();
      const Vec tap[2] = {load(filter + k * columns), load(filter + k * columns + width)};
#pragma GCC unroll 6
      for (int i = 0; i < pixels; i++) {
        const Vec value = broadcast(x[i * channels + k]);
        sum[i][0] = fma(value, tap[0], sum[i][0]);
        sum[i][1] = fma(value, tap[1], sum[i][1]);
      }
    }
  }
  float* out = tile.out;
  const bool relu = tile.relu;
#pragma GCC unroll 6
  for (int i = 0; i < pixels; i++, out += tile.o)
#pragma GCC unroll 2
    for (int v = 0; v < 2; v++) store(out + v * width, relu ? max(zero(), sum[i][v]) : sum[i][v]);
}

/**
 * Adds to the gradient of `count` taps from `first` on, for two vectors of output channels. The nine taps are those of
 * one channel, or the three of a kernel's row on three channels.
 */
template <int channels, int first, int count>
__attribute__((noinline)) void add_taps(const FewChannelsGrad& band, float* dk) {
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
      part.ahead = near * band.g_pitch;  // the first pass fetches the next rows
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

#if WEFT_LEVEL > 0
void convolve_few_channels(const FewChannels& rows, int64_t count, int64_t x_step, int64_t out_step, int64_t pixels) {
  const bool one = rows.channels == 1;
  const auto five = one ? convolve_tile<1, 5> : convolve_tile<3, 5>, six = one ? convolve_tile<1, 6> : convolve_tile<3, 6>;
  FewChannels tile = rows;
  for (int64_t y = 0; y < count; y++) {
    const float* x = rows.x + y * x_step;
    float* out = rows.out + y * out_step;
    for_tiles(pixels, 6, [&](int64_t x0, int64_t x1) {
      tile.x = x + x0 * rows.channels;
      for (int64_t j = 0; j < rows.o; j += tile_columns<float>) {
        tile.panel = rows.panel + j * 9 * rows.channels;
        tile.bias = rows.bias ? rows.bias + j : nullptr;
        tile.out = out + x0 * rows.o + j;
        (x1 - x0 == 5 ? five : six)(tile);
      }
    });
  }
}

void add_few_channels_grad(const FewChannelsGrad& band, float* dk) {
  band.channels == 1 ? add_bands<1>(band, dk) : add_bands<3>(band, dk);
}
#endif

}  // namespace weft::cpu::WEFT_ISA
