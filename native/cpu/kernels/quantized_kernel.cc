// The micro-kernel on bytes. AVX-512 VNNI multiplies and adds four pairs of bytes at once; elsewhere two products of 16
// bits at a time are added in 32 bits.
#include "quantized_kernel.h"

#include <algorithm>

#ifdef __x86_64__
#include <immintrin.h>
#endif

namespace weft::cpu::WEFT_ISA {
namespace {

typedef int16_t ShortVec __attribute__((vector_size(4 * width)));

WEFT_INLINE IVec load_integers(const int32_t* p) {
  IVec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/** Lane i: a[2i] * b[2i] + a[2i + 1] * b[2i + 1]. */
WEFT_INLINE IVec add_pairs(ShortVec a, ShortVec b) {
#if WEFT_LEVEL == 2
  return (IVec)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif WEFT_LEVEL == 1
  return (IVec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  return (IVec)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
  const int16x8_t p = (int16x8_t)a, q = (int16x8_t)b;
  return (IVec)vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q));
#else
  IVec sum;
  for (int i = 0; i < width; i++) sum[i] = int32_t(a[2 * i]) * b[2 * i] + int32_t(a[2 * i + 1]) * b[2 * i + 1];
  return sum;
#endif
}

/** The larger of two sums, or the smaller one where `factor` is negative. */
WEFT_INLINE IVec pooled(IVec a, IVec b, Vec factor) {
  const IVec more = a > b ? a : b, less = a > b ? b : a;
  return bits_of(factor) < IVec{} ? less : more;
}

/** A panel, from pairs. */
template <int rows> __attribute__((noinline)) void multiply_pairs_of_16(const ByteTile& tile) {
  constexpr int vectors = panel_columns / width;
  IVec sum[rows][vectors];
#pragma GCC unroll 4
  for (int j = 0; j < vectors; j++) {
    const IVec start = tile.start ? load_integers(tile.start + j * width) : IVec{};
#pragma GCC unroll 8
    for (int i = 0; i < rows; i++) sum[i][j] = start;
  }
  const int8_t* b = tile.b;
  const uint8_t* outer_a = tile.a;
  for (int64_t outer = 0; outer < tile.outer; outer++, outer_a += tile.a_outer) {
    const uint8_t* inner_a = outer_a;
    for (int64_t inner = 0; inner < tile.inner; inner++, inner_a += tile.a_inner) {
      const uint8_t* a = inner_a;
      for (int64_t p = 0; p < 2 * tile.quads; p++, a += 4, b += 4 * panel_columns) {
        ShortVec weights[vectors];
#pragma GCC unroll 4
        for (int j = 0; j < vectors; j++) std::memcpy(&weights[j], b + 4 * j * width, sizeof(ShortVec));
#pragma GCC unroll 8
        for (int i = 0; i < rows; i++) {
          int32_t bits;
          std::memcpy(&bits, a + i * tile.a_row, sizeof bits);
          const ShortVec value = (ShortVec)broadcast_integer(bits);
#pragma GCC unroll 4
          for (int j = 0; j < vectors; j++) sum[i][j] += add_pairs(value, weights[j]);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
    for (int j = 0; j < vectors; j++) {
      int32_t* to = tile.sums + i * sums_row + j * width;
      if (tile.pooled) sum[i][j] = pooled(sum[i][j], load_integers(to), load(tile.pooled + j * width));
      std::memcpy(to, &sum[i][j], sizeof(IVec));
    }
}

void multiply_widened(const ByteTile& tile, int rows, int panels) {
  constexpr int most = WEFT_LEVEL == 0 ? 2 : 6;
  for (int p = 0; p < panels; p++) {
    ByteTile part = tile;
    part.b += p * tile.outer * tile.inner * tile.quads * panel_columns * quad * 2;
    part.sums += p * panel_columns;
    if (part.start) part.start += p * panel_columns;
    if (part.pooled) part.pooled += p * panel_columns;
    for (int left = rows; left > 0;) {
      int now = 1;
      if (left >= most) multiply_pairs_of_16<most>(part), now = most;
      else if (left >= 2) multiply_pairs_of_16<2>(part), now = 2;
      else multiply_pairs_of_16<1>(part);
      left -= now, part.a += now * part.a_row, part.sums += now * sums_row;
    }
  }
}

#if WEFT_LEVEL == 2
// No other function may have these instructions: the level of AVX-512 runs on processors without them.
#define WEFT_QUADS __attribute__((target("avx512vnni")))

template <int rows, int panels> WEFT_QUADS __attribute__((noinline)) void multiply_quads(const ByteTile& tile) {
  __m512i sum[rows][panels];
  // every loop over sums is unrolled: they stay in registers
#pragma GCC unroll 2
  for (int p = 0; p < panels; p++) {
    const __m512i start = tile.start ? _mm512_loadu_si512(tile.start + p * panel_columns) : _mm512_setzero_si512();
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++) sum[i][p] = start;
  }
  const int64_t panel = tile.outer * tile.inner * tile.quads * panel_columns * quad, row = tile.a_row;
  const int8_t* b = tile.b;
  const uint8_t* outer_a = tile.a;
  for (int64_t outer = 0; outer < tile.outer; outer++, outer_a += tile.a_outer) {
    const uint8_t* inner_a = outer_a;
    for (int64_t inner = 0; inner < tile.inner; inner++, inner_a += tile.a_inner) {
      const uint8_t* a[(rows + 2) / 3];  // a register for three rows
#pragma GCC unroll 5
      for (int i = 0; i < (rows + 2) / 3; i++) a[i] = inner_a + 3 * i * row;
      for (int64_t q = 0; q < tile.quads; q++, b += panel_columns * quad) {
        __m512i weights[panels];
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++) weights[p] = _mm512_loadu_si512(b + p * panel);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
          int32_t bits;
          std::memcpy(&bits, a[i / 3] + i % 3 * row, sizeof bits);
          const __m512i value = _mm512_set1_epi32(bits);
#pragma GCC unroll 2
          for (int p = 0; p < panels; p++) sum[i][p] = _mm512_dpbusd_epi32(sum[i][p], value, weights[p]);
        }
#pragma GCC unroll 5
        for (int i = 0; i < (rows + 2) / 3; i++) a[i] += quad;
      }
    }
  }
  if (tile.pooled) {
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++) {
      const __mmask16 negative = _mm512_movepi32_mask(_mm512_loadu_si512(tile.pooled + p * panel_columns));
#pragma GCC unroll 14
      for (int i = 0; i < rows; i++) {
        const __m512i before = _mm512_loadu_si512(tile.sums + i * sums_row + p * panel_columns);
        sum[i][p] = _mm512_mask_min_epi32(_mm512_max_epi32(sum[i][p], before), negative, sum[i][p], before);
      }
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++) _mm512_storeu_si512(tile.sums + i * sums_row + p * panel_columns, sum[i][p]);
}

/** Sums and what is the largest of them up to now: both stay in registers. */
template <int rows> WEFT_QUADS __attribute__((noinline)) void pool_quads(const ByteTile& tile, int64_t below, int64_t right) {
  constexpr int panels = 2;
  const int64_t panel = tile.outer * tile.inner * tile.quads * panel_columns * quad, row = tile.a_row;
  __mmask16 negative[panels];
  __m512i best[rows][panels];
#pragma GCC unroll 2
  for (int p = 0; p < panels; p++) {
    negative[p] = _mm512_movepi32_mask(_mm512_loadu_si512(tile.pooled + p * panel_columns));
#pragma GCC unroll 7
    for (int i = 0; i < rows; i++) best[i][p] = _mm512_mask_set1_epi32(_mm512_set1_epi32(INT32_MIN), negative[p], INT32_MAX);
  }
  for (int place = 0; place < 4; place++) {
    __m512i sum[rows][panels];
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++) {
      const __m512i start = tile.start ? _mm512_loadu_si512(tile.start + p * panel_columns) : _mm512_setzero_si512();
#pragma GCC unroll 7
      for (int i = 0; i < rows; i++) sum[i][p] = start;
    }
    const uint8_t* from = tile.a + place / 2 * below + place % 2 * right;
    const int8_t* b = tile.b;
    for (int64_t outer = 0; outer < tile.outer; outer++, from += tile.a_outer) {
      const uint8_t* inner_a = from;
      for (int64_t inner = 0; inner < tile.inner; inner++, inner_a += tile.a_inner) {
        const uint8_t* a = inner_a;
        for (int64_t q = 0; q < tile.quads; q++, a += quad, b += panel_columns * quad) {
          const __m512i first = _mm512_loadu_si512(b), second = _mm512_loadu_si512(b + panel);
#pragma GCC unroll 7
          for (int i = 0; i < rows; i++) {
            int32_t bits;
            std::memcpy(&bits, a + i * row, sizeof bits);
            const __m512i value = _mm512_set1_epi32(bits);
            sum[i][0] = _mm512_dpbusd_epi32(sum[i][0], value, first);
            sum[i][1] = _mm512_dpbusd_epi32(sum[i][1], value, second);
          }
        }
      }
    }
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++)
#pragma GCC unroll 7
      for (int i = 0; i < rows; i++) {
        const __m512i before = best[i][p];
        best[i][p] = _mm512_mask_min_epi32(_mm512_max_epi32(sum[i][p], before), negative[p], sum[i][p], before);
      }
  }
#pragma GCC unroll 7
  for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
    for (int p = 0; p < panels; p++) _mm512_storeu_si512(tile.sums + i * sums_row + p * panel_columns, best[i][p]);
}

template <int panels> void multiply_quads(const ByteTile& tile, int rows) {
  ByteTile part = tile;
  for (int left = rows; left > 0;) {
    int now = 1;
    if (left == 14) multiply_quads<14, panels>(part), now = 14;
    else if (left == 13) multiply_quads<13, panels>(part), now = 13;
    else if (left >= 8) multiply_quads<8, panels>(part), now = 8;
    else if (left >= 4) multiply_quads<4, panels>(part), now = 4;
    else if (left >= 2) multiply_quads<2, panels>(part), now = 2;
    else multiply_quads<1, panels>(part);
    left -= now, part.a += now * part.a_row, part.sums += now * sums_row;
  }
}
#endif

typedef int8_t Row __attribute__((vector_size(16)));
template <int begin, int... lane> WEFT_INLINE Row interleave(Row a, Row b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (begin + lane / 2 + lane % 2 * 16)...);
}
typedef int16_t Pairs __attribute__((vector_size(16)));
template <int begin, int... lane> WEFT_INLINE Pairs interleave_pairs(Row a, Row b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector((Pairs)a, (Pairs)b, (begin + lane / 2 + lane % 2 * 8)...);
}

}  // namespace

void multiply_bytes(const ByteTile& tile, int rows, int panels) {
#if WEFT_LEVEL == 2
  if (multiplies_bytes()) {
    if (panels == 2) multiply_quads<2>(tile, rows);
    else multiply_quads<1>(tile, rows);
    return;
  }
#endif
  multiply_widened(tile, rows, panels);
}

void multiply_pooled([[maybe_unused]] const ByteTile& tile, [[maybe_unused]] int64_t below, [[maybe_unused]] int64_t right) {
#if WEFT_LEVEL == 2
  pool_quads<7>(tile, below, right);
#endif
}

int8_t* pack_bytes(const int8_t* b, int64_t row, int64_t length, int64_t columns, int8_t* to) {
  constexpr auto sixteen = std::make_integer_sequence<int, 16>();
  constexpr auto eight = std::make_integer_sequence<int, 8>();
  for (int64_t p = 0; p < length; p += quad, to += panel_columns * quad) {
    Row r[4] = {};
    for (int64_t i = 0; i < std::min(quad, length - p); i++) {
      const int8_t* from = b + (p + i) * row;
      if (columns == panel_columns) std::memcpy(&r[i], from, sizeof(Row));  // of a size that the compiler knows
      else std::memcpy(&r[i], from, size_t(columns));
    }
    const Row low_a = interleave<0>(r[0], r[1], sixteen), low_b = interleave<0>(r[2], r[3], sixteen);
    const Row high_a = interleave<8>(r[0], r[1], sixteen), high_b = interleave<8>(r[2], r[3], sixteen);
    const Pairs out[4] = {interleave_pairs<0>(low_a, low_b, eight), interleave_pairs<4>(low_a, low_b, eight),
                          interleave_pairs<0>(high_a, high_b, eight), interleave_pairs<4>(high_a, high_b, eight)};
    std::memcpy(to, out, sizeof out);
  }
  return to;
}

void widen_panels(const int8_t* from, int64_t quads, int16_t* to) {
  typedef int16_t Wide __attribute__((vector_size(32)));
  for (int64_t q = 0; q < quads; q++, from += panel_columns * quad, to += panel_columns * quad) {
    Pairs columns[4];  // two pairs of each of four columns
    std::memcpy(columns, from, sizeof columns);
    for (int i = 0; i < 2; i++) {
      const Pairs &a = columns[2 * i], &b = columns[2 * i + 1];
      const Wide first = __builtin_convertvector((Row)__builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14), Wide);
      const Wide second = __builtin_convertvector((Row)__builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15), Wide);
      std::memcpy(to + 16 * i, &first, sizeof first);
      std::memcpy(to + 2 * panel_columns + 16 * i, &second, sizeof second);
    }
  }
}

}  // namespace weft::cpu::WEFT_ISA
