// The binders of conv2d, conv2dBias and the gradients of input and kernel, for each type of float.
#pragma once
#include "conv_across.h"
#include "conv_input_grad.h"
#include "conv_kernel_across.h"
#include "conv_kernel_grad.h"
#include "depthwise.h"
#include "matmul_grid.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Convolves x into y, band by band, or across small images. With the kernel turned around it is the input's gradient
 * for stride 1.
 */
template <class T> class WholeConv {
 public:
  WholeConv() = default;
  WEFT_BINDER WholeConv(Call& call, const ConvShape& shape, const ForwardConv<T>& forward)
      : s_(shape), forward_(forward), across_(call, shape, forward) {
    if (across_.faster()) return;
    bands_ = Bands(s_, forward_.band_rows(), 64);
    if (s_.bordered()) input_ = ThreadScratch(call, size_t(s_.reach_h(bands_.rows) * s_.row_pitch()) * sizeof(T));
  }
  /** Whether run() packs the kernel itself, and takes it as it is given. */
  bool packs() const { return across_.packs_parts(); }
  void run(const Frame& frame, const T* x, const T* kernel, const T* bias, Activation activation, T* y) const {
    if (across_.faster()) return across_.run(frame, x, kernel, bias, activation, y);
    parallel(bands_.chunks, [&](int64_t chunk, int thread) {
      bands_.for_chunk(s_, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
        const T* from = x + image * s_.h * s_.w * s_.c;
        T* to = y + image * s_.oh * s_.ow * s_.o;
        const NextInput<T> next = next_input(s_, x, image, y1, bands_.rows);
        const auto convolve = [&](const T* in, int64_t pitch, int64_t begin, int64_t end, NextInput<T> then) {
          forward_.run(frame, kernel, bias, activation, {in, pitch, begin, end - begin, s_.ow, then}, to + begin * s_.ow * s_.o,
                       s_.ow * s_.o);
        };
        const auto convolve_where_it_lies = [&](int64_t begin, int64_t end) {
          const int64_t pitch = s_.w * s_.c;
          convolve(from + (begin * s_.stride_h - s_.top) * pitch - s_.left * s_.c, pitch, begin, end, next);
        };
        const auto convolve_copy = [&](int64_t begin, int64_t end) {
          if (begin == end) return;
          T* copy = input_.template at<T>(frame, thread);
          copy_rows(from, begin, end, copy);
          convolve(copy, s_.row_pitch(), begin, end, end == y1 ? next : NextInput<T>{nullptr, 0});
        };
        if (!s_.bordered() || forward_.only_rows_meet_border()) return convolve_where_it_lies(y0, y1);
        const auto [begin, end] = forward_.rows_inside(y0, y1);
        if (!forward_.splits_edges(end - begin)) return convolve_copy(y0, y1);
        convolve_copy(y0, begin);
        convolve_where_it_lies(begin, end);
        convolve_copy(end, y1);
      });
    });
  }

 private:
  /** Copies what output rows [begin, end) read. Rows above and below the image are left out: no tile reads them. */
  void copy_rows(const T* image, int64_t begin, int64_t end, T* copy) const {
    const int64_t first = begin * s_.stride_h, rows = s_.reach_h(end - begin);
    const int64_t above = std::clamp<int64_t>(s_.top - first, 0, rows), inside = std::clamp<int64_t>(s_.top + s_.h - first, above, rows);
    copy_with_border(s_, image, first + above, inside - above, copy + above * s_.row_pitch());
  }

  ConvShape s_{};
  ForwardConv<T> forward_;
  ConvAcross<T> across_;
  Bands bands_;
  ThreadScratch input_;
};

template <class T> WEFT_BINDER Step bind_forward(Call& call, bool with_bias) {
  const View x = call.in[0], kernel = call.in[1], y = call.out[0];
  const View bias = with_bias ? call.in[2] : View{};
  const ConvShape s = conv_shape(call, x.dims, kernel.dims, y.dim(1), y.dim(2));
  const Activation activation = with_bias ? activation_named(call.attrs.text("activation")) : Activation::linear;
  if (s.empty()) return [](const Frame&) {};
  if (s.depthwise()) {
    const DepthwiseForward<T> depthwise(call, s);
    return [=](const Frame& frame) {
      depthwise.run(frame, frame.at<const T>(x), frame.at<const T>(kernel), with_bias ? frame.at<const T>(bias) : nullptr, activation,
                    frame.at<T>(y));
    };
  }
  if (s.pointwise()) {
    const ProductGrid<T> grid(call, s.n * s.h * s.w, s.o, s.c, 1, s.c);
    return [=](const Frame& frame) {
      Product<T> p{};
      p.a = {frame.at<const T>(x), s.c, 1};
      p.b = {frame.at<const T>(kernel), s.o, 1};
      p.c = frame.at<T>(y);
      p.c_row = s.o;
      p.bias = with_bias ? frame.at<const T>(bias) : nullptr;
      p.activation = activation;
      grid.run(frame, p);
    };
  }
  const ForwardConv<T> forward(call, s);
  const WholeConv<T> conv(call, s, forward);
  return [=](const Frame& frame) {
    const T* k = frame.at<const T>(kernel);
    if (!conv.packs()) forward.prepare(frame, k);
    conv.run(frame, frame.at<const T>(x), k, with_bias ? frame.at<const T>(bias) : nullptr, activation, frame.at<T>(y));
  };
}

struct BindConv2d {
  template <class T> WEFT_BINDER Step operator()(Call& call) const { return bind_forward<T>(call, false); }
};
struct BindConv2dBias {
  template <class T> WEFT_BINDER Step operator()(Call& call) const { return bind_forward<T>(call, true); }
};

struct BindInputGrad {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View g = call.in[0], kernel = call.in[1], dx = call.out[0];
    const ConvShape s = conv_shape(call, dx.dims, kernel.dims, g.dim(1), g.dim(2));
    if (dx.size() == 0) return [](const Frame&) {};
    if (s.empty()) return [=](const Frame& frame) { std::fill_n(frame.at<T>(dx), dx.size(), T(0)); };
    if (s.depthwise()) {
      const DepthwiseInputGrad<T> depthwise(call, s);
      return [=](const Frame& frame) { depthwise.run(frame, frame.at<const T>(g), frame.at<const T>(kernel), frame.at<T>(dx)); };
    }
    if (s.pointwise()) {
      const ProductGrid<T> grid(call, s.n * s.h * s.w, s.c, s.o, s.o, s.o);
      return [=](const Frame& frame) {
        Product<T> p{};
        p.a = {frame.at<const T>(g), s.o, 1};
        p.b = {frame.at<const T>(kernel), 1, s.o};
        p.c = frame.at<T>(dx);
        p.c_row = s.c;
        grid.run(frame, p);
      };
    }
    const InputGrad<T> grad(call, s);
    if (grad.direct()) {
      const WholeConv<T> conv(call, grad.turned(), grad.forward());
      return [=](const Frame& frame) {
        const T* k = frame.at<const T>(kernel);
        if (!conv.packs()) grad.prepare(frame, k);
        conv.run(frame, frame.at<const T>(g), conv.packs() ? k : grad.turned_kernel(frame), nullptr, Activation::linear, frame.at<T>(dx));
      };
    }
    const int64_t chunks = std::min(s.n, pieces_of_work(s.multiply_adds(), 64));
    return [=](const Frame& frame) {
      grad.prepare(frame, frame.at<const T>(kernel));
      parallel(chunks, [&](int64_t chunk, int thread) {
        for (int64_t i = s.n * chunk / chunks; i < s.n * (chunk + 1) / chunks; i++)
          grad.scatter_image(frame, thread, frame.at<const T>(g) + i * s.oh * s.ow * s.o, frame.at<T>(dx) + i * s.h * s.w * s.c);
      });
    };
  }
};

struct BindKernelGrad {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View x = call.in[0], g = call.in[1], dk = call.out[0];
    const ConvShape s = conv_shape(call, x.dims, dk.dims, g.dim(1), g.dim(2));
    if (dk.size() == 0) return [](const Frame&) {};
    if (s.empty()) return [=](const Frame& frame) { std::fill_n(frame.at<T>(dk), dk.size(), T(0)); };
    if (s.depthwise()) {
      const DepthwiseKernelGrad<T> depthwise(call, s);
      return [=](const Frame& frame) { depthwise.run(frame, frame.at<const T>(x), frame.at<const T>(g), frame.at<T>(dk)); };
    }
    const KernelGradAcross<T> across(call, s);
    if (across.faster()) return [=](const Frame& frame) { across.run(frame, frame.at<const T>(x), frame.at<const T>(g), frame.at<T>(dk)); };
    const KernelGrad<T> grad(call, s);
    const int64_t elements = grad.elements();
    const Bands bands(s, grad.band_rows(), partial_sums(elements, 8));
    const ThreadScratch input(call, s.bordered() ? size_t(s.reach_h(bands.rows) * s.row_pitch()) * sizeof(T) : 0);
    const View parts = call.scratch(size_t(bands.chunks * elements) * sizeof(T));
    return [=](const Frame& frame) {
      T* sums = frame.at<T>(parts);
      parallel(bands.chunks, [&](int64_t chunk, int thread) {
        T* sum = sums + chunk * elements;
        if (!grad.stores_first()) std::fill(sum, sum + elements, T(0));
        bool first = grad.stores_first();
        bands.for_chunk(s, chunk, [&](int64_t image, int64_t y0, int64_t y1) {
          const T* in = frame.at<const T>(x) + image * s.h * s.w * s.c;
          if (s.bordered()) {
            T* copy = input.template at<T>(frame, thread);
            copy_with_border(s, in, y0 * s.stride_h, s.reach_h(y1 - y0), copy);
            in = copy;
          } else {
            in += y0 * s.stride_h * s.row_pitch();
          }
          const int64_t g_row = s.ow * s.o, at = (image * s.oh + y0) * g_row, next = at + (y1 - y0) * g_row;
          grad.add(frame, thread,
                   {in,
                    s.row_pitch(),
                    frame.at<const T>(g) + at,
                    g_row,
                    y1 - y0,
                    s.ow,
                    next_input(s, frame.at<const T>(x), image, y1, bands.rows),
                    {frame.at<const T>(g) + next, std::min(bands.rows * g_row, g.size() - next)},
                    first},
                   sum);
          first = false;
        });
      });
      add_partial_sums(sums, bands.chunks, elements, elements, frame.at<T>(dk));
    };
  }
};

}  // namespace weft::cpu::WEFT_ISA
