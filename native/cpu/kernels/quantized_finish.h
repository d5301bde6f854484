// How exact sums of products become results: scales, bias and activation, and bytes where the result has a range.
#pragma once
#include "matmul_blocks.h"
#include "quantized.h"
#include "quantized_kernel.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Stores a row of a tile as bytes: the integers nearest to y, halves to the even one, plus `zero`. They are at least low
 * and at most 255.
 */
WEFT_INLINE void store_row_of_bytes(uint8_t* to, const Vec (&y)[sums_row / width], Vec low, Vec high, IVec zero) {
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
#pragma GCC unroll 8
  for (int i = 0; i < sums_row / width; i++) {
    const Vec v = min(max(y[i], low), high);
#if WEFT_LEVEL == 2
    store_low_bytes(to + i * width, to_integer(v) + zero);  // which rounds
#else
    store_low_bytes(to + i * width, to_integer(round(v)) + zero);
#endif
  }
#endif
}

/** What a product's attributes, scales and bias say. */
class Finish {
 public:
  Finish() = default;
  /** Asks for scratch memory for the n columns; `scale` has one value or n. */
  WEFT_BINDER Finish(Call& call, int64_t n)
      : scale_(call.in[2]), bias_(call.in.size() > 3 ? call.in[3] : View{}), n_(n), input_(range_attribute(call, "input")),
        output_(range_attribute(call, "output")), activation_(activation_named(call.attrs.text("activation"))) {
    columns_ = call.scratch(size_t(3 * padded() + sums_row) * sizeof(float));  // vectors may reach beyond the end
  }
  QuantizedRange input() const { return input_; }
  size_t bytes_of_result() const { return output_ ? 1 : sizeof(float); }
  /** Whether the sums of columns of the weights are needed: a zero point other than 0 adds a multiple of them. */
  bool needs_column_sums() const { return !input_ || input_.zero != 0; }
  /** Where these go, before prepare(): int32 for each column. */
  int32_t* column_sums(const Frame& frame) const { return frame.at<int32_t>(columns_) + 2 * padded(); }

  /** Once per step, before tiles are finished. */
  void prepare(const Frame& frame) const {
    float *factor = frame.at<float>(columns_), *offset = factor + padded();
    int32_t* sums = column_sums(frame);
    const float* scale = frame.at<const float>(scale_);
    const float* bias = bias_.used() ? frame.at<const float>(bias_) : nullptr;
    for (int64_t j = 0; j < padded(); j++) {
      const float own = j < n_ ? scale[scale_.size() == 1 ? 0 : j] : 0.0f, b = bias && j < n_ ? bias[j] : 0.0f;
      const float with_input = input_ ? input_.scale * own : own;
      factor[j] = input_ && folded() ? with_input / output_.scale : with_input;
      offset[j] = folded() ? b / output_.scale : b;
      if (!needs_column_sums()) sums[j] = 0;
      else if (input_) sums[j] *= -input_.zero;
    }
  }
  /** Where the sums of column j on begin: at what the zero point adds to all rows. Null where rows have their own. */
  const int32_t* start(const Frame& frame, int64_t j) const { return input_ ? column_sums(frame) + j : nullptr; }

  /**
   * Max pooling, before sums are finished: pixels 2i and 2i + 1 of two tiles become pixel i. A result falls as its sum
   * grows where the scale is negative, so the smallest sum is taken there.
   */
  void pool(const Frame& frame, const int32_t* above, const int32_t* below, int64_t column, int pixels, int32_t* to) const {
    const float* factors = frame.at<float>(columns_) + column;
    for (int64_t j = 0; j < sums_row; j += width) {
      const IVec turned = bits_of(load(factors + j)) >> 31;
      for (int i = 0; i < pixels; i++) {
        IVec most = broadcast_integer(INT32_MIN);
        for (const int32_t* from : {above, above + sums_row, below, below + sums_row}) {
          IVec sum;
          std::memcpy(&sum, from + 2 * i * sums_row + j, sizeof sum);
          sum ^= turned;
          most = sum > most ? sum : most;
        }
        most ^= turned;
        std::memcpy(to + i * sums_row + j, &most, sizeof most);
      }
    }
  }

  /** Where a tile of the result lies, and the ranges of its rows where they are dynamic. */
  struct Place {
    void* to;     // floats or bytes: column `column` of the first row
    int64_t row;  // elements between rows
    int64_t column, columns;
    const QuantizedRange* ranges = nullptr;
  };

  /** Finishes a tile of sums [rows][sums_row]. */
  void tile(const Frame& frame, const int32_t* sums, int rows, const Place& place) const {
    if (folded()) {
      finish<true>(frame, sums, rows, place);
    } else if (!output_) {
      finish<false>(frame, sums, rows, place);
      if (curved())
        for (int i = 0; i < rows; i++) activate_row(activation_, static_cast<float*>(place.to) + i * place.row, place.columns);
    } else {
      float values[byte_tile_rows * sums_row];
      finish<false>(frame, sums, rows, {values, sums_row, place.column, place.columns, place.ranges});
      for (int i = 0; i < rows; i++) {
        activate_row(activation_, values + i * sums_row, place.columns);
        quantize_row(values + i * sums_row, output_, static_cast<uint8_t*>(place.to) + i * place.row, place.columns);
      }
    }
  }

 private:
  template <bool bytes> __attribute__((noinline)) void finish(const Frame& frame, const int32_t* sums, int rows, const Place& place) const {
    const float *factors = frame.at<float>(columns_) + place.column, *offsets = factors + padded();
    const int32_t* corrections = column_sums(frame) + place.column;
    const bool relu = activation_ == Activation::relu;
    const Vec least = broadcast(relu ? 0.0f : -std::numeric_limits<float>::infinity());
    const Vec low = broadcast(relu ? 0.0f : float(-output_.zero)), high = broadcast(float(255 - output_.zero));
    const IVec zero = broadcast_integer(output_.zero);
    for (int i = 0; i < rows; i++) {
      Vec y[sums_row / width];
#pragma GCC unroll 8
      for (int j = 0; j < sums_row / width; j++) {
        IVec sum;
        std::memcpy(&sum, sums + i * sums_row + j * width, sizeof sum);
        Vec own = load(factors + j * width);
        if (place.ranges) [[unlikely]] {
          IVec correction;
          std::memcpy(&correction, corrections + j * width, sizeof correction);
          sum = sum - correction * broadcast_integer(place.ranges[i].zero);
          own = rounded(own * broadcast(place.ranges[i].scale));
          if (bytes) own = own / broadcast(output_.scale);
        }
        y[j] = rounded(to_float(sum) * own) + load(offsets + j * width);
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
#pragma GCC unroll 8
        for (int j = 0; j < sums_row / width; j++) {
          const int64_t left = place.columns - j * width;
          if (left >= width) store(to + j * width, max(least, y[j]));
          else if (left > 0) store_partial(to + j * width, max(least, y[j]), int(left));
        }
      }
    }
  }

  int64_t padded() const { return (n_ + sums_row - 1) / sums_row * sums_row; }
  bool curved() const { return activation_ == Activation::sigmoid || activation_ == Activation::tanh; }
  /** Whether the output's scale is part of the factors. */
  bool folded() const { return bool(output_) && !curved(); }

  View scale_, bias_, columns_;
  int64_t n_ = 0;
  QuantizedRange input_, output_;
  Activation activation_ = Activation::linear;
};

}  // namespace weft::cpu::WEFT_ISA
