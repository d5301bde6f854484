// The micro-kernel on bytes. AVX-512 VNNI multiplies and adds four pairs of bytes at once. Elsewhere bytes are widened to
// 16 bits, and two products at a time are added in 32 bits: nothing can saturate.
#include "quantized_kernel.h"

#include <algorithm>

#include "cpu/features.h"

namespace weft::cpu::WEFT_ISA {
namespace {

typedef int16_t ShortVec __attribute__((vector_size(4 * width)));
typedef int8_t HalfBytes __attribute__((vector_size(2 * width)));

WEFT_INLINE ShortVec widen(const void* p) {
  HalfBytes bytes;
  std::memcpy(&bytes, p, sizeof bytes);
  return __builtin_convertvector(bytes, ShortVec);
}

/** A quad of uint8, again and again, in 16 bits. */
WEFT_INLINE ShortVec repeated_quad(const uint8_t* p) {
  int32_t bits;
  std::memcpy(&bits, p, sizeof bits);
#if WEFT_LEVEL == 2
  return (ShortVec)_mm512_cvtepu8_epi16(_mm256_set1_epi32(bits));
#elif WEFT_LEVEL == 1
  return (ShortVec)_mm256_cvtepu8_epi16(_mm_set1_epi32(bits));
#else
  typedef uint8_t Eight __attribute__((vector_size(8)));
  typedef int32_t Two __attribute__((vector_size(8)));
  return __builtin_convertvector((Eight)(Two{bits, bits}), ShortVec);
#endif
}

/** Lane i: a[2i] * b[2i] + a[2i + 1] * b[2i + 1]. */
WEFT_INLINE IVec add_pairs(ShortVec a, ShortVec b) {
#if WEFT_LEVEL == 2
  return (IVec)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif WEFT_LEVEL == 1
  return (IVec)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__x86_64__)
  typedef short Eight __attribute__((vector_size(16)));
  return (IVec)__builtin_ia32_pmaddwd128((Eight)a, (Eight)b);
#elif defined(__aarch64__)
  const int16x8_t p = (int16x8_t)a, q = (int16x8_t)b;
  return (IVec)vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(q)), vmull_high_s16(p, q));
#else
  IVec sum;
  for (int i = 0; i < width; i++) sum[i] = int32_t(a[2 * i]) * b[2 * i] + int32_t(a[2 * i + 1]) * b[2 * i + 1];
  return sum;
#endif
}

/** Sums of neighbours: those of a, then those of b. */
template <int... lane> WEFT_INLINE IVec join_pairs(IVec a, IVec b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (2 * lane)...) + __builtin_shufflevector(a, b, (2 * lane + 1)...);
}

/** `width` columns, from column `first` of a panel on. */
template <int rows> __attribute__((noinline)) void multiply_widened(const ByteTile& tile, int64_t first, int32_t* to) {
  IVec sum[rows][2] = {};
  const int8_t* b = tile.b + first * quad;
  for (int64_t run = 0; run < tile.outer * tile.inner; run++) {
    const uint8_t* a = tile.a + run / tile.inner * tile.a_outer + run % tile.inner * tile.a_inner;
    for (int64_t q = 0; q < tile.quads; q++, a += quad, b += panel_columns * quad) {
      const ShortVec low = widen(b), high = widen(b + 2 * width);
#pragma GCC unroll 8
      for (int i = 0; i < rows; i++) {
        const ShortVec value = repeated_quad(a + i * tile.a_row);
        sum[i][0] += add_pairs(value, low);
        sum[i][1] += add_pairs(value, high);
      }
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < rows; i++) {
    const IVec joined = join_pairs(sum[i][0], sum[i][1], std::make_integer_sequence<int, width>());
    std::memcpy(to + i * sums_row, &joined, sizeof joined);
  }
}

void multiply_widened(ByteTile tile, int rows, int panels) {
  const int64_t panel = tile.panel_bytes();
  for (int p = 0; p < panels; p++, tile.b += panel)
    for (int64_t first = 0; first < panel_columns; first += width) {
      ByteTile part = tile;
      int32_t* to = tile.sums + p * panel_columns + first;
      for (int done = 0; done < rows;) {
        const int left = rows - done;
        if (left >= 6) multiply_widened<6>(part, first, to), done += 6, part.a += 6 * part.a_row, to += 6 * sums_row;
        else if (left >= 3) multiply_widened<3>(part, first, to), done += 3, part.a += 3 * part.a_row, to += 3 * sums_row;
        else multiply_widened<1>(part, first, to), done += 1, part.a += part.a_row, to += sums_row;
      }
    }
}

#if WEFT_LEVEL == 2
// No other function may have these instructions: the level of AVX-512 runs on processors without them.
#define WEFT_QUADS __attribute__((target("avx512vnni")))

template <int rows, int panels> WEFT_QUADS __attribute__((noinline)) void multiply_quads(const ByteTile& tile) {
  __m512i sum[rows][panels];
#pragma GCC unroll 12
  for (int i = 0; i < rows; i++)
    for (int p = 0; p < panels; p++) sum[i][p] = _mm512_setzero_si512();
  const int64_t panel = tile.panel_bytes(), row = tile.a_row;
  const int8_t* b = tile.b;
  for (int64_t run = 0; run < tile.outer * tile.inner; run++) {
    const uint8_t* from = tile.a + run / tile.inner * tile.a_outer + run % tile.inner * tile.a_inner;
    const uint8_t* a[(rows + 2) / 3];  // a register for three rows
#pragma GCC unroll 4
    for (int i = 0; i < (rows + 2) / 3; i++) a[i] = from + 3 * i * row;
    for (int64_t q = 0; q < tile.quads; q++, b += panel_columns * quad) {
      __m512i weights[panels];
#pragma GCC unroll 2
      for (int p = 0; p < panels; p++) weights[p] = _mm512_loadu_si512(b + p * panel);
#pragma GCC unroll 12
      for (int i = 0; i < rows; i++) {
        int32_t bits;
        std::memcpy(&bits, a[i / 3] + i % 3 * row, sizeof bits);
        const __m512i value = _mm512_set1_epi32(bits);
#pragma GCC unroll 2
        for (int p = 0; p < panels; p++) sum[i][p] = _mm512_dpbusd_epi32(sum[i][p], value, weights[p]);
      }
#pragma GCC unroll 4
      for (int i = 0; i < (rows + 2) / 3; i++) a[i] += quad;
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < rows; i++)
    for (int p = 0; p < panels; p++) _mm512_storeu_si512(tile.sums + i * sums_row + p * panel_columns, sum[i][p]);
}

template <int panels> void multiply_quads(const ByteTile& tile, int rows) {
  ByteTile part = tile;
  for (int left = rows; left > 0;) {
    int now = 1;
    if (left >= 12) multiply_quads<12, panels>(part), now = 12;
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

int8_t* pack_bytes(const int8_t* b, int64_t row, int64_t length, int64_t columns, int8_t* to) {
  constexpr auto sixteen = std::make_integer_sequence<int, 16>();
  constexpr auto eight = std::make_integer_sequence<int, 8>();
  for (int64_t p = 0; p < length; p += quad, to += panel_columns * quad) {
    Row r[4] = {};
    const int rows = int(std::min(quad, length - p));
    for (int i = 0; i < rows; i++) {
      const int8_t* from = b + (p + i) * row;
      if (columns == panel_columns) std::memcpy(&r[i], from, sizeof(Row));
      else
        for (int64_t j = 0; j < columns; j++) r[i][size_t(j)] = from[j];
    }
    const Row low_a = interleave<0>(r[0], r[1], sixteen), low_b = interleave<0>(r[2], r[3], sixteen);
    const Row high_a = interleave<8>(r[0], r[1], sixteen), high_b = interleave<8>(r[2], r[3], sixteen);
    const Pairs out[4] = {interleave_pairs<0>(low_a, low_b, eight), interleave_pairs<4>(low_a, low_b, eight),
                          interleave_pairs<0>(high_a, high_b, eight), interleave_pairs<4>(high_a, high_b, eight)};
    std::memcpy(to, out, sizeof out);
  }
  return to;
}

}  // namespace weft::cpu::WEFT_ISA
