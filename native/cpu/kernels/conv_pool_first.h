// Convolution + relu + 2x2 max pooling of a network's first layer: few input channels, so the kernel stays in the
// first-level cache and memory traffic, not arithmetic, is what costs. Two ideas, both float32 and stride 1 without
// border:
//
// Forward: the convolution of a window is held in registers and pooled there; it is never stored.
//
// Gradient of the kernel (AVX-512, 3x3): per channel only one of a window's four places receives a gradient, so three
// quarters of the products of the usual formula are with zero. A window and the kernel together see a 4x4 patch of the
// input, which is one vector: the input value that a tap meets at the place chosen by each lane's index is one
// permutation of the patch. That is 9 products per window and channel instead of 36.
#pragma once
#include "conv_kernel_grad.h"
#include "conv_shape.h"
#include "pool_window.h"

namespace weft::cpu::WEFT_ISA {

/** Windows whose convolution is in registers at once: 2 rows x 2 columns x 2 vectors of sums each. */
constexpr int windows_at_once = WEFT_LEVEL == 2 ? 2 : 1;

inline bool fits_first_layer(const ConvShape& c, int64_t pool_h, int64_t pool_w) {
  return pool_h == 2 && pool_w == 2 && c.groups == 1 && c.stride_h == 1 && c.stride_w == 1 && c.dilation_h == 1 && c.dilation_w == 1 &&
         !c.bordered() && c.depth() * c.o <= 4096 && c.o % width == 0;
}

/** relu of the largest of a window's four values, and its place; the first on ties, NaN wins. */
WEFT_INLINE void pool_window(Vec a, Vec b, Vec c, Vec d, float* pooled, uint8_t* index) {
#if WEFT_LEVEL == 2
  const Vec upper = max(a, b), lower = max(c, d);
  if (__builtin_expect(_mm512_cmp_ps_mask(a + b, c + d, _CMP_UNORD_Q) == 0, 1)) {
    // no NaN: a tournament, and the place from its outcomes as bits
    store(pooled, max(zero(), max(upper, lower)));
    if (index == nullptr) return;
    const __mmask16 down = greater(lower, upper), right = (down & greater(d, c)) | (~down & greater(b, a));
    const __m128i places = _mm_or_si128(_mm_maskz_set1_epi8(down, 2), _mm_maskz_set1_epi8(right, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(index), places);
    return;
  }
#endif
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

/**
 * Pools `windows` neighbours of relu(conv + bias) for `vectors` vectors of channels. Sums in the order of the
 * micro-kernel: bias, rows, k.
 */
template <int windows, int vectors>
WEFT_INLINE void pool_windows(const ConvShape& c, const float* x, const float* kernel, const float* bias, float* pooled, uint8_t* index) {
  Vec sum[2][2 * windows][vectors];
#pragma GCC unroll 2
  for (int y = 0; y < 2; y++)
#pragma GCC unroll 4
    for (int q = 0; q < 2 * windows; q++)
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) sum[y][q][v] = load(bias + v * width);
  const int64_t pitch = c.w * c.c, run = c.kw * c.c;
  for (int64_t r = 0; r < c.kh; r++) {
    const float* from = x + r * pitch;
    for (int64_t k = 0; k < run; k++, kernel += c.o) {
      Vec tap[vectors];
#pragma GCC unroll 2
      for (int v = 0; v < vectors; v++) tap[v] = load(kernel + v * width);
#pragma GCC unroll 2
      for (int y = 0; y < 2; y++)
#pragma GCC unroll 4
        for (int q = 0; q < 2 * windows; q++) {
          const Vec value = broadcast(from[y * pitch + q * c.c + k]);
#pragma GCC unroll 2
          for (int v = 0; v < vectors; v++) sum[y][q][v] = fma(value, tap[v], sum[y][q][v]);
        }
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < windows; i++)
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++) {
      pool_window(sum[0][2 * i][v], sum[0][2 * i + 1][v], sum[1][2 * i][v], sum[1][2 * i + 1][v], pooled + i * c.o + v * width,
                  index ? index + i * c.o + v * width : nullptr);
    }
}

/** One row of pooled outputs: x at the window row's first input row. */
template <int vectors>
void pool_channels(const ConvShape& c, int64_t pw, int64_t j, const float* x, const float* kernel, const float* bias, float* pooled,
                   uint8_t* index) {
  int64_t p = 0;
  for (; p + windows_at_once <= pw; p += windows_at_once)
    pool_windows<windows_at_once, vectors>(c, x + 2 * p * c.c, kernel + j, bias + j, pooled + p * c.o + j,
                                           index ? index + p * c.o + j : nullptr);
  for (; p < pw; p++)
    pool_windows<1, vectors>(c, x + 2 * p * c.c, kernel + j, bias + j, pooled + p * c.o + j, index ? index + p * c.o + j : nullptr);
}

inline void pool_row_first_layer(const ConvShape& c, int64_t pw, const float* x, const float* kernel, const float* bias, float* pooled,
                                 uint8_t* index) {
  int64_t j = 0;
  for (; j + 2 * width <= c.o; j += 2 * width) pool_channels<2>(c, pw, j, x, kernel, bias, pooled, index);
  if (j < c.o) pool_channels<1>(c, pw, j, x, kernel, bias, pooled, index);
}

inline Step bind_first_layer(Call& call, const ConvShape& c, int64_t ph, int64_t pw) {
  const View x = call.in[0], kernel = call.in[1], bias = call.in[2], pooled = call.out[0], index = call.out[1];
  const int64_t rows = c.n * ph, chunks = std::min(rows, pieces_of_work(c.multiply_adds(), 64));
  return [=](const Frame& frame) {
    uint8_t* places = index.used() ? frame.at<uint8_t>(index) : nullptr;
    parallel(chunks, [&](int64_t chunk, int) {
      for (int64_t row = rows * chunk / chunks; row < rows * (chunk + 1) / chunks; row++) {
        const int64_t image = row / ph, y = row % ph, to = row * pw * c.o;
        pool_row_first_layer(c, pw, frame.at<const float>(x) + (image * c.h + 2 * y) * c.w * c.c, frame.at<const float>(kernel),
                             frame.at<const float>(bias), frame.at<float>(pooled) + to, places ? places + to : nullptr);
      }
    });
  };
}

#if WEFT_LEVEL == 2

inline bool fits_first_layer_grad(const ConvShape& c, int64_t pool_h, int64_t pool_w) {
  return fits_first_layer(c, pool_h, pool_w) && c.kh == 3 && c.kw == 3 && c.c <= 4;
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
 * Adds one image's gradient of the kernel [3, 3, c, o] to dk and of the bias to db, for the two vectors of channels
 * from j on. `pooled`, `index`, `g`: [ph, pw, o].
 */
template <int vectors>
void add_first_layer_grad(const ConvShape& c, int64_t ph, int64_t pw, int64_t j, const float* planes, const float* pooled,
                          const uint8_t* index, const float* g, float* dk, float* db) {
  const __m512i low_bit = _mm512_set1_epi32(1);
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
        __m512 patch = _mm512_castps128_ps512(_mm_loadu_ps(row + 2 * p));
        patch = _mm512_insertf32x4(patch, _mm_loadu_ps(row + c.w + 2 * p), 1);
        patch = _mm512_insertf32x4(patch, _mm_loadu_ps(row + 2 * c.w + 2 * p), 2);
        patch = _mm512_insertf32x4(patch, _mm_loadu_ps(row + 3 * c.w + 2 * p), 3);
#pragma GCC unroll 2
        for (int v = 0; v < vectors; v++) {
          const int64_t i = at + p * c.o + v * width;
          const __mmask16 active = _mm512_cmp_ps_mask(load(pooled + i), zero(), _CMP_GT_OQ);
          const Vec gradient = _mm512_maskz_loadu_ps(active, g + i);
          total[v] = total[v] + gradient;
          // place 0 1 2 3 of the window is lane 0 1 4 5 of the patch
          const __m512i place = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(index + i)));
          const __m512i lane = _mm512_add_epi32(place, _mm512_andnot_si512(low_bit, place));
#pragma GCC unroll 9
          for (int tap = 0; tap < 9; tap++) {
            const __m512i chosen = _mm512_add_epi32(lane, _mm512_set1_epi32(tap / 3 * 4 + tap % 3));
            sum[tap][v] = fma(_mm512_permutexvar_ps(chosen, patch), gradient, sum[tap][v]);
          }
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
inline Step bind_first_layer_grad(Call& call, const ConvShape& c, int64_t ph, int64_t pw) {
  const View x = call.in[0], pooled = call.in[2], index = call.in[3], g = call.in[4], dk = call.out[1], db = call.out[2];
  const int64_t elements = c.depth() * c.o, pitch = elements + c.o;
  const int64_t chunks = std::min({c.n, pieces_of_work(c.multiply_adds(), 8), partial_sums(pitch, 8)});
  const View parts = call.scratch(size_t(chunks * pitch) * sizeof(float));
  const LaneScratch planes(call, size_t(planes_size(c)) * sizeof(float));
  return [=](const Frame& frame) {
    float* sums = frame.at<float>(parts);
    parallel(chunks, [&](int64_t chunk, int lane) {
      float *sum = sums + chunk * pitch, *bias = sum + elements;
      std::fill(sum, sum + pitch, 0.0f);
      for (int64_t image = c.n * chunk / chunks; image < c.n * (chunk + 1) / chunks; image++) {
        const float* split = split_channels(c, frame.at<const float>(x) + image * c.h * c.w * c.c, planes.at<float>(frame, lane));
        const int64_t from = image * ph * pw * c.o;
        const float *y = frame.at<const float>(pooled) + from, *gradient = frame.at<const float>(g) + from;
        const uint8_t* places = frame.at<const uint8_t>(index) + from;
        int64_t j = 0;
        for (; j + 2 * width <= c.o; j += 2 * width) add_first_layer_grad<2>(c, ph, pw, j, split, y, places, gradient, sum, bias);
        if (j < c.o) add_first_layer_grad<1>(c, ph, pw, j, split, y, places, gradient, sum, bias);
      }
    });
    if (dk.used()) add_partial_sums(sums, chunks, pitch, elements, frame.at<float>(dk));
    if (db.used()) add_partial_sums(sums + elements, chunks, pitch, c.o, frame.at<float>(db));
  };
}

#endif

}  // namespace weft::cpu::WEFT_ISA
