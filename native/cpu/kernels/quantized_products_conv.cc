// int8Conv2d: direct convolution of bytes by bands of output rows. Input rows become bytes, with the zero point where the
// border is, in a copy that a thread's caches hold; images of bytes without a border are read where they lie.
#include "conv_shape.h"
#include "quantized_finish.h"

namespace weft::cpu::WEFT_ISA {
namespace {

class ConvOfBytes {
 public:
  WEFT_BINDER ConvOfBytes(Call& call, const ConvShape& s, const Finish& finish)
      : s_(s), x_(call.in[0]), w_(call.in[1]), y_(call.out[0]), finish_(finish) {
    merged_ = s.groups == 1 && s.dilation_w == 1;  // a kernel row is one stretch of the input
    length_ = merged_ ? s.kw * s.group_c() : s.group_c();
    inner_ = merged_ ? 1 : s.kw;
    panels_ = panels_in(s.group_o());
    quads_ = quads_in(length_);
    bordered_ = s.bordered();
    copied_ = bordered_ || x_.dtype != DType::uint8 || length_ % quad != 0;
    pitch_ = (bordered_ ? s.reach_w() : s.w) * s.c;
    const int64_t rows = std::max<int64_t>(1, ((1 << 16) / std::max<int64_t>(1, pitch_) - s.kh * s.dilation_h) / s.stride_h);
    bands_ = Bands(s, rows, 64);
    if (copied_) input_ = ThreadScratch(call, size_t(s.reach_h(bands_.rows) * pitch_ + 64));
    packed_ = call.scratch(size_t(s.groups * panels_ * panel_bytes()));
    if (finish_.needs_column_sums()) ones_ = call.scratch(size_t(panel_bytes() / panel_columns));
  }

  void run(const Frame& frame) const {
    prepare_weights(frame);
    finish_.prepare(frame);
    parallel(bands_.chunks, [&](int64_t chunk, int thread) {
      bands_.for_chunk(s_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const uint8_t* in = frame.at<const uint8_t>(x_) + (image * s_.h + y0 * s_.stride_h) * pitch_;
        if (copied_) {
          uint8_t* copy = input_.at<uint8_t>(frame, thread);
          copy_rows(frame, image, y0 * s_.stride_h, s_.reach_h(y1 - y0), copy);
          in = copy;
        }
        convolve(frame, in, y1 - y0, (image * s_.oh + y0) * s_.ow * s_.o);
      });
    });
  }

 private:
  int64_t panel_bytes() const { return s_.kh * inner_ * quads_ * panel_columns * quad; }

  /** Rows [first, first + rows) of the bordered image, as bytes. */
  void copy_rows(const Frame& frame, int64_t image, int64_t first, int64_t rows, uint8_t* to) const {
    const int64_t columns = pitch_ / s_.c, left = bordered_ ? s_.left : 0, top = bordered_ ? s_.top : 0;
    const int64_t begin = std::clamp<int64_t>(left, 0, columns), end = std::clamp<int64_t>(left + s_.w, begin, columns);
    const uint8_t zero = uint8_t(finish_.input().zero);
    for (int64_t r = 0; r < rows; r++, to += pitch_) {
      const int64_t row = first + r - top;
      if (row < 0 || row >= s_.h) {
        std::fill(to, to + pitch_, zero);
        continue;
      }
      std::fill(to, to + begin * s_.c, zero);
      const int64_t from = ((image * s_.h + row) * s_.w + begin - left) * s_.c, count = (end - begin) * s_.c;
      if (x_.dtype == DType::uint8) std::copy_n(frame.at<const uint8_t>(x_) + from, count, to + begin * s_.c);
      else quantize_row(frame.at<const float>(x_) + from, finish_.input(), to + begin * s_.c, count);
      std::fill(to + end * s_.c, to + pitch_, zero);
    }
    std::fill_n(to, quad, zero);  // what the last quad reads beyond the last row
  }

  void prepare_weights(const Frame& frame) const {
    const bool add = ones_.used();
    if (add) std::fill_n(frame.at<uint8_t>(ones_), panel_bytes() / panel_columns, uint8_t(1));
    parallel_range(s_.groups * panels_, std::max<int64_t>(1, (1 << 17) / std::max<int64_t>(1, panel_bytes())), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; p++) {
        const int64_t group = p / panels_, j = p % panels_ * panel_columns, columns = std::min(panel_columns, s_.group_o() - j);
        const int64_t channel = group * s_.group_o() + j;
        int8_t *panel = frame.at<int8_t>(packed_) + p * panel_bytes(), *to = panel;
        for (int64_t run = 0; run < s_.kh * inner_; run++)
          to = pack_bytes(frame.at<const int8_t>(w_) + run * length_ * s_.o + channel, s_.o, length_, columns, to);
        if (!add) continue;
        alignas(64) int32_t sums[sums_row];
        const int64_t quads = s_.kh * inner_ * quads_;
        multiply_bytes({.a = frame.at<const uint8_t>(ones_), .a_row = 0, .quads = quads, .b = panel, .sums = sums}, 1, 1);
        std::copy_n(sums, columns, finish_.column_sums(frame) + channel);
      }
    });
  }

  /** Output rows of a band. `at` is where they begin in the result. */
  void convolve(const Frame& frame, const uint8_t* in, int64_t rows, int64_t at) const {
    const int64_t size = int64_t(finish_.bytes_of_result());
    alignas(64) int32_t sums[byte_tile_rows * sums_row];
    ByteTile tile{.a = nullptr,
                  .a_row = s_.stride_w * s_.c,
                  .quads = quads_,
                  .b = nullptr,
                  .sums = sums,
                  .outer = s_.kh,
                  .inner = inner_,
                  .a_outer = s_.dilation_h * pitch_,
                  .a_inner = s_.dilation_w * s_.c};
    // Without strides the pixels of all rows follow each other, with some between that nobody wants: tiles go across the
    // ends of rows.
    const int64_t across = s_.stride_h == 1 && s_.stride_w == 1 ? pitch_ / s_.c : 0;
    for (int64_t group = 0; group < s_.groups; group++)
      for (int64_t j = 0; j < s_.group_o(); j += sums_row) {
        const int64_t columns = std::min(sums_row, s_.group_o() - j), channel = group * s_.group_o() + j;
        tile.b = frame.at<const int8_t>(packed_) + (group * panels_ + j / panel_columns) * panel_bytes();
        const auto pixels = [&](const uint8_t* from, int64_t first_row, int64_t count, int64_t per_row) {
          for (int64_t p = 0; p < count; p += byte_tile_rows) {
            const int64_t height = std::min<int64_t>(byte_tile_rows, count - p);
            tile.a = from + p * tile.a_row + group * s_.group_c();
            multiply_bytes(tile, int(height), int(panels_in(columns)));
            for (int64_t i = 0; i < height;) {
              const int64_t y = first_row + (p + i) / per_row, x = (p + i) % per_row;
              const int64_t now = std::min(height - i, x < s_.ow ? s_.ow - x : per_row - x);
              if (x < s_.ow)
                finish_.tile(frame, sums + i * sums_row, int(now),
                             {frame.at<char>(y_) + (at + (y * s_.ow + x) * s_.o + channel) * size, s_.o, channel, columns});
              i += now;
            }
          }
        };
        if (across > 0) pixels(in, 0, (rows - 1) * across + s_.ow, across);
        else
          for (int64_t y = 0; y < rows; y++) pixels(in + y * s_.stride_h * pitch_, y, s_.ow, s_.ow);
      }
  }

  ConvShape s_;
  View x_, w_, y_, packed_, ones_;
  Finish finish_;
  Bands bands_;
  ThreadScratch input_;
  int64_t length_ = 0, inner_ = 1, quads_ = 0, panels_ = 0, pitch_ = 0;
  bool merged_ = false, copied_ = false, bordered_ = false;
};

KERNEL(cpu, int8Conv2d) {
  const View y = call.out[0];
  const ConvShape s = conv_shape(call, call.in[0].dims, call.in[1].dims, y.dim(1), y.dim(2));
  const Finish finish(call, s.o);
  if (s.empty()) return [](const Frame&) {};
  const ConvOfBytes conv(call, s, finish);
  return [=](const Frame& frame) { conv.run(frame); };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
