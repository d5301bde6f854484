// Convolutions of 1 or 3 channels by 3 x 3 filters, and the gradient of such filters: float32, stride 1, whole vectors
// of output channels. The sums are short, so that the general tile spends as long on strides and runs as on sums. Here
// the compiler knows every tap (conv_few.cc). Sums run in the micro-kernel's order.
#pragma once
#include "conv_shape.h"

namespace weft::cpu::WEFT_ISA {

/** Portable vectors are for processors of before 2013: there, size counts. */
constexpr bool has_few_channels_kernels = width > 4;

/** The convolution itself: tiles of 14 rows need no such help as those of 6 do. The gradient gains everywhere. */
constexpr bool convolves_few_channels = has_few_channels_kernels && tile_shapes.rows < 14;

/** What the kernels serve; the convolution itself also asks has_few_channels_tiles(). */
inline bool has_few_channels(const ConvShape& s) {
  return has_few_channels_kernels && (s.c == 1 || s.c == 3) && s.kh == 3 && s.kw == 3 && s.groups == 1 && s.stride_w == 1 &&
         s.dilation_h == 1 && s.dilation_w == 1 && s.o % tile_columns<float> == 0;
}
/** Whether a row of so many pixels is cut into tiles of 5 and 6: rows of 20 and more are. */
inline bool has_few_channels_tiles(int64_t pixels) { return pixels >= 5 && pixels / tiles_in(pixels, 6) >= 5; }

/** Rows of pixels: x at the first one's first tap, filters [3, 3, channels, o]. */
struct FewChannels {
  const float* x;
  int64_t pitch;  // elements between rows of x
  const float* filters;
  int64_t o, channels;
  const float* bias;  // or null
  float* out;
  bool relu;
};
/** Convolves `count` rows of `pixels` pixels, x_step elements of x and out_step of out apart. */
void convolve_few_channels(const FewChannels& rows, int64_t count, int64_t x_step, int64_t out_step, int64_t pixels);

/** A band of pixels and their gradient. */
struct FewChannelsGrad {
  const float* x;
  int64_t pitch, step;  // elements between rows of x, and between the rows at which two rows of pixels start
  const float* g;
  int64_t g_pitch, o, channels, rows, columns;
  int64_t ahead = 0;  // elements from g to what is wanted next
};
/** Adds a band's part of the gradient of the filters to dk [3, 3, channels, o]. */
void add_few_channels_grad(const FewChannelsGrad& band, float* dk);

}  // namespace weft::cpu::WEFT_ISA
