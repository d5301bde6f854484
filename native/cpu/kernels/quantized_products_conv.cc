// int8Conv2d: direct convolution of bytes by bands of output rows. Input rows become bytes, with the zero point where
// the border is, in a copy that a thread's caches hold; images of bytes without a border are read where they lie.
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
    bytes_ = value_bytes();
    copied_ = bordered_ || bytes_ > 1 || x_.dtype != DType::uint8 || length_ % quad != 0;
    columns_ = bordered_ ? s.reach_w() : s.w;
    pitch_ = columns_ * s.c * bytes_;
    const int64_t rows = std::max<int64_t>(1, ((1 << 16) / std::max<int64_t>(1, pitch_) - s.kh * s.dilation_h) / s.stride_h);
    bands_ = Bands(pooled_, std::max<int64_t>(1, rows / step_), 64);
    bands_.chunks = std::min(bands_.units, pieces_of_work(s.multiply_adds(), 64));  // of all pixels, the pooled ones too
    if (copied_) input_ = ThreadScratch(call, size_t(s.reach_h(bands_.rows * step_) * pitch_ + 64));
    weights_ = call.scratch(size_t(s.groups * panels_ * (panel_bytes() * bytes_ + panel_columns * int64_t(sizeof(int32_t)))) + 64);
    if (bytes_ > 1) packed_ = ThreadScratch(call, size_t(panel_bytes()));
  }

  void run(const Frame& frame) const {
    prepare_weights(frame);
    finish_.prepare(frame);
    parallel(bands_.chunks, [&](int64_t chunk, int thread) {
      bands_.for_chunk(pooled_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const int64_t first = y0 * step_ * s_.stride_h;
        const uint8_t* in = copied_ ? nullptr : frame.at<const uint8_t>(x_) + (image * s_.h + first) * pitch_;
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
  int64_t quads_of_panel() const { return s_.kh * inner_ * quads_; }
  int64_t panel_bytes() const { return quads_of_panel() * panel_columns * quad; }
  int8_t* panel(const Frame& frame, int64_t p) const { return frame.at<int8_t>(weights_) + p * panel_bytes() * bytes_; }
  /** The sums of columns, 16 of each panel, after all panels. */
  int32_t* column_sums(const Frame& frame) const { return reinterpret_cast<int32_t*>(panel(frame, s_.groups * panels_)); }

  /** Rows [first, first + rows) of the bordered image, as values. */
  void copy_rows(const Frame& frame, int64_t image, int64_t first, int64_t rows, uint8_t* to) const {
    const int64_t left = bordered_ ? s_.left : 0, top = bordered_ ? s_.top : 0, pixel = s_.c * bytes_;
    const int64_t begin = std::clamp<int64_t>(left, 0, columns_), end = std::clamp<int64_t>(left + s_.w, begin, columns_);
    const int32_t zero = finish_.input().zero;
    const bool of_bytes = x_.dtype == DType::uint8;
    for (int64_t r = 0; r < rows; r++, to += pitch_) {
      const int64_t row = first + r - top, from = ((image * s_.h + row) * s_.w + begin - left) * s_.c;
      const bool inside = row >= 0 && row < s_.h;
      if (begin > 0 || !inside) fill_values(to, (inside ? begin : columns_) * s_.c, zero);
      if (!inside) continue;
      make_values(of_bytes ? nullptr : frame.at<const float>(x_) + from, of_bytes ? frame.at<const uint8_t>(x_) + from : nullptr,
                  finish_.input(), to + begin * pixel, (end - begin) * s_.c);
      if (end < columns_) fill_values(to + end * pixel, (columns_ - end) * s_.c, zero);
    }
    fill_values(to, quad, zero);  // what the last quad reads beyond the last row
  }

  void prepare_weights(const Frame& frame) const {
    parallel(s_.groups * panels_, [&](int64_t p, int thread) {
      const int64_t group = p / panels_, j = p % panels_ * panel_columns, columns = std::min(panel_columns, s_.group_o() - j);
      int8_t *made = bytes_ > 1 ? packed_.at<int8_t>(frame, thread) : panel(frame, p), *to = made;
      for (int64_t run = 0; run < s_.kh * inner_; run++)
        to = pack_bytes(frame.at<const int8_t>(w_) + run * length_ * s_.o + group * s_.group_o() + j, s_.o, length_, columns, to);
      if (bytes_ > 1) widen_panels(made, quads_of_panel(), reinterpret_cast<int16_t*>(panel(frame, p)));
      if (!finish_.needs_column_sums()) return;
      alignas(64) int32_t sums[sums_row];
      sum_columns(panel(frame, p), quads_of_panel(), 1, sums);
      std::copy_n(sums, panel_columns, column_sums(frame) + p * panel_columns);
    });
  }

  /** Output rows of a band. `at` is where they begin in the result. */
  void convolve(const Frame& frame, const uint8_t* in, int64_t rows, int64_t at) const {
    const int64_t size = finish_.bytes_of_result();
    alignas(64) int32_t sums[byte_tile_rows * sums_row] = {}, of_columns[sums_row] = {};
    ByteTile tile{.a = nullptr,
                  .a_row = s_.stride_w * s_.c * bytes_,
                  .quads = quads_,
                  .b = nullptr,
                  .sums = sums,
                  .outer = s_.kh,
                  .inner = inner_,
                  .a_outer = s_.dilation_h * pitch_,
                  .a_inner = s_.dilation_w * s_.c * bytes_};
    for (int64_t group = 0; group < s_.groups; group++)
      for (int64_t j = 0; j < s_.group_o(); j += sums_row) {
        const int64_t columns = std::min(sums_row, s_.group_o() - j), channel = group * s_.group_o() + j;
        const int panels = int(panels_in(columns));
        const int64_t first = group * panels_ + j / panel_columns;
        tile.b = panel(frame, first);
        if (finish_.needs_column_sums()) std::copy_n(column_sums(frame) + first * panel_columns, panels * panel_columns, of_columns);
        tile.start = finish_.start(of_columns);
        const uint8_t* from = in + group * s_.group_c() * bytes_;
        const auto finish = [&](const int32_t* of, int count, int64_t y, int64_t x) {
          char* to = frame.at<char>(y_) + (at + (y * pooled_.ow + x) * s_.o + channel) * size;
          finish_.tile(frame, of, count, {to, s_.o, channel, columns});
        };
        if (step_ == 2) {
          tile.a_row = 2 * s_.stride_w * s_.c * bytes_;
          tile.pooled = finish_.factors(frame, channel);
          const int whole = panels == 2 ? rows_of_pooled_tile() : 0;
          const int64_t below = s_.stride_h * pitch_, right = tile.a_row / 2;
          for (int64_t y = 0; y < rows; y++) {
            const uint8_t* row = from + 2 * y * below;
            // the last whole tile of a row begins early enough to end with the row
            for (int64_t x = 0; whole > 0 && pooled_.ow >= whole && x < pooled_.ow; x += whole) {
              const int64_t first = std::min(x, pooled_.ow - whole);
              tile.a = row + first * tile.a_row;
              multiply_pooled(tile, below, right);
              finish(sums, whole, y, first);
            }
            if (whole > 0 && pooled_.ow >= whole) continue;
            for (int64_t x = 0; x < pooled_.ow; x += byte_tile_rows) {
              const int count = int(std::min<int64_t>(byte_tile_rows, pooled_.ow - x));
              ByteTile part = tile;
              for (int place = 0; place < 4; place++) {
                part.a = row + place / 2 * below + x * tile.a_row + place % 2 * right;
                part.pooled = place > 0 ? tile.pooled : nullptr;
                multiply_bytes(part, count, panels);
              }
              finish(sums, count, y, x);
            }
          }
        } else if (s_.stride_h == 1 && s_.stride_w == 1) {
          // the pixels of all rows follow each other, with some between that nobody wants: tiles go across the ends of
          // rows
          const int64_t across = columns_, last = (rows - 1) * across + s_.ow;
          for (int64_t p = 0, y = 0, x = 0; p < last; p += byte_tile_rows) {
            const int64_t height = std::min<int64_t>(byte_tile_rows, last - p);
            tile.a = from + p * tile.a_row;
            multiply_bytes(tile, int(height), panels);
            for (int64_t i = 0; i < height;) {
              const int64_t now = std::min(height - i, x < s_.ow ? s_.ow - x : across - x);
              if (x < s_.ow) finish(sums + i * sums_row, int(now), y, x);
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
              finish(sums, count, y, x);
            }
        }
      }
  }

  ConvShape s_, pooled_;
  View x_, w_, y_, weights_;
  Finish finish_;
  Bands bands_;
  ThreadScratch input_, packed_;
  int64_t length_ = 0, inner_ = 1, quads_ = 0, panels_ = 0, columns_ = 0, bytes_ = 1, pitch_ = 0;
  int64_t step_ = 1;  // pixels of the convolution for one of the result, in each direction
  bool merged_ = false, copied_ = false, bordered_ = false;
};

WEFT_BINDER Step bind_conv(Call& call, const Dims& convolved, bool pooled) {
  const ConvShape s = conv_shape(call, call.in[0].dims, call.in[1].dims, convolved[1], convolved[2]);
  const Finish finish(call, s.o);
  if (call.out[0].size() == 0) return [](const Frame&) {};
  return [conv = ConvOfBytes(call, s, finish, pooled)](const Frame& frame) { conv.run(frame); };
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
