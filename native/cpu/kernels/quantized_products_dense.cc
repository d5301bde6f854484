// int8Dense: rows of bytes times packed weights. Rows of floats become bytes first, all of them, so that each is read
// once.
#include "quantized_finish.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Rows of a that a chunk goes through for a pair of panels: they stay in the second-level cache. */
constexpr int64_t most_rows = 8 * byte_tile_rows;

class DenseOfBytes {
 public:
  WEFT_BINDER DenseOfBytes(Call& call, const Finish& finish)
      : x_(call.in[0]), w_(call.in[1]), y_(call.out[0]), finish_(finish), m_(x_.dim(0)), k_(x_.dim(1)), n_(y_.dim(1)) {
    quads_ = quads_in(k_), pairs_ = (n_ + sums_row - 1) / sums_row;
    const int64_t bytes = value_bytes();
    // rows that are a power of 2 of bytes apart would push each other out of the nearest cache
    copied_ = bytes > 1 || x_.dtype != DType::uint8 || k_ % quad != 0 || (k_ % 512 == 0 && m_ >= byte_tile_rows && n_ > sums_row);
    pitch_ = copied_ ? (quads_ * quad * bytes + 63) / 64 * 64 + 64 : k_;
    if (copied_) rows_ = call.scratch(size_t(m_ * pitch_));
    if (!finish_.input()) ranges_ = call.scratch(size_t(m_) * sizeof(QuantizedRange));
    const int64_t panels = 2 * panel_bytes();
    if (w_.rank() == 2) packed_ = ThreadScratch(call, size_t(panels));
    if (bytes > 1) widened_ = ThreadScratch(call, size_t(panels * bytes));
    const int64_t pieces = pieces_of_work(double(m_) * double(n_) * double(k_) / 4);
    row_chunks_ = std::max((m_ + most_rows - 1) / most_rows, std::min(pieces, m_ / byte_tile_rows));
    column_chunks_ = std::clamp<int64_t>((pieces + row_chunks_ - 1) / row_chunks_, 1, pairs_);
  }

  void run(const Frame& frame) const {
    if (copied_)
      parallel_range(m_, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, k_)),
                     [&](int64_t begin, int64_t end) { make_rows(frame, begin, end); });
    finish_.prepare(frame);
    parallel(row_chunks_ * column_chunks_, [&](int64_t chunk, int thread) {
      const int64_t row = chunk % row_chunks_, column = chunk / row_chunks_;
      for (int64_t p = pairs_ * column / column_chunks_; p < pairs_ * (column + 1) / column_chunks_; p++)
        multiply(frame, thread, p * sums_row, m_ * row / row_chunks_, m_ * (row + 1) / row_chunks_);
    });
  }

 private:
  int64_t panel_bytes() const { return quads_ * panel_columns * quad; }

  void make_rows(const Frame& frame, int64_t begin, int64_t end) const {
    for (int64_t i = begin; i < end; i++) {
      uint8_t* to = frame.at<uint8_t>(rows_) + i * pitch_;
      const bool bytes = x_.dtype == DType::uint8;
      const float* from = bytes ? nullptr : frame.at<const float>(x_) + i * k_;
      QuantizedRange range = finish_.input();
      if (!range) range = frame.at<QuantizedRange>(ranges_)[i] = range_of_row(from, k_);
      make_values(from, bytes ? frame.at<const uint8_t>(x_) + i * k_ : nullptr, range, to, k_);
      fill_values(to + k_ * value_bytes(), quads_ * quad - k_, 0);
    }
  }

  /** Columns [j, j + 32) of rows [r0, r1). */
  void multiply(const Frame& frame, int thread, int64_t j, int64_t r0, int64_t r1) const {
    const int64_t columns = std::min(sums_row, n_ - j);
    const int panels = int(panels_in(columns));
    const int8_t* weights = frame.at<const int8_t>(w_) + (packed_.bytes ? j : j / panel_columns * panel_bytes());
    if (packed_.bytes) {
      int8_t *packed = packed_.at<int8_t>(frame, thread), *to = packed;
      for (int64_t first = 0; first < columns; first += panel_columns)
        to = pack_bytes(weights + first, n_, k_, std::min(panel_columns, columns - first), to);
      weights = packed;
    }
    if (widened_.bytes) {
      int16_t* wide = widened_.at<int16_t>(frame, thread);
      widen_panels(weights, panels * quads_, wide);
      weights = reinterpret_cast<const int8_t*>(wide);
    }
    alignas(64) int32_t sums[byte_tile_rows * sums_row] = {}, of_columns[sums_row] = {};
    if (finish_.needs_column_sums()) sum_columns(weights, quads_, panels, of_columns);
    ByteTile tile{.a = frame.at<const uint8_t>(copied_ ? rows_ : x_),
                  .a_row = pitch_,
                  .quads = quads_,
                  .b = weights,
                  .sums = sums,
                  .start = finish_.start(of_columns)};
    tile.a += r0 * pitch_;
    const QuantizedRange* ranges = ranges_.used() ? frame.at<const QuantizedRange>(ranges_) : nullptr;
    for (int64_t i = r0; i < r1; i += byte_tile_rows, tile.a += byte_tile_rows * pitch_) {
      const int height = int(std::min<int64_t>(byte_tile_rows, r1 - i));
      multiply_bytes(tile, height, panels);
      char* to = frame.at<char>(y_) + (i * n_ + j) * finish_.bytes_of_result();
      finish_.tile(frame, sums, height, {to, n_, j, columns, ranges ? ranges + i : nullptr, of_columns});
    }
  }

  View x_, w_, y_, rows_, ranges_;
  ThreadScratch packed_, widened_;
  Finish finish_;
  int64_t m_, k_, n_, quads_ = 0, pairs_ = 0, pitch_ = 0, row_chunks_ = 1, column_chunks_ = 1;
  bool copied_ = false;
};

KERNEL(cpu, int8Dense) {
  const View &x = call.in[0], &y = call.out[0];
  require(call.attrs.integer("units") == y.dim(1), "ERR_SHAPE", "int8Dense: the result has ", y.dim(1), " columns");
  call.flops = 2.0 * double(y.size()) * double(x.dim(1));
  const Finish finish(call, y.dim(1));
  if (y.size() == 0) return [](const Frame&) {};
  return [dense = DenseOfBytes(call, finish)](const Frame& frame) { dense.run(frame); };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
