// Depthwise convolution (groups = channels, kernels [kh, kw, 1, c * multiplier]) and its gradients. Channels lie in the
// lanes of vectors.
#pragma once
#include "conv_kernel_grad.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Bands of input rows with their border, each channel repeated `multiplier` times so that input and output channels
 * match.
 */
template <class T> class DepthwiseInput {
 public:
  DepthwiseInput() = default;
  WEFT_BINDER DepthwiseInput(Call& call, const ConvShape& shape, int64_t most_chunks) : s_(shape), multiplier_(shape.o / shape.c) {
    copied_ = s_.bordered() || multiplier_ > 1;
    const int64_t rows = (128 * 1024 / std::max<int64_t>(1, s_.row_pitch() * multiplier_ * int64_t(sizeof(T)))) / s_.stride_h;
    bands = Bands(s_, rows, most_chunks);
    if (copied_) bordered_ = ThreadScratch(call, size_t(s_.reach_h(bands.rows) * s_.reach_w() * s_.c) * sizeof(T));
    if (multiplier_ > 1) repeated_ = ThreadScratch(call, size_t(s_.reach_h(bands.rows) * s_.reach_w() * s_.o) * sizeof(T));
  }
  /** Elements between rows of what rows() returns. */
  int64_t pitch() const { return (copied_ ? s_.reach_w() : s_.w) * s_.o; }
  const T* rows(const Frame& frame, int thread, const T* image, int64_t y0, int64_t y1) const {
    if (!copied_) return image + y0 * s_.stride_h * pitch();
    T* copy = bordered_.template at<T>(frame, thread);
    copy_with_border(s_, image, y0 * s_.stride_h, s_.reach_h(y1 - y0), copy);
    if (multiplier_ == 1) return copy;
    T* wide = repeated_.template at<T>(frame, thread);
    for (int64_t i = 0; i < s_.reach_h(y1 - y0) * s_.reach_w() * s_.c; i++)
      for (int64_t m = 0; m < multiplier_; m++) wide[i * multiplier_ + m] = copy[i];
    return wide;
  }

  Bands bands;

 private:
  ConvShape s_{};
  int64_t multiplier_ = 1;
  bool copied_ = false;
  ThreadScratch bordered_, repeated_;
};

template <class T> class DepthwiseForward {
 public:
  DepthwiseForward() = default;
  WEFT_BINDER DepthwiseForward(Call& call, const ConvShape& shape) : s_(shape), input_(call, shape, 64) {}

  void run(const Frame& frame, const T* x, const T* kernel, const T* bias, Activation activation, T* y) const {
    parallel(input_.bands.chunks, [&](int64_t chunk, int thread) {
      input_.bands.for_chunk(s_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const T* in = input_.rows(frame, thread, x + image * s_.h * s_.w * s_.c, y0, y1);
        for (int64_t row = y0; row < y1; row++) {
          T* out = y + (image * s_.oh + row) * s_.ow * s_.o;
          run_row(in + (row - y0) * s_.stride_h * input_.pitch(), kernel, bias, out);
          activate_row(activation, out, s_.ow * s_.o);
        }
      });
    });
  }

 private:
  void run_row(const T* in, const T* kernel, const T* bias, T* out) const {
    int64_t x = 0;
    for (; x + 8 <= s_.ow; x += 8) run_pixels<8>(in, kernel, bias, x, out);
    for (; x + 4 <= s_.ow; x += 4) run_pixels<4>(in, kernel, bias, x, out);
    for (; x < s_.ow; x++) run_pixels<1>(in, kernel, bias, x, out);
  }

  /** Some neighbouring pixels, all their channels: memory is read from one end to the other. */
  template <int pixels> void run_pixels(const T* in, const T* kernel, const T* bias, int64_t x, T* out) const {
    for (int64_t j = 0; j < s_.o; j += lanes_of<T>)
      with_lanes<T>(
          s_.o - j, [&](auto used) __attribute__((always_inline)) {
            run_channels<pixels>(in + j, kernel + j, bias ? bias + j : nullptr, used, x, out + j);
          });
  }

  template <int pixels, class Lanes>
  WEFT_INLINE void run_channels(const T* in, const T* kernel, const T* bias, Lanes used, int64_t x, T* out) const {
    const Vector<T> start = bias ? used.load(bias) : Vector<T>{};
    Vector<T> sum[pixels];
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) sum[p] = start;
    const int64_t step = s_.stride_w * s_.o;
    for (int64_t r = 0; r < s_.kh; r++)
      for (int64_t q = 0; q < s_.kw; q++) {
        const T* from = in + r * s_.dilation_h * input_.pitch() + q * s_.dilation_w * s_.o + x * step;
        const Vector<T> weight = used.load(kernel + (r * s_.kw + q) * s_.o);
#pragma GCC unroll 8
        for (int p = 0; p < pixels; p++) sum[p] = fma(used.load(from + p * step), weight, sum[p]);
      }
#pragma GCC unroll 8
    for (int p = 0; p < pixels; p++) used.store(out + (x + p) * s_.o, sum[p]);
  }

  ConvShape s_{};
  DepthwiseInput<T> input_;
};

template <class T> class DepthwiseInputGrad {
 public:
  DepthwiseInputGrad() = default;
  WEFT_BINDER DepthwiseInputGrad(Call& call, const ConvShape& shape) : s_(shape), turned_(shape) {
    if (!direct()) return;
    turned_.h = s_.oh, turned_.w = s_.ow, turned_.oh = s_.h, turned_.ow = s_.w;
    turned_.top = (s_.kh - 1) * s_.dilation_h - s_.top;
    turned_.left = (s_.kw - 1) * s_.dilation_w - s_.left;
    kernel_ = call.scratch(size_t(s_.kh * s_.kw * s_.o) * sizeof(T));
    forward_ = DepthwiseForward<T>(call, turned_);
  }

  void run(const Frame& frame, const T* g, const T* kernel, T* dx) const {
    if (direct()) {
      T* turned = frame.at<T>(kernel_);
      for (int64_t i = 0; i < s_.kh * s_.kw; i++) std::copy_n(kernel + (s_.kh * s_.kw - 1 - i) * s_.o, s_.o, turned + i * s_.o);
      forward_.run(frame, g, turned, nullptr, Activation::linear, dx);
      return;
    }
    const int64_t chunks = std::min(s_.n, pieces_of_work(s_.multiply_adds(), 64));
    parallel(chunks, [&](int64_t chunk, int) {
      for (int64_t i = s_.n * chunk / chunks; i < s_.n * (chunk + 1) / chunks; i++)
        scatter_image(g + i * s_.oh * s_.ow * s_.o, kernel, dx + i * s_.h * s_.w * s_.c);
    });
  }

 private:
  bool direct() const { return s_.stride_h == 1 && s_.stride_w == 1 && s_.o == s_.c; }

  void scatter_image(const T* g, const T* kernel, T* dx) const {
    const int64_t multiplier = s_.o / s_.c;
    std::fill(dx, dx + s_.h * s_.w * s_.c, T(0));
    for (int64_t y = 0; y < s_.oh; y++)
      for (int64_t x = 0; x < s_.ow; x++, g += s_.o)
        for (int64_t r = 0; r < s_.kh; r++) {
          const int64_t row = y * s_.stride_h + r * s_.dilation_h - s_.top;
          if (row < 0 || row >= s_.h) continue;
          for (int64_t q = 0; q < s_.kw; q++) {
            const int64_t column = x * s_.stride_w + q * s_.dilation_w - s_.left;
            if (column < 0 || column >= s_.w) continue;
            T* to = dx + (row * s_.w + column) * s_.c;
            const T* weight = kernel + (r * s_.kw + q) * s_.o;
            if (multiplier == 1)
              for (int64_t i = 0; i < s_.c; i++) to[i] += g[i] * weight[i];
            else
              for (int64_t i = 0; i < s_.o; i++) to[i / multiplier] += g[i] * weight[i];
          }
        }
  }

  ConvShape s_{}, turned_{};
  DepthwiseForward<T> forward_;
  View kernel_;
};

template <class T> class DepthwiseKernelGrad {
 public:
  DepthwiseKernelGrad() = default;
  WEFT_BINDER DepthwiseKernelGrad(Call& call, const ConvShape& shape)
      : s_(shape), elements_(shape.kh * shape.kw * shape.o), input_(call, shape, partial_sums(elements_, 8)) {
    parts_ = call.scratch(size_t(input_.bands.chunks * elements_) * sizeof(T));
  }

  void run(const Frame& frame, const T* x, const T* g, T* dk) const {
    T* sums = frame.at<T>(parts_);
    parallel(input_.bands.chunks, [&](int64_t chunk, int thread) {
      T* sum = sums + chunk * elements_;
      std::fill(sum, sum + elements_, T(0));
      input_.bands.for_chunk(s_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const T* in = input_.rows(frame, thread, x + image * s_.h * s_.w * s_.c, y0, y1);
        const T* from = g + (image * s_.oh + y0) * s_.ow * s_.o;
        const int64_t places = s_.kh * s_.kw;
        int64_t place = 0;
        for (; place + 8 <= places; place += 8) add_places<8>(in, from, y1 - y0, place, sum);
        for (; place + 4 <= places; place += 4) add_places<4>(in, from, y1 - y0, place, sum);
        for (; place < places; place++) add_places<1>(in, from, y1 - y0, place, sum);
      });
    });
    add_partial_sums(sums, input_.bands.chunks, elements_, elements_, dk);
  }

 private:
  template <int places> void add_places(const T* in, const T* g, int64_t rows, int64_t place, T* dk) const {
    constexpr int lanes = lanes_of<T>;
    int64_t at[places];
    for (int i = 0; i < places; i++)
      at[i] = (place + i) / s_.kw * s_.dilation_h * input_.pitch() + (place + i) % s_.kw * s_.dilation_w * s_.o;
    for (int64_t j = 0; j < s_.o; j += lanes) {
      with_lanes<T>(
          s_.o - j, [&](auto used) __attribute__((always_inline)) {
            Vector<T> sum[places];
#pragma GCC unroll 8
            for (int i = 0; i < places; i++) sum[i] = used.load(dk + (place + i) * s_.o + j);
            for (int64_t y = 0; y < rows; y++) {
              const T* from = in + y * s_.stride_h * input_.pitch() + j;
              const T* gradient = g + y * s_.ow * s_.o + j;
              for (int64_t x = 0; x < s_.ow; x++, from += s_.stride_w * s_.o, gradient += s_.o) {
                const Vector<T> value = used.load(gradient);
#pragma GCC unroll 8
                for (int i = 0; i < places; i++) sum[i] = fma(used.load(from + at[i]), value, sum[i]);
              }
            }
#pragma GCC unroll 8
            for (int i = 0; i < places; i++) used.store(dk + (place + i) * s_.o + j, sum[i]);
          });
    }
  }

  ConvShape s_{};
  int64_t elements_ = 0;
  DepthwiseInput<T> input_;
  View parts_;
};

}  // namespace weft::cpu::WEFT_ISA
