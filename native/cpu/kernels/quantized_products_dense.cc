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
    quads_ = quads_in(k_), panels_ = panels_in(n_);
    copied_ = x_.dtype != DType::uint8 || k_ % quad != 0;
    // rows that are a multiple of 4096 bytes apart would push each other out of the nearest cache
    pitch_ = copied_ ? (quads_ * quad + 63) / 64 * 64 + 64 : k_;
    if (copied_) rows_ = call.scratch(size_t(m_ * pitch_));
    if (!finish_.input()) ranges_ = call.scratch(size_t(m_) * sizeof(QuantizedRange));
    if (w_.rank() == 2) packed_ = call.scratch(size_t(panels_ * panel_bytes()));
    if (finish_.needs_column_sums()) ones_ = call.scratch(size_t(quads_ * quad));
    const int64_t pieces = pieces_of_work(double(m_) * double(n_) * double(k_) / 4);
    row_chunks_ = std::max((m_ + most_rows - 1) / most_rows, std::min(pieces, m_ / byte_tile_rows));
    column_chunks_ = std::clamp<int64_t>((pieces + row_chunks_ - 1) / row_chunks_, 1, (panels_ + 1) / tile_panels);
  }

  void run(const Frame& frame) const {
    prepare_rows(frame);
    const int8_t* weights = frame.at<const int8_t>(w_.rank() == 2 ? packed_ : w_);
    prepare_weights(frame, weights);
    finish_.prepare(frame);
    parallel(row_chunks_ * column_chunks_, [&](int64_t chunk, int) {
      const int64_t row = chunk % row_chunks_, column = chunk / row_chunks_, pairs = (panels_ + 1) / tile_panels;
      const int64_t r0 = m_ * row / row_chunks_, r1 = m_ * (row + 1) / row_chunks_;
      const int64_t p0 = pairs * column / column_chunks_, p1 = pairs * (column + 1) / column_chunks_;
      alignas(64) int32_t sums[byte_tile_rows * sums_row];
      ByteTile tile{.a = nullptr, .a_row = pitch_, .quads = quads_, .b = nullptr, .sums = sums};
      const uint8_t* rows = frame.at<const uint8_t>(copied_ ? rows_ : x_);
      const QuantizedRange* ranges = ranges_.used() ? frame.at<const QuantizedRange>(ranges_) : nullptr;
      const int64_t size = int64_t(finish_.bytes_of_result());
      for (int64_t p = p0; p < p1; p++) {
        const int64_t j = p * sums_row, columns = std::min(sums_row, n_ - j);
        tile.b = weights + p * tile_panels * panel_bytes();
        for (int64_t i = r0; i < r1; i += byte_tile_rows) {
          const int height = int(std::min<int64_t>(byte_tile_rows, r1 - i));
          tile.a = rows + i * pitch_;
          multiply_bytes(tile, height, int(panels_in(columns)));
          finish_.tile(frame, sums, height, {frame.at<char>(y_) + (i * n_ + j) * size, n_, j, columns, ranges ? ranges + i : nullptr});
        }
      }
    });
  }

 private:
  int64_t panel_bytes() const { return quads_ * panel_columns * quad; }

  void prepare_rows(const Frame& frame) const {
    if (!copied_) return;
    parallel_range(m_, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, k_)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        uint8_t* to = frame.at<uint8_t>(rows_) + i * pitch_;
        if (x_.dtype == DType::uint8) {
          std::copy_n(frame.at<const uint8_t>(x_) + i * k_, k_, to);
        } else {
          const float* from = frame.at<const float>(x_) + i * k_;
          QuantizedRange range = finish_.input();
          if (!range) range = frame.at<QuantizedRange>(ranges_)[i] = range_of_row(from, k_);
          quantize_row(from, range, to, k_);
        }
        std::fill(to + k_, to + quads_ * quad, uint8_t(0));
      }
    });
  }

  void prepare_weights(const Frame& frame, const int8_t* weights) const {
    const bool pack = w_.rank() == 2, add = ones_.used();
    if (!pack && !add) return;
    if (add) std::fill_n(frame.at<uint8_t>(ones_), quads_ * quad, uint8_t(1));
    parallel_range(panels_, std::max<int64_t>(1, (1 << 17) / std::max<int64_t>(1, panel_bytes())), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const int64_t j = p * panel_columns, columns = std::min(panel_columns, n_ - j);
        if (pack) pack_bytes(frame.at<const int8_t>(w_) + j, n_, k_, columns, frame.at<int8_t>(packed_) + p * panel_bytes());
        if (!add) continue;
        alignas(64) int32_t sums[sums_row];
        multiply_bytes({.a = frame.at<const uint8_t>(ones_), .a_row = 0, .quads = quads_, .b = weights + p * panel_bytes(), .sums = sums}, 1, 1);
        std::copy_n(sums, panel_columns, finish_.column_sums(frame) + j);
      }
    });
  }

  View x_, w_, y_, rows_, ranges_, packed_, ones_;
  Finish finish_;
  int64_t m_, k_, n_, quads_ = 0, panels_ = 0, pitch_ = 0, row_chunks_ = 1, column_chunks_ = 1;
  bool copied_ = false;
};

KERNEL(cpu, int8Dense) {
  const View x = call.in[0], y = call.out[0];
  require(call.attrs.integer("units") == y.dim(1), "ERR_SHAPE", "int8Dense: the result has ", y.dim(1), " columns");
  const Finish finish(call, y.dim(1));
  call.flops = 2.0 * double(y.size()) * double(x.dim(1));
  if (y.size() == 0) return [](const Frame&) {};
  const DenseOfBytes dense(call, finish);
  return [=](const Frame& frame) { dense.run(frame); };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
