// How exact sums of products become results: scales, bias and activation, and bytes where the result has a range.
#pragma once
#include "matmul_blocks.h"
#include "quantized.h"
#include "quantized_kernel.h"

namespace weft::cpu::WEFT_ISA {

/** Rounded to the nearest integer, halves to the even one; |v| is small. */
WEFT_INLINE IVec nearest_integer(Vec v) {
#if WEFT_LEVEL == 0
  return to_integer(round(v));
#else
  return to_integer(v);  // which rounds
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
    columns_ = call.scratch(size_t(3 * padded() + width) * sizeof(float));  // vectors may reach beyond the end
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
    const IVec zeros = broadcast_integer(output_.zero);
    for (int64_t j = 0; j < place.columns; j += width) {
      const int used = int(std::min<int64_t>(width, place.columns - j));
      const Vec factor = load(factors + j), offset = load(offsets + j);
      IVec correction;
      std::memcpy(&correction, corrections + j, sizeof correction);
      for (int i = 0; i < rows; i++) {
        IVec sum;
        std::memcpy(&sum, sums + i * sums_row + j, sizeof sum);
        Vec own = factor;
        if (place.ranges) {
          sum = sum - correction * broadcast_integer(place.ranges[i].zero);
          own = rounded(own * broadcast(place.ranges[i].scale));
          if (bytes) own = own / broadcast(output_.scale);
        } else {
          sum = sum + correction;
        }
        const Vec y = rounded(to_float(sum) * own) + offset;
        const int64_t at = i * place.row + j;
        if constexpr (bytes) {
          store_low_bytes(static_cast<uint8_t*>(place.to) + at, nearest_integer(min(max(y, low), high)) + zeros, used);
        } else {
          float* to = static_cast<float*>(place.to) + at;
          if (used == width) store(to, max(least, y));
          else store_partial(to, max(least, y), used);
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
