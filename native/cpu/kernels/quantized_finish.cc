// Floats to steps of a scale, and exact sums to results.
#include "quantized_finish.h"

#include <cmath>
#include <limits>

namespace weft::cpu::WEFT_ISA {

WEFT_BINDER QuantizedRange range_attribute(const Call& call, const char* of) {
  const std::string name = of;
  return {float(call.attrs.number(name + "Scale")), int32_t(call.attrs.integer(name + "ZeroPoint"))};
}

void quantize_run(const float* x, const float* scale, const int32_t* zero, int64_t step, int32_t least, uint8_t* q, int64_t n) {
  Vec s = broadcast(*scale);
  IVec z = broadcast_integer(*zero);
  for (int64_t i = 0; i < n; i += width) {
    const size_t used = size_t(std::min<int64_t>(width, n - i));
    const Mask lanes = first_lanes(int(used));
    if (step) {
      s = load_masked(scale + i, lanes);
      std::memcpy(&z, zero + i, used * sizeof(int32_t));
    }
    const Vec quotient = load_masked(x + i, lanes) / s, zeros = to_float(z);
    const Vec finite = select(unordered(quotient, quotient), zeros - zeros, quotient);
    const IVec steps = nearest_integer(min(max(finite, broadcast(float(least)) - zeros), broadcast(float(least + 255)) - zeros)) + z;
    if (used == width) {
      store_low_bytes(q + i, steps);
    } else {
      uint8_t bytes[width];
      store_low_bytes(bytes, steps);
      std::memcpy(q + i, bytes, used);
    }
  }
}

void quantize_row(const float* x, const QuantizedRange& range, uint8_t* q, int64_t n) {
  quantize_run(x, &range.scale, &range.zero, 0, 0, q, n);
}

QuantizedRange range_of_row(const float* x, int64_t n) {
  Vec low = zero(), high = zero(), spread = zero();
  for (int64_t i = 0; i < n; i += width) {
    const Vec v = load_masked(x + i, first_lanes(int(std::min<int64_t>(width, n - i))));
    low = min(v, low), high = max(v, high);
    spread = spread + (v - v);  // 0, or NaN
  }
  const float least = -largest(-low), most = largest(high), scale = (most - least) / 255.0f + sum(spread);
  if (scale == 0.0f) return {1.0f, 0};
  if (!(scale < std::numeric_limits<float>::infinity())) return {std::numeric_limits<float>::quiet_NaN(), 0};
  return {scale, int32_t(std::min(255.0f, std::max(0.0f, std::nearbyint(-least / scale))))};
}

void make_values(const float* x, const uint8_t* bytes, const QuantizedRange& range, uint8_t* to, int64_t n) {
  if (value_bytes() == 1) {
    if (x) quantize_row(x, range, to, n);
    else std::memcpy(to, bytes, size_t(n));
    return;
  }
  constexpr int64_t piece = 512;
  uint8_t made[piece];
  for (int64_t i = 0; i < n; i += piece) {
    const int64_t count = std::min(piece, n - i);
    const uint8_t* from = x ? made : bytes + i;
    if (x) quantize_row(x + i, range, made, count);
    int16_t* wide = reinterpret_cast<int16_t*>(to) + i;
    for (int64_t j = 0; j < count; j++) wide[j] = from[j];
  }
}

void fill_values(uint8_t* to, int64_t n, int32_t value) {
  if (value_bytes() == 1) std::memset(to, value, size_t(std::max<int64_t>(0, n)));
  else std::fill_n(reinterpret_cast<int16_t*>(to), std::max<int64_t>(0, n), int16_t(value));
}

WEFT_BINDER Finish::Finish(Call& call, int64_t n)
    : scale_(call.in[2]),
      bias_(call.in.size() > 3 ? call.in[3] : View{}),
      n_(n),
      input_(range_attribute(call, "input")),
      output_(range_attribute(call, "output")),
      activation_(activation_named(call.attrs.text("activation"))) {
  columns_ = call.scratch(size_t(2 * padded() + sums_row) * sizeof(float));  // vectors may reach beyond the end
}

void Finish::prepare(const Frame& frame) const {
  float *factor = frame.at<float>(columns_), *offset = factor + padded();
  const float* scale = frame.at<const float>(scale_);
  const float* bias = bias_.used() ? frame.at<const float>(bias_) : nullptr;
  for (int64_t j = 0; j < padded(); j++) {
    const float own = j < n_ ? scale[scale_.size() == 1 ? 0 : j] : 0.0f, b = bias && j < n_ ? bias[j] : 0.0f;
    const float with_input = input_ ? input_.scale * own : own;
    factor[j] = input_ && folded() ? with_input / output_.scale : with_input;
    offset[j] = folded() ? b / output_.scale : b;
  }
}

const int32_t* Finish::start(int32_t* column_sums) const {
  if (!input_ || input_.zero == 0) return nullptr;
  for (int64_t j = 0; j < sums_row; j++) column_sums[j] *= -input_.zero;
  return column_sums;
}

void Finish::tile(const Frame& frame, const int32_t* sums, int rows, const Place& place) const {
  if (folded()) {
    finish<true>(frame, sums, rows, place);
  } else if (!output_) {
    finish<false>(frame, sums, rows, place);
    if (curved())
      for (int i = 0; i < rows; i++) activate_row(activation_, static_cast<float*>(place.to) + i * place.row, place.columns);
  } else {
    float values[byte_tile_rows * sums_row];
    Place in_between = place;
    in_between.to = values, in_between.row = sums_row;
    finish<false>(frame, sums, rows, in_between);
    for (int i = 0; i < rows; i++) {
      activate_row(activation_, values + i * sums_row, place.columns);
      quantize_row(values + i * sums_row, output_, static_cast<uint8_t*>(place.to) + i * place.row, place.columns);
    }
  }
}

/**
 * Stores a row of a tile as bytes: the integers nearest to y, halves to the even one, plus `zero`. They are at least
 * low and at most 255.
 */
static WEFT_INLINE void store_row_of_bytes(uint8_t* to, const Vec (&y)[sums_row / width], Vec low, Vec high, IVec zero) {
#if WEFT_LEVEL == 1
  __m256i words[2];
#pragma GCC unroll 2
  for (int i = 0; i < 2; i++)
    words[i] = _mm256_packs_epi32(_mm256_cvtps_epi32(min(max(y[2 * i], low), high)), _mm256_cvtps_epi32(min(max(y[2 * i + 1], low), high)));
  const __m256i zeros = _mm256_packs_epi32((__m256i)zero, (__m256i)zero);
  const __m256i bytes = _mm256_packus_epi16(_mm256_add_epi16(words[0], zeros), _mm256_add_epi16(words[1], zeros));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(bytes, order));
#else
#if WEFT_LEVEL == 2
  // where the zero point is 0, a saturating conversion does the rest; what int32 cannot hold counts as large there
  if (zero[0] == 0) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * width), _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(max(y[i], low))));
    return;
  }
#endif
#pragma GCC unroll 2
  for (int i = 0; i < sums_row / width; i++) store_low_bytes(to + i * width, nearest_integer(min(max(y[i], low), high)) + zero);
#endif
}

#if WEFT_LEVEL == 2
/**
 * Rows of 32 bytes that follow each other, two at a time: returns how many it has stored. Four vectors become one by
 * conversions that saturate at 0 and at 255, in lanes of 4 bytes that `order` puts right. The zero point is 0.
 */
static int finish_pairs_of_rows(const int32_t* sums, int rows, const float* factors, const float* offsets, uint8_t* to) {
  const Vec factor[2] = {load(factors), load(factors + width)}, offset[2] = {load(offsets), load(offsets + width)};
  const __m512 most = _mm512_set1_ps(255.0f);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  int i = 0;
  for (; i + 2 <= rows; i += 2) {
    __m512i steps[4];
#pragma GCC unroll 4
    for (int j = 0; j < 4; j++) {
      const Vec sum = (Vec)_mm512_cvtepi32_ps(_mm512_loadu_si512(sums + i * sums_row + j * width));
      // NaN is the second operand, and becomes 0 as it does elsewhere
      steps[j] = _mm512_cvtps_epi32(_mm512_min_ps(most, (__m512)(rounded(sum * factor[j % 2]) + offset[j % 2])));
    }
    const __m512i bytes = _mm512_packus_epi16(_mm512_packs_epi32(steps[0], steps[1]), _mm512_packs_epi32(steps[2], steps[3]));
    _mm512_storeu_si512(to + i * sums_row, _mm512_permutexvar_epi32(order, bytes));
  }
  return i;
}
#endif

template <bool bytes>
__attribute__((noinline)) void Finish::finish(const Frame& frame, const int32_t* sums, int rows, const Place& place) const {
  const float *own_factors = factors(frame, place.column), *offsets = own_factors + padded();
  const bool relu = activation_ == Activation::relu;
  const Vec least = broadcast(relu ? 0.0f : -std::numeric_limits<float>::infinity());
  const Vec low = broadcast(relu ? 0.0f : float(-output_.zero)), high = broadcast(float(255 - output_.zero));
  const IVec zero = broadcast_integer(output_.zero);
  int first = 0;
#if WEFT_LEVEL == 2
  if (bytes && !place.ranges && output_.zero == 0 && place.columns == sums_row && place.row == sums_row)
    first = finish_pairs_of_rows(sums, rows, own_factors, offsets, static_cast<uint8_t*>(place.to));
#endif
  for (int i = first; i < rows; i++) {
    Vec y[sums_row / width];
#pragma GCC unroll 4
    for (int j = 0; j < sums_row / width; j++) {
      IVec sum;
      std::memcpy(&sum, sums + i * sums_row + j * width, sizeof sum);
      Vec factor = load(own_factors + j * width);
      if (place.ranges) [[unlikely]] {
        IVec of_column;
        std::memcpy(&of_column, place.column_sums + j * width, sizeof of_column);
        sum = sum - of_column * broadcast_integer(place.ranges[i].zero);
        factor = rounded(factor * broadcast(place.ranges[i].scale));
        if (bytes) factor = factor / broadcast(output_.scale);
      }
      y[j] = rounded(to_float(sum) * factor) + load(offsets + j * width);
    }
    if constexpr (bytes) {
      uint8_t* to = static_cast<uint8_t*>(place.to) + i * place.row;
      if (place.columns == sums_row) {
        store_row_of_bytes(to, y, low, high, zero);
      } else {
        uint8_t all[sums_row];
        store_row_of_bytes(all, y, low, high, zero);
        std::memcpy(to, all, size_t(place.columns));
      }
    } else {
      float* to = static_cast<float*>(place.to) + i * place.row;
      for (int j = 0; j < sums_row / width && j * width < place.columns; j++)
        store_masked(to + j * width, max(least, y[j]), first_lanes(int(std::min<int64_t>(width, place.columns - j * width))));
    }
  }
}

void sum_columns(const int8_t* panels, int64_t quads, int count, int32_t* sums) {
  // a row of ones, quad by quad: its own stretches all lie at the same place
  uint8_t ones[8];
  fill_values(ones, quad, 1);
  multiply_bytes({.a = ones, .a_row = 0, .quads = 1, .b = panels, .sums = sums, .outer = quads}, 1, count);
}

}  // namespace weft::cpu::WEFT_ISA
