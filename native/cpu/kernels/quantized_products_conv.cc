// int8Conv2d: direct convolution of bytes by bands of output rows. Input rows become bytes, with the zero point where the
// border is, in a copy that a thread's caches hold; images of bytes without a border are read where they lie.
#include "conv_shape.h"
#include "quantized_finish.h"

namespace weft::cpu::WEFT_ISA {
namespace {

class ConvOfBytes {
 public:
  /** `pooled`: the result is the maximum of each 2 x 2 pixels. */
  WEFT_BINDER ConvOfBytes(Call& call, const ConvShape& s, const Finish& finish, bool pooled)
      : s_(s), pooled_(s), x_(call.in[0]), w_(call.in[1]), y_(call.out[0]), finish_(finish), step_(pooled ? 2 : 1) {
    pooled_.oh = s.oh / step_, pooled_.ow = s.ow / step_;
    merged_ = s.groups == 1 && s.dilation_w == 1;  // a kernel row is one stretch of the input
    length_ = merged_ ? s.kw * s.group_c() : s.group_c();
    inner_ = merged_ ? 1 : s.kw;
    panels_ = panels_in(s.group_o());
    quads_ = quads_in(length_);
    bordered_ = s.bordered();
    copied_ = bordered_ || x_.dtype != DType::uint8 || length_ % quad != 0;
    pitch_ = (bordered_ ? s.reach_w() : s.w) * s.c;
    const int64_t rows = std::max<int64_t>(1, ((1 << 16) / std::max<int64_t>(1, pitch_) - s.kh * s.dilation_h) / s.stride_h);
    bands_ = Bands(pooled_, std::max<int64_t>(1, rows / step_), 64);
    if (copied_) input_ = ThreadScratch(call, size_t(s.reach_h(bands_.rows * step_) * pitch_ + 64));
    packed_ = call.scratch(size_t(s.groups * panels_ * panel_bytes()));
    if (finish_.needs_column_sums()) ones_ = call.scratch(size_t(panel_bytes() / panel_columns));
  }

  void run(const Frame& frame) const {
    prepare_weights(frame);
    finish_.prepare(frame);
    parallel(bands_.chunks, [&](int64_t chunk, int thread) {
      bands_.for_chunk(pooled_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const int64_t first = y0 * step_ * s_.stride_h;
        const uint8_t* in = frame.at<const uint8_t>(x_) + (image * s_.h + first) * pitch_;
        if (copied_) {
          uint8_t* copy = input_.at<uint8_t>(frame, thread);
          copy_rows(frame, image, first, s_.reach_h((y1 - y0) * step_), copy);
          in = copy;
        }
        convolve(frame, in, y1 - y0, (image * pooled_.oh + y0) * pooled_.ow * s_.o);
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
    alignas(64) int32_t sums[3][byte_tile_rows * sums_row] = {};
    ByteTile tile{.a = nullptr,
                  .a_row = s_.stride_w * s_.c,
                  .quads = quads_,
                  .b = nullptr,
                  .sums = sums[0],
                  .outer = s_.kh,
                  .inner = inner_,
                  .a_outer = s_.dilation_h * pitch_,
                  .a_inner = s_.dilation_w * s_.c};
    for (int64_t group = 0; group < s_.groups; group++)
      for (int64_t j = 0; j < s_.group_o(); j += sums_row) {
        const int64_t columns = std::min(sums_row, s_.group_o() - j), channel = group * s_.group_o() + j;
        const int panels = int(panels_in(columns));
        tile.b = frame.at<const int8_t>(packed_) + (group * panels_ + j / panel_columns) * panel_bytes();
        tile.start = finish_.start(frame, channel);
        const uint8_t* from = in + group * s_.group_c();
        const auto finish = [&](const int32_t* of, int count, int64_t y, int64_t x) {
          char* to = frame.at<char>(y_) + (at + (y * pooled_.ow + x) * s_.o + channel) * size;
          finish_.tile(frame, of, count, {to, s_.o, channel, columns});
        };
        if (step_ == 2) {
          for (int64_t y = 0; y < rows; y++)
            for (int64_t x = 0; x < pooled_.ow; x += byte_tile_rows / 2) {
              const int count = int(std::min<int64_t>(byte_tile_rows / 2, pooled_.ow - x));
              for (int half = 0; half < 2; half++) {
                tile.a = from + (2 * y + half) * s_.stride_h * pitch_ + 2 * x * tile.a_row;
                tile.sums = sums[half];
                multiply_bytes(tile, 2 * count, panels);
              }
              finish_.pool(frame, sums[0], sums[1], channel, count, sums[2]);
              finish(sums[2], count, y, x);
            }
        } else if (s_.stride_h == 1 && s_.stride_w == 1) {
          // the pixels of all rows follow each other, with some between that nobody wants: tiles go across the ends of rows
          const int64_t across = pitch_ / s_.c, last = (rows - 1) * across + s_.ow;
          for (int64_t p = 0, y = 0, x = 0; p < last; p += byte_tile_rows) {
            const int64_t height = std::min<int64_t>(byte_tile_rows, last - p);
            tile.a = from + p * tile.a_row;
            multiply_bytes(tile, int(height), panels);
            for (int64_t i = 0; i < height;) {
              const int64_t now = std::min(height - i, x < s_.ow ? s_.ow - x : across - x);
              if (x < s_.ow) finish(sums[0] + i * sums_row, int(now), y, x);
              i += now, x += now;
              if (x == across) x = 0, y++;
            }
          }
        } else {
          for (int64_t y = 0; y < rows; y++)
            for (int64_t x = 0; x < s_.ow; x += byte_tile_rows) {
              const int count = int(std::min<int64_t>(byte_tile_rows, s_.ow - x));
              tile.a = from + y * s_.stride_h * pitch_ + x * tile.a_row;
              multiply_bytes(tile, count, panels);
              finish(sums[0], count, y, x);
            }
        }
      }
  }

  ConvShape s_, pooled_;
  View x_, w_, y_, packed_, ones_;
  Finish finish_;
  Bands bands_;
  ThreadScratch input_;
  int64_t length_ = 0, inner_ = 1, quads_ = 0, panels_ = 0, pitch_ = 0;
  int64_t step_ = 1;  // pixels of the convolution for one of the result, in each direction
  bool merged_ = false, copied_ = false, bordered_ = false;
};

WEFT_BINDER Step bind_conv(Call& call, const Dims& convolved, bool pooled) {
  const ConvShape s = conv_shape(call, call.in[0].dims, call.in[1].dims, convolved[1], convolved[2]);
  const Finish finish(call, s.o);
  if (call.out[0].size() == 0) return [](const Frame&) {};
  const ConvOfBytes conv(call, s, finish, pooled);
  return [=](const Frame& frame) { conv.run(frame); };
}

KERNEL(cpu, int8Conv2d) { return bind_conv(call, call.out[0].dims, false); }

/** With max pooling behind it, of bytes and by 2 x 2 pixels, only the maxima are finished. */
JOIN(cpu, int8Conv2d) {
  const Call& call = *neighbours.call;
  const auto& readers = neighbours.readers[0];
  if (call.out[0].dtype != DType::uint8 || readers.size() != 1 || readers[0]->op != "maxPool2d") return {};
  const Call& pool = *readers[0];
  const Dims two{2, 2}, none{0, 0, 0, 0};
  if (pool.attrs.integers("poolSize") != two || pool.attrs.integers("strides") != two || pool.attrs.integers("padding") != none) return {};
  if (pool.out[1].used()) return {};
  joined.op = "int8Conv2d+maxPool2d";
  joined.attrs = call.attrs;
  joined.in = call.in;
  joined.out = {pool.out[0]};
  taken = {readers[0]};
  return bind_conv(joined, call.out[0].dims, true);
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
