// How exact sums of products become results: scales, bias and activation, and bytes where the result has a range.
#pragma once
#include "matmul_blocks.h"
#include "quantized.h"
#include "quantized_kernel.h"

namespace weft::cpu::WEFT_ISA {

/** What a product's attributes, scales and bias say. */
class Finish {
 public:
  Finish() = default;
  /** Asks for scratch memory for the n columns; `scale` has one value or n. */
  WEFT_BINDER Finish(Call& call, int64_t n);
  const QuantizedRange& input() const { return input_; }
  int64_t bytes_of_result() const { return output_ ? 1 : int64_t(sizeof(float)); }
  /** Whether the sums of columns of the weights are needed: a zero point other than 0 adds a multiple of them. */
  bool needs_column_sums() const { return !input_ || input_.zero != 0; }

  /** Once per step, before tiles are finished. */
  void prepare(const Frame& frame) const;
  /** The factors of column j on: results fall as sums grow where they are negative. */
  const float* factors(const Frame& frame, int64_t j) const { return frame.at<const float>(columns_) + j; }

  /** What is added to the sums of a pair of panels, from the sums of their columns; null for nothing. */
  const int32_t* start(int32_t* column_sums) const;

  /** Where a tile of the result lies, and what its rows need where their ranges are dynamic. */
  struct Place {
    void* to;     // floats or bytes: column `column` of the first row
    int64_t row;  // elements between rows
    int64_t column, columns;
    const QuantizedRange* ranges = nullptr;
    const int32_t* column_sums = nullptr;
  };

  /** Finishes a tile of sums [rows][sums_row]. */
  void tile(const Frame& frame, const int32_t* sums, int rows, const Place& place) const;

 private:
  template <bool bytes> void finish(const Frame& frame, const int32_t* sums, int rows, const Place& place) const;
  int64_t padded() const { return (n_ + sums_row - 1) / sums_row * sums_row; }
  bool curved() const { return activation_ == Activation::sigmoid || activation_ == Activation::tanh; }
  /** Whether the output's scale is part of the factors. */
  bool folded() const { return bool(output_) && !curved(); }

  View scale_, bias_, columns_;
  int64_t n_ = 0;
  QuantizedRange input_, output_;
  Activation activation_ = Activation::linear;
};

/** The sums of the columns of a pair of panels. */
void sum_columns(const int8_t* panels, int64_t quads, int count, int32_t* sums);

}  // namespace weft::cpu::WEFT_ISA
