// Convolution + relu + 2x2 max pooling of a network's first layer. Input channels are few there: the kernel stays in
// the first-level cache, and the traffic to memory costs more than the arithmetic. Two ideas help. Both are for float32
// and stride 1 without a border:
//
// Forward: the convolution of a window is held in registers and pooled there; it is never stored.
//
// Gradient of the kernel (3x3, on AVX2 and AVX-512): per channel only one of a window's four places receives a
// gradient, so three quarters of the products of the usual formula are with zero. A window and the kernel together see
// a 4x4 patch of the input, which is one vector or two: the input value that a tap meets at the place chosen by each
// lane's index is one permutation of the patch. That is 9 products per window and channel instead of 36.
#pragma once
#include "conv_kernel_grad.h"
#include "conv_shape.h"
#include "first_windows.h"
#include "pool_window.h"

namespace weft::cpu::WEFT_ISA {

inline bool fits_first_layer(const ConvShape& c, int64_t pool_h, int64_t pool_w) {
  return pool_h == 2 && pool_w == 2 && c.groups == 1 && c.stride_h == 1 && c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 &&
         !c.bordered() && c.depth() * c.o <= 4096 && c.o % width == 0;
}

/** relu of the largest of a window's four values, and its place; the first on ties, NaN wins. */
WEFT_INLINE void pool_window(Vec a, Vec b, Vec c, Vec d, float* pooled, uint8_t* index) {
  Vec best = a, place = zero();
  const Vec rest[3] = {b, c, d};
#pragma GCC unroll 3
  for (int p = 0; p < 3; p++) {
    const Mask take = greater(rest[p], best) | unordered(rest[p], rest[p]);
    best = select(take, rest[p], best);
    place = select(take, broadcast(float(p + 1)), place);
  }
  store(pooled, max(zero(), best));
  if (index) store_bytes(index, place);
}

/** pool_window for `vectors` vectors of channels. */
template <int vectors>
WEFT_INLINE void pool_window(const Vec (&a)[vectors], const Vec (&b)[vectors], const Vec (&c)[vectors], const Vec (&d)[vectors],
                             float* pooled, uint8_t* index) {
  if (pool_ordered(a, b, c, d, pooled, index)) return;
#pragma GCC unroll 2
  for (int v = 0; v < vectors; v++) pool_window(a[v], b[v], c[v], d[v], pooled + v * width, index ? index + v * width : nullptr);
}

/**
 * Pools `windows` neighbours of relu(conv + bias) for `vectors` vectors of channels. Sums in the order of the
 * micro-kernel: bias, rows, k. `square_of` above 0: the kernel is 3 x 3 on so many channels, known to the compiler.
 */
template <int windows, int vectors, int square_of>
WEFT_INLINE void pool_windows(const ConvShape& c, const float* x, const float* kernel, const float* bias, float* pooled, uint8_t* index) {
  Vec sum[2][2 * windows][vectors];
#pragma GCC unroll 2
  for (int y = 0; y < 2; y++)
#pragma GCC unroll 4
    for (int q = 0; q < 2 * windows; q++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sum[y][q][v] = load(bias + v * width);
  const int64_t o = c.o, pitch = c.w * c.c, channels = square_of ? square_of : c.c, rows = square_of ? 3 : c.kh;
  const int64_t run = square_of ? 3 * square_of : c.kw * c.c;
#pragma GCC unroll 3
  for (int64_t r = 0; r < rows; r++) {
    const float* from = x + r * pitch;
#pragma GCC unroll 9
    for (int64_t k = 0; k < run; k++, kernel += o) {
      Vec tap[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) tap[v] = load(kernel + v * width);
#pragma GCC unroll 2
      for (int y = 0; y < 2; y++)
#pragma GCC unroll 4
        for (int q = 0; q < 2 * windows; q++) {
          const Vec value = broadcast(from[y * pitch + q * channels + k]);
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sum[y][q][v] = fma(value, tap[v], sum[y][q][v]);
        }
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < windows; i++)
    pool_window<vectors>(sum[0][2 * i], sum[0][2 * i + 1], sum[1][2 * i], sum[1][2 * i + 1], pooled + i * o,
                         index ? index + i * o : nullptr);
}

/** One row of pooled outputs: x at the window row's first input row. */
template <int vectors, int square_of>
void pool_channels(const ConvShape& c, int64_t pw, int64_t j, const float* x, const float* kernel, const float* bias, float* pooled,
                   uint8_t* index) {
  constexpr int windows = tile_shapes.windows;
  const auto pool = [&]<int count>(int64_t p, std::integral_constant<int, count>) __attribute__((always_inline)) {
    const int64_t to = p * c.o + j;
    pool_windows<count, vectors, square_of>(c, x + 2 * p * c.c, kernel + j, bias + j, pooled + to, index ? index + to : nullptr);
  };
  int64_t p = 0;
  for (; p + windows <= pw; p += windows) pool(p, std::integral_constant<int, windows>());
  for (; p < pw; p++) pool(p, std::integral_constant<int, 1>());
}

/**
 * The sums at the four places of a window, from 3 x 3 taps on one channel. `row`: the input's rows, of which the window
 * begins at `column`.
 */
WEFT_INLINE void sum_nine_taps(const Vec (&taps)[9][2], const Vec (&start)[2], const float* const (&row)[4], int64_t column,
                               Vec (&sum)[4][2]) {
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) sum[i][0] = start[0], sum[i][1] = start[1];
#pragma GCC unroll 9
  for (int k = 0; k < 9; k++) {
    const Vec tap[2] = {taps[k][0], taps[k][1]};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      const Vec value = broadcast(row[k / 3 + i / 2][column + k % 3 + i % 2]);
      sum[i][0] = fma(value, tap[0], sum[i][0]);
      sum[i][1] = fma(value, tap[1], sum[i][1]);
    }
  }
}

/**
 * As pool_channels() for two vectors of channels and 3 x 3 taps of one input channel. The taps lie together and rows
 * have pointers of their own, so that a window costs hardly more instructions than it has sums.
 */
__attribute__((noinline)) inline void pool_channels_of_nine_taps(const ConvShape& c, int64_t pw, int64_t j, const float* x,
                                                                 const float* kernel, const float* bias, float* pooled, uint8_t* index) {
  const int64_t o = c.o;
  Vec taps[9][2];
  const Vec start[2] = {load(bias + j), load(bias + j + width)};
  for (int k = 0; k < 9; k++) taps[k][0] = load(kernel + k * o + j), taps[k][1] = load(kernel + k * o + j + width);
  const float* const row[4] = {x, x + c.w, x + 2 * c.w, x + 3 * c.w};
  pooled += j;
  if (index) index += j;
  for (int64_t p = 0; p < pw; p++, pooled += o) {
    asm volatile("" : "+m"(taps));  // loaded anew for each window: there are no registers for all
    Vec sum[4][2];
    sum_nine_taps(taps, start, row, 2 * p, sum);
    pool_window<2>(sum[0], sum[1], sum[2], sum[3], pooled, index);
    if (index) index += o;
  }
}

/** The sum of magnitudes: infinite or NaN where a value is, or where they are huge. */
inline float sum_of_magnitudes(const float* x, int64_t n) {
  Vec sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * width <= n; i += 4 * width)
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) sums[v] += abs(load(x + i + v * width));
  for (; i < n; i += width) sums[0] += abs(load_partial(x + i, int(std::min<int64_t>(width, n - i))));
  return sum((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

/**
 * As pool_channels_of_nine_taps() for `rows` rows of windows whose sums are all finite, where nobody asks for places:
 * then the maximum is three instructions, and none looks for NaN.
 */
__attribute__((noinline)) inline void pool_finite_channels_of_nine_taps(const ConvShape& c, int64_t pw, int64_t rows, int64_t j,
                                                                        const float* x, const float* kernel, const float* bias,
                                                                        float* pooled) {
  const int64_t o = c.o;
  Vec taps[9][2];
  const Vec start[2] = {load(bias + j), load(bias + j + width)};
#pragma GCC unroll 9
  for (int k = 0; k < 9; k++) taps[k][0] = load(kernel + k * o + j), taps[k][1] = load(kernel + k * o + j + width);
  pooled += j;
  for (int64_t y = 0; y < rows; y++, x += 2 * c.w) {
    const float* const row[4] = {x, x + c.w, x + 2 * c.w, x + 3 * c.w};
    for (int64_t p = 0; p < pw; p++, pooled += o) {
      if constexpr (!holds_nine_taps) asm volatile("" : "+m"(taps));  // as above
      Vec sum[4][2];
      sum_nine_taps(taps, start, row, 2 * p, sum);
#pragma GCC unroll 2
      for (int v = 0; v < 2; v++) store(pooled + v * width, max(zero(), max(max(sum[0][v], sum[1][v]), max(sum[2][v], sum[3][v]))));
    }
  }
}

/** Whether pool_finite_channels_of_nine_taps() serves the shape. */
inline bool pools_nine_taps(const ConvShape& c) { return keeps_taps_near && c.kh == 3 && c.kw == 3 && c.c == 1 && c.o % (2 * width) == 0; }

inline void pool_row_first_layer(const ConvShape& c, int64_t pw, const float* x, const float* kernel, const float* bias, float* pooled,
                                 uint8_t* index) {
  const bool square = c.kh == 3 && c.kw == 3;
  if (pools_nine_taps(c)) {
    for (int64_t j = 0; j < c.o; j += 2 * width) pool_channels_of_nine_taps(c, pw, j, x, kernel, bias, pooled, index);
    return;
  }
  const auto two = square && c.c == 1 ? pool_channels<2, 1> : square && c.c == 3 ? pool_channels<2, 3> : pool_channels<2, 0>;
  int64_t j = 0;
  for (; j + 2 * width <= c.o; j += 2 * width) two(c, pw, j, x, kernel, bias, pooled, index);
  if (j < c.o) pool_channels<1, 0>(c, pw, j, x, kernel, bias, pooled, index);
}

WEFT_BINDER inline Step bind_first_layer(Call& call, const ConvShape& c, int64_t ph, int64_t pw) {
  const View x = call.in[0], kernel = call.in[1], bias = call.in[2], pooled = call.out[0], index = call.out[1];
  const int64_t rows = c.n * ph, chunks = std::min(rows, pieces_of_work(c.multiply_adds(), 64));
  return [=](const Frame& frame) {
    const float *taps = frame.at<const float>(kernel), *summand = frame.at<const float>(bias);
    uint8_t* places = index.used() ? frame.at<uint8_t>(index) : nullptr;
    const bool finite_way = !places && pools_nine_taps(c);
    const float of_taps = finite_way ? sum_of_magnitudes(taps, 9 * c.o) : 0, of_bias = finite_way ? sum_of_magnitudes(summand, c.o) : 0;
    parallel(chunks, [&](int64_t chunk, int) {
      const int64_t end = rows * (chunk + 1) / chunks;
      for (int64_t row = rows * chunk / chunks, next; row < end; row = next) {
        const int64_t image = row / ph, y = row % ph;
        next = std::min(end, row + ph - y);
        const float* from = frame.at<const float>(x) + (image * c.h + 2 * y) * c.w * c.c;
        float* to = frame.at<float>(pooled) + row * pw * c.o;
        // no sum on the way to a result is larger than this
        if (finite_way && sum_of_magnitudes(from, 2 * (next - row + 1) * c.w) * of_taps + of_bias < 1e38f) {
          for (int64_t j = 0; j < c.o; j += 2 * width) pool_finite_channels_of_nine_taps(c, pw, next - row, j, from, taps, summand, to);
          continue;
        }
        for (int64_t i = 0; i < next - row; i++)
          pool_row_first_layer(c, pw, from + 2 * i * c.w * c.c, taps, summand, to + i * pw * c.o,
                               places ? places + (row + i) * pw * c.o : nullptr);
      }
    });
  };
}

inline bool fits_first_layer_grad(const ConvShape& c, int64_t pool_h, int64_t pool_w) {
  return has_patches && fits_first_layer(c, pool_h, pool_w) && c.kh == 3 && c.kw == 3 && c.c <= 4;
}

/** Floats of memory for one image's channels, each a plane of its own. */
inline int64_t planes_size(const ConvShape& c) { return c.c == 1 ? 0 : c.c * c.h * c.w; }

/** x [h, w, c] of one image as [c, h, w]. */
inline const float* split_channels(const ConvShape& c, const float* x, float* planes) {
  if (c.c == 1) return x;
  for (int64_t i = 0; i < c.h * c.w; i++)
    for (int64_t channel = 0; channel < c.c; channel++) planes[channel * c.h * c.w + i] = x[i * c.c + channel];
  return planes;
}

/**
 * Adds one image's gradient of the kernel [3, 3, c, o] to dk and of the bias to db, for the vectors of channels from j
 * on. `pooled`, `index`, `g`: [ph, pw, o].
 */
template <int vectors>
void add_first_layer_grad(const ConvShape& c, int64_t ph, int64_t pw, int64_t j, const float* planes, const float* pooled,
                          const uint8_t* index, const float* g, float* dk, float* db) {
  for (int64_t channel = 0; channel < c.c; channel++) {
    const float* plane = planes + channel * c.h * c.w;
    Vec sum[9][vectors], total[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      total[v] = load(db + j + v * width);
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; tap++) sum[tap][v] = load(dk + (tap * c.c + channel) * c.o + j + v * width);
    }
    for (int64_t y = 0; y < ph; y++) {
      const float* row = plane + 2 * y * c.w;
      const int64_t at = y * pw * c.o + j;
      for (int64_t p = 0; p < pw; p++) {
        const Patch patch(row + 2 * p, c.w);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
          const int64_t i = at + p * c.o + v * width;
          const Vec gradient = select(greater(load(pooled + i), zero()), load(g + i), zero());
          total[v] = total[v] + gradient;
          const IVec place = window_places(index + i), lane = place + (place & broadcast_integer(2));  // 0 1 2 3: 0 1 4 5 of a patch
#pragma GCC unroll 9
          for (int tap = 0; tap < 9; tap++) sum[tap][v] = fma(patch.met(lane, tap / 3, tap % 3), gradient, sum[tap][v]);
        }
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      if (channel == 0) store(db + j + v * width, total[v]);
#pragma GCC unroll 9
      for (int tap = 0; tap < 9; tap++) store(dk + (tap * c.c + channel) * c.o + j + v * width, sum[tap][v]);
    }
  }
}

/** The gradients of kernel and bias; that of the input is not wanted. */
WEFT_BINDER inline Step bind_first_layer_grad(Call& call, const ConvShape& c, int64_t ph, int64_t pw) {
  const View x = call.in[0], pooled = call.in[2], index = call.in[3], g = call.in[4], dk = call.out[1], db = call.out[2];
  const int64_t elements = c.depth() * c.o, pitch = elements + c.o;
  const int64_t chunks = std::min({c.n, pieces_of_work(c.multiply_adds(), 8), partial_sums(pitch, 8)});
  const View parts = call.scratch(size_t(chunks * pitch) * sizeof(float));
  const ThreadScratch planes(call, size_t(planes_size(c)) * sizeof(float));
  return [=](const Frame& frame) {
    float* sums = frame.at<float>(parts);
    parallel(chunks, [&](int64_t chunk, int thread) {
      float *sum = sums + chunk * pitch, *bias = sum + elements;
      std::fill(sum, sum + pitch, 0.0f);
      for (int64_t image = c.n * chunk / chunks; image < c.n * (chunk + 1) / chunks; image++) {
        const float* split = split_channels(c, frame.at<const float>(x) + image * c.h * c.w * c.c, planes.at<float>(frame, thread));
        const int64_t from = image * ph * pw * c.o;
        const float *y = frame.at<const float>(pooled) + from, *gradient = frame.at<const float>(g) + from;
        const uint8_t* places = frame.at<const uint8_t>(index) + from;
        constexpr int vectors = tile_shapes.slope_vectors;
        int64_t j = 0;
        for (; j + vectors * width <= c.o; j += vectors * width)
          add_first_layer_grad<vectors>(c, ph, pw, j, split, y, places, gradient, sum, bias);
        if (j < c.o) add_first_layer_grad<1>(c, ph, pw, j, split, y, places, gradient, sum, bias);
      }
    });
    if (dk.used()) add_partial_sums(sums, chunks, pitch, elements, frame.at<float>(dk));
    if (db.used()) add_partial_sums(sums + elements, chunks, pitch, c.o, frame.at<float>(db));
  };
}

}  // namespace weft::cpu::WEFT_ISA
