// The gradient of a convolution's input. For stride 1 it is a convolution of the bordered gradient with the kernel
// turned around. For larger strides one product per band of rows gives what each position of the kernel contributes;
// each contribution is then added to the pixel that it belongs to.
#pragma once
#include "conv_forward.h"

namespace weft::cpu::WEFT_ISA {

template <class T> class InputGrad {
 public:
  InputGrad() = default;
  WEFT_BINDER InputGrad(Call& call, const ConvShape& shape) : s_(shape) {
    if (direct()) {
      turned_shape_ = shape;
      turned_shape_.h = s_.oh, turned_shape_.w = s_.ow, turned_shape_.c = s_.o;
      turned_shape_.oh = s_.h, turned_shape_.ow = s_.w, turned_shape_.o = s_.c;
      turned_shape_.top = (s_.kh - 1) * s_.dilation_h - s_.top;
      turned_shape_.left = (s_.kw - 1) * s_.dilation_w - s_.left;
      forward_ = ForwardConv<T>(call, turned_shape_, true);
      if (!forward_.packed()) turned_kernel_ = call.scratch(size_t(s_.depth() * s_.o) * sizeof(T));
    } else {
      const int64_t depth = s_.depth();
      weights_ = call.scratch(size_t(s_.groups * packed_size<T>(s_.group_o(), depth)) * sizeof(T));
      band_rows_ = std::clamp<int64_t>(64 * 1024 / std::max<int64_t>(1, s_.ow * depth), 1, s_.oh);
      const int64_t pixels = band_rows_ * s_.ow;
      columns_ = ThreadScratch(call, size_t(pixels * depth) * sizeof(T));
      pack_a_ = should_pack_a<T>(pixels, depth, s_.group_o());
      if (pack_a_) a_block_ = ThreadScratch(call, size_t(a_block_size<T>(pixels, s_.group_o())) * sizeof(T));
    }
  }

  bool direct() const { return s_.stride_h == 1 && s_.stride_w == 1; }
  /** The convolution that computes the gradient, for stride 1. */
  const ConvShape& turned() const { return turned_shape_; }
  const ForwardConv<T>& forward() const { return forward_; }
  /** What its run() takes for a kernel; null where prepare() packs it. */
  const T* turned_kernel(const Frame& frame) const { return forward_.packed() ? nullptr : frame.at<const T>(turned_kernel_); }

  /** Turns or packs the kernel, once per step. */
  void prepare(const Frame& frame, const T* kernel) const {
    const int64_t group_c = s_.group_c(), group_o = s_.group_o();
    if (!direct()) {
      const int64_t size = packed_size<T>(group_o, s_.depth()), panels = size / std::max<int64_t>(1, group_o) / tile_columns<T>;
      for (int64_t group = 0; group < s_.groups; group++)
        pack_panels<T>({kernel + group * group_o, 1, s_.o}, group_o, s_.depth(), 0, panels, frame.at<T>(weights_) + group * size);
      return;
    }
    if (forward_.prepare_turned(frame, kernel)) return;
    T* turned = frame.at<T>(turned_kernel_);  // [kh, kw, o / groups, c]
    const int64_t places = s_.kh * s_.kw;
    parallel_range(places, std::max<int64_t>(1, (1 << 15) / std::max<int64_t>(1, group_c * s_.o)), [&](int64_t begin, int64_t end) {
      for (int64_t place = begin; place < end; place++) {
        const T* from = kernel + (places - 1 - place) * group_c * s_.o;
        T* to = turned + place * group_o * s_.c;
        for (int64_t group = 0; group < s_.groups; group++)
          transpose_into(from + group * group_o, s_.o, group_c, group_o, to + group * group_c, s_.c);
      }
    });
  }

  /** Strides above 1: dx [h, w, c] of one image from its g [oh, ow, o]. */
  void scatter_image(const Frame& frame, int thread, const T* g, T* dx) const {
    std::fill(dx, dx + s_.h * s_.w * s_.c, T(0));
    T* columns = columns_.template at<T>(frame, thread);
    const int64_t group_c = s_.group_c(), group_o = s_.group_o(), depth = s_.depth();
    for (int64_t y0 = 0; y0 < s_.oh; y0 += band_rows_) {
      const int64_t y1 = std::min(s_.oh, y0 + band_rows_);
      for (int64_t group = 0; group < s_.groups; group++) {
        Product<T> p{};
        p.m = (y1 - y0) * s_.ow, p.n = depth, p.k = group_o;
        p.a = {g + y0 * s_.ow * s_.o + group * group_o, s_.o, 1};
        p.packed_b = frame.at<T>(weights_) + group * packed_size<T>(group_o, depth);
        p.c = columns;  // [pixels, kh * kw * c / groups]
        p.c_row = depth;
        p.a_block = pack_a_ ? a_block_.template at<T>(frame, thread) : nullptr;
        multiply<T>(p);
        for (int64_t y = y0; y < y1; y++)
          for (int64_t x = 0; x < s_.ow; x++) add_pixel(columns + ((y - y0) * s_.ow + x) * depth, y, x, dx + group * group_c);
      }
    }
  }

 private:
  void add_pixel(const T* contribution, int64_t y, int64_t x, T* dx) const {
    const int64_t group_c = s_.group_c();
    for (int64_t r = 0; r < s_.kh; r++) {
      const int64_t row = y * s_.stride_h + r * s_.dilation_h - s_.top;
      if (row < 0 || row >= s_.h) continue;
      for (int64_t q = 0; q < s_.kw; q++) {
        const int64_t column = x * s_.stride_w + q * s_.dilation_w - s_.left;
        if (column < 0 || column >= s_.w) continue;
        T* to = dx + (row * s_.w + column) * s_.c;
        const T* from = contribution + (r * s_.kw + q) * group_c;
        for (int64_t i = 0; i < group_c; i++) to[i] += from[i];
      }
    }
  }

  /** to[j][i] = from[i][j] by blocks that the first-level cache holds. */
  static void transpose_into(const T* from, int64_t from_row, int64_t rows, int64_t columns, T* to, int64_t to_row) {
    for (int64_t i0 = 0; i0 < rows; i0 += 16)
      for (int64_t j = 0; j < columns; j++)
        for (int64_t i = i0; i < std::min(rows, i0 + 16); i++) to[j * to_row + i] = from[i * from_row + j];
  }

  ConvShape s_{}, turned_shape_{};
  ForwardConv<T> forward_;
  View turned_kernel_, weights_;
  ThreadScratch columns_, a_block_;
  int64_t band_rows_ = 1;
  bool pack_a_ = false;
};

}  // namespace weft::cpu::WEFT_ISA
