// groupedDense: floats times weights of 4 or 8 bits, which have a scale for each column of a group of rows. With few
// rows of x its time is that of reading the weights: a thread goes down a strip of neighbouring columns, one row of
// which is a line of memory or more, and fetches ahead, as no prefetcher follows rows that are pages apart.
#include "chunks.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** The product of some rows of x with a strip of columns. Pointers are to the first row and column. */
struct Strip {
  const float* x;
  const uint8_t* w;
  const float *scale, *bias;  // bias may be null
  float* y;
  int64_t k, n, group;
  int last;  // columns of the last vector
};

/** A table of what the 16 values of 4 bits stand for. */
template <int... value> WEFT_INLINE Vec signed_values(std::integer_sequence<int, value...>) { return Vec{float(value % 16 - 8)...}; }

/** The first `used` of `width` bytes, as 32-bit integers. */
template <bool is_signed> WEFT_INLINE IVec load_bytes_wide(const uint8_t* p, int used) {
#if WEFT_LEVEL == 2
  const __m128i bytes = used == width ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)) : _mm_maskz_loadu_epi8(first_lanes(used), p);
  return (IVec)(is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes));
#else
  uint8_t few[width] = {};
  if (used < width) std::memcpy(few, p, size_t(used)), p = few;
#if WEFT_LEVEL == 1
  const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  return (IVec)(is_signed ? _mm256_cvtepi8_epi32(bytes) : _mm256_cvtepu8_epi32(bytes));
#else
  IVec wide{};
  for (int i = 0; i < width; i++) wide[i] = is_signed ? int32_t(int8_t(p[i])) : int32_t(p[i]);
  return wide;
#endif
#endif
}

/** The weights of a row, or of two rows of 4 bits, as floats. */
template <int bits> struct Weights {
  Vec row[2];
  WEFT_INLINE explicit Weights(const uint8_t* p, int used) {
    const IVec wide = load_bytes_wide<bits == 8>(p, used);
    if constexpr (bits == 8) {
      row[0] = to_float(wide);
    } else {
#if WEFT_LEVEL == 2
      // the permutation looks at the lowest 4 bits of an index
      const Vec values = signed_values(std::make_integer_sequence<int, width>());
      row[0] = _mm512_permutexvar_ps((__m512i)wide, values);
      row[1] = _mm512_permutexvar_ps((__m512i)(wide >> 4), values);
#else
      row[0] = to_float((wide & broadcast_integer(15)) - broadcast_integer(8));
      row[1] = to_float((wide >> 4) - broadcast_integer(8));
#endif
    }
  }
};

WEFT_INLINE Vec load_partial_columns(const float* p, int n) { return load_masked(p, first_lanes(n)); }

constexpr int64_t rows_ahead = 24;

template <int bits, int rows, int vectors> __attribute__((noinline)) void multiply_strip(const Strip& s) {
  // only a strip of one vector can be cut short
  const auto used = [&](int) { return vectors == 1 ? s.last : width; };
  const auto load_columns = [&](const float* p, int j) { return vectors == 1 ? load_partial_columns(p, s.last) : load(p + j * width); };
  constexpr int values = bits == 4 ? 2 : 1;  // rows of the weights in a row of bytes
  Vec total[rows][vectors];
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++) total[i][j] = s.bias ? load_columns(s.bias, j) : zero();
  const uint8_t* w = s.w;
  const float* scale = s.scale;
  for (int64_t begin = 0; begin < s.k; begin += s.group, scale += s.n) {
    const int64_t end = std::min(s.k, begin + s.group);
    Vec sum[rows][vectors] = {};
    int64_t p = begin;
    for (; p + values <= end; p += values, w += s.n) {
      for (int j = 0; j < vectors; j += 64 / width) __builtin_prefetch(w + rows_ahead * s.n + j * width);
      Vec x[rows][values];
#pragma GCC unroll 4
      for (int i = 0; i < rows; i++)
        for (int h = 0; h < values; h++) x[i][h] = broadcast(s.x[i * s.k + p + h]);
#pragma GCC unroll 8
      for (int j = 0; j < vectors; j++) {
        const Weights<bits> weights(w + j * width, used(j));
#pragma GCC unroll 4
        for (int i = 0; i < rows; i++)
          for (int h = 0; h < values; h++) sum[i][j] = fma(x[i][h], weights.row[h], sum[i][j]);
      }
    }
    if (p < end)  // the last row of an odd number of them
      for (int j = 0; j < vectors; j++) {
        const Weights<bits> weights(w + j * width, used(j));
        for (int i = 0; i < rows; i++) sum[i][j] = fma(broadcast(s.x[i * s.k + p]), weights.row[0], sum[i][j]);
      }
    for (int i = 0; i < rows; i++)
      for (int j = 0; j < vectors; j++) total[i][j] = fma(sum[i][j], load_columns(scale, j), total[i][j]);
  }
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < vectors; j++) {
      if (vectors == 1) store_masked(s.y + i * s.n, total[i][j], first_lanes(s.last));
      else store(s.y + i * s.n + j * width, total[i][j]);
    }
}

constexpr int64_t wide = 8 * width, pair = 2 * width;

/** The variants for 4 rows, for a wide strip of one row, and for what is left of a row. */
struct Variants {
  void (*rows)(const Strip&);
  void (*wide)(const Strip&);
  void (*rest)(const Strip&);
};
template <int bits> constexpr Variants variants_for{multiply_strip<bits, 4, 2>, multiply_strip<bits, 1, 8>, multiply_strip<bits, 1, 1>};

KERNEL(cpu, groupedDense) {
  const Variants variants = call.attrs.integer("bits") == 4 ? variants_for<4> : variants_for<8>;
  const View x = call.in[0], w = call.in[1], scale = call.in[2], y = call.out[0];
  const View bias = call.in.size() > 3 ? call.in[3] : View{};
  const int64_t m = x.dim(0), k = x.dim(1), n = y.dim(1), group = call.attrs.integer("groupSize");
  require(call.attrs.integer("units") == n, "ERR_SHAPE", "groupedDense: the result has ", n, " columns");
  call.flops = 2.0 * double(m) * double(n) * double(k);
  if (m * n == 0) return [](const Frame&) {};
  const int64_t strips = (n + wide - 1) / wide, chunks = std::min(strips, pieces_of_work(double(m) * double(n) * double(k)));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int) {
      const int64_t end = std::min(n, strips * (chunk + 1) / chunks * wide);
      const auto at = [&](int64_t row, int64_t j, int last) {
        return Strip{.x = frame.at<const float>(x) + row * k,
                     .w = frame.at<const uint8_t>(w) + j,
                     .scale = frame.at<const float>(scale) + j,
                     .bias = bias.used() ? frame.at<const float>(bias) + j : nullptr,
                     .y = frame.at<float>(y) + row * n + j,
                     .k = k,
                     .n = n,
                     .group = group,
                     .last = last};
      };
      for (int64_t first = strips * chunk / chunks * wide; first < end; first += wide) {
        const int64_t stop = std::min(end, first + wide);
        int64_t row = 0;
        for (; row + 4 <= m; row += 4) {
          int64_t j = first;
          for (; j + pair <= stop; j += pair) variants.rows(at(row, j, width));
          for (; j < stop; j += width)
            for (int i = 0; i < 4; i++) variants.rest(at(row + i, j, int(std::min<int64_t>(width, stop - j))));
        }
        for (; row < m; row++) {
          int64_t j = first;
          for (; j + wide <= stop; j += wide) variants.wide(at(row, j, width));
          for (; j < stop; j += width) variants.rest(at(row, j, int(std::min<int64_t>(width, stop - j))));
        }
      }
    });
  };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
