// Convolution, bias, relu and max pooling in one pass, and its gradient. A few rows of the convolution exist at a time,
// in cache; its whole output and the gradient of that never reach memory. The binders, for each type of float.
#pragma once
#include "conv_forward.h"
#include "conv_input_grad.h"
#include "conv_kernel_grad.h"
#include "conv_pool_first.h"
#include "conv_pool_shape.h"
#include "conv_pool_sparse.h"
#include "pool_window.h"

namespace weft::cpu::WEFT_ISA {

/** Pools `rows` rows of windows from conv [rows * pool_h, ow, o]; index may be null. */
template <class T, int pool_h, int pool_w> void pool_rows(const PooledConv& s, int64_t rows, const T* conv, T* pooled, uint8_t* index) {
  constexpr int lanes = lanes_of<T>;
  const int64_t o = s.conv.o, height = pool_h ? pool_h : s.pool_h, width_ = pool_w ? pool_w : s.pool_w;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t x = 0; x < s.pw; x++)
      for (int64_t j = 0; j < o; j += lanes) {
        const int n = int(std::min<int64_t>(lanes, o - j));
        const MaskOf<T> mask = lanes_below<T>(n);
        const T* from = conv + y * height * s.conv_row() + x * width_ * o + j;
        const auto m = window_maximum<T, pool_h, pool_w>(from, s.conv_row(), o, height, width_, 0, width_, mask);
        const int64_t to = (y * s.pw + x) * o + j;
        store_masked(pooled + to, max(Vector<T>{}, m.value), mask);
        if (index) store_places<T>(index + to, m.place, n);
      }
}

/**
 * The gradient before pooling of `rows` rows of windows: g where the window's maximum was and above 0, zero elsewhere.
 * Rows of `to` are `pitch` apart. Adds the gradient of the bias to db.
 */
template <class T>
void unpool_rows(const PooledConv& s, int64_t rows, const T* pooled, const uint8_t* index, const T* g, T* to, int64_t pitch, T* db) {
  constexpr int lanes = lanes_of<T>;
  const int64_t o = s.conv.o;
  for (int64_t j = 0; j < o; j += lanes) {
    const int n = int(std::min<int64_t>(lanes, o - j));
    const MaskOf<T> mask = lanes_below<T>(n);
    Vector<T> sum = load_masked(db + j, mask);
    for (int64_t y = 0; y < rows; y++)
      for (int64_t x = 0; x < s.pw; x++) {
        const int64_t at = (y * s.pw + x) * o + j;
        const Vector<T> value = select(greater(load_masked(pooled + at, mask), Vector<T>{}), load_masked(g + at, mask), Vector<T>{});
        const Vector<T> place = load_places<T>(index + at, n);
        sum = sum + value;
        T* window = to + y * s.pool_h * pitch + x * s.pool_w * o + j;
        for (int64_t r = 0; r < s.pool_h; r++)
          for (int64_t q = 0; q < s.pool_w; q++) {
            const Vector<T> here = splat<T>(T(r * s.pool_w + q));
            store_masked(window + r * pitch + q * o, select(equal(place, here), value, Vector<T>{}), mask);
          }
      }
    store_masked(db + j, sum, mask);
  }
}

struct BindConvPool {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View x = call.in[0], kernel = call.in[1], bias = call.in[2], pooled = call.out[0], index = call.out[1];
    const Dims& dims = pooled.dims;
    const PooledConv s = pooled_conv(call, x.dims, kernel.dims, dims[1], dims[2]);
    const ConvShape& c = s.conv;
    if (c.empty()) return [](const Frame&) {};
    if constexpr (sizeof(T) == 4)
      if (fits_first_layer(c, s.pool_h, s.pool_w)) return bind_first_layer(call, c, s.ph, s.pw);
    const ForwardConv<T> forward(call, c);
    // convolved rows stay in the first-level cache, unless the kernel is read in blocks, which needs more of them
    const int64_t room = forward.blocks().size() > 1 ? 128 * 1024 : 24 * 1024;
    const int64_t fitting = room / std::max<int64_t>(1, s.pool_h * s.conv_row() * int64_t(sizeof(T)));
    const int64_t band = std::clamp<int64_t>(fitting, 1, s.ph), per_image = (s.ph + band - 1) / band, units = c.n * per_image;
    const int64_t chunks = std::min(units, pieces_of_work(c.multiply_adds(), 64));
    const ThreadScratch conv_rows(call, size_t(band * s.pool_h * s.conv_row()) * sizeof(T));
    const ThreadScratch input(call, c.bordered() ? size_t(c.reach_h(band * s.pool_h) * c.row_pitch()) * sizeof(T) : 0);
    return [=](const Frame& frame) {
      const T* weights = frame.at<const T>(kernel);
      uint8_t* places = index.used() ? frame.at<uint8_t>(index) : nullptr;
      forward.prepare(frame, weights);
      parallel(chunks, [&](int64_t chunk, int thread) {
        T* rows = conv_rows.template at<T>(frame, thread);
        for (int64_t unit = units * chunk / chunks; unit < units * (chunk + 1) / chunks; unit++) {
          const int64_t image = unit / per_image, p0 = unit % per_image * band, p1 = std::min(s.ph, p0 + band);
          const int64_t y0 = p0 * s.pool_h, count = (p1 - p0) * s.pool_h;
          const T* in = frame.at<const T>(x) + image * c.h * c.w * c.c;
          if (c.bordered()) {
            T* copy = input.template at<T>(frame, thread);
            copy_with_border(c, in, y0 * c.stride_h, c.reach_h(count), copy);
            in = copy;
          } else {
            in += y0 * c.stride_h * c.row_pitch();
          }
          forward.run(frame, weights, frame.at<const T>(bias), Activation::linear,
                      {in, c.row_pitch(), y0, count, c.ow, next_input(c, frame.at<const T>(x), image, y0 + count, count)}, rows,
                      s.conv_row());
          const int64_t to = (image * s.ph + p0) * s.pooled_row();
          uint8_t* places_here = places ? places + to : nullptr;
          if (s.pool_h == 2 && s.pool_w == 2) pool_rows<T, 2, 2>(s, p1 - p0, rows, frame.at<T>(pooled) + to, places_here);
          else pool_rows<T, 0, 0>(s, p1 - p0, rows, frame.at<T>(pooled) + to, places_here);
        }
      });
    };
  }
};

/** The gradient. For each image, the gradient before pooling is laid out in the cache and then multiplied twice. */
template <class T> class PooledConvGrad {
 public:
  WEFT_BINDER PooledConvGrad(Call& call, const PooledConv& shape, bool with_dx)
      : s_(shape), with_dx_(with_dx), kernel_grad_(call, shape.conv), elements_(kernel_grad_.elements() + shape.conv.o) {
    const ConvShape& c = s_.conv;
    band_ = std::clamp<int64_t>(kernel_grad_.band_rows() / s_.pool_h, 1, s_.ph);
    band_conv_rows_ = std::max<int64_t>(1, std::min(kernel_grad_.band_rows(), band_ * s_.pool_h));
    chunks_ = std::min({c.n, pieces_of_work(2 * c.multiply_adds(), 8), partial_sums(elements_, 8)});
    parts_ = call.scratch(size_t(chunks_ * elements_) * sizeof(T));
    if (c.bordered()) input_ = ThreadScratch(call, size_t(c.reach_h(band_conv_rows_) * c.row_pitch()) * sizeof(T));
    rows_ = band_ * s_.pool_h, pitch_ = s_.conv_row();
    if (with_dx_) {
      input_grad_ = InputGrad<T>(call, c);
      rows_ = c.oh;
      if (input_grad_.direct()) {
        const ConvShape& turned = input_grad_.turned();
        bordered_ =
            turned.top >= 0 && turned.left >= 0 && turned.top + c.oh <= turned.reach_h(c.h) && turned.left + c.ow <= turned.reach_w();
        const int64_t size = turned.reach_h(c.h) * turned.reach_w() * c.o;
        if (bordered_) rows_ = turned.reach_h(c.h), pitch_ = turned.reach_w() * c.o, start_ = turned.top * pitch_ + turned.left * c.o;
        else copy_ = ThreadScratch(call, size_t(size) * sizeof(T));
      }
    }
    gradient_ = ThreadScratch(call, size_t(rows_ * pitch_) * sizeof(T));
  }

  void run(const Frame& frame, const PooledConvOperands<T>& at) const {
    const ConvShape& c = s_.conv;
    if (with_dx_) input_grad_.prepare(frame, at.kernel);
    T* sums = frame.at<T>(parts_);
    parallel(chunks_, [&](int64_t chunk, int thread) {
      T* sum = sums + chunk * elements_;
      std::fill(sum, sum + elements_, T(0));
      T* gradient = gradient_.template at<T>(frame, thread);
      if (bordered_) std::fill(gradient, gradient + rows_ * pitch_, T(0));
      for (int64_t image = c.n * chunk / chunks_; image < c.n * (chunk + 1) / chunks_; image++)
        run_image(frame, thread, at, image, gradient, sum);
    });
    const int64_t elements = kernel_grad_.elements();
    if (at.dk) add_partial_sums(sums, chunks_, elements_, elements, at.dk);
    if (at.db) add_partial_sums(sums + elements, chunks_, elements_, c.o, at.db);
  }

 private:
  void run_image(const Frame& frame, int thread, const PooledConvOperands<T>& at, int64_t image, T* gradient, T* sum) const {
    const ConvShape& c = s_.conv;
    const T* x = at.x + image * c.h * c.w * c.c;
    for (int64_t p0 = 0; p0 < s_.ph; p0 += band_) {
      const int64_t p1 = std::min(s_.ph, p0 + band_), from = (image * s_.ph + p0) * s_.pooled_row(), y0 = p0 * s_.pool_h;
      T* to = gradient + start_ + (with_dx_ ? y0 * pitch_ : 0);
      unpool_rows(s_, p1 - p0, at.pooled + from, at.index + from, at.g + from, to, pitch_, sum + kernel_grad_.elements());
      if (!at.dk) continue;
      for (int64_t y = y0; y < p1 * s_.pool_h; y += band_conv_rows_) {
        const int64_t count = std::min(band_conv_rows_, p1 * s_.pool_h - y);
        const T* in = x + y * c.stride_h * c.row_pitch();
        if (c.bordered()) {
          T* copy = input_.template at<T>(frame, thread);
          copy_with_border(c, x, y * c.stride_h, c.reach_h(count), copy);
          in = copy;
        }
        kernel_grad_.add(frame, thread, {in, c.row_pitch(), to + (y - y0) * pitch_, pitch_, count, c.ow}, sum);
      }
    }
    if (with_dx_) input_gradient(frame, thread, gradient, at.dx + image * c.h * c.w * c.c);
  }

  void input_gradient(const Frame& frame, int thread, const T* gradient, T* dx) const {
    if (!input_grad_.direct()) {
      input_grad_.scatter_image(frame, thread, gradient, dx);
      return;
    }
    const ConvShape& turned = input_grad_.turned();
    const int64_t pitch = turned.reach_w() * turned.c, step = input_grad_.forward().band_rows();
    if (!bordered_) {
      T* copy = copy_.template at<T>(frame, thread);
      copy_with_border(turned, gradient, 0, turned.reach_h(turned.oh), copy);
      gradient = copy;
    }
    for (int64_t y = 0; y < turned.oh; y += step)
      input_grad_.forward().run(frame, input_grad_.turned_kernel(frame), nullptr, Activation::linear,
                                {gradient + y * pitch, pitch, y, std::min(step, turned.oh - y), turned.ow}, dx + y * turned.ow * turned.o,
                                turned.ow * turned.o);
  }

  PooledConv s_;
  bool with_dx_;
  KernelGrad<T> kernel_grad_;
  InputGrad<T> input_grad_;
  int64_t elements_;  // of one chunk's partial sums: the kernel's gradient, then the bias's
  int64_t band_ = 1, band_conv_rows_ = 1, chunks_ = 1, rows_ = 0, pitch_ = 0, start_ = 0;
  bool bordered_ = false;  // the gradient is laid out with the border that the input's gradient needs
  View parts_;
  ThreadScratch input_, gradient_, copy_;
};

struct BindConvPoolGrad {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View x = call.in[0], kernel = call.in[1], pooled = call.in[2], dx = call.out[0], dk = call.out[1], db = call.out[2];
    const PooledConv s = pooled_conv(call, x.dims, kernel.dims, pooled.dim(1), pooled.dim(2));
    if (s.conv.empty()) {
      return [=](const Frame& frame) {
        for (const View& view : {dx, dk, db})
          if (view.used()) std::fill_n(frame.at<T>(view), view.size(), T(0));
      };
    }
    if constexpr (sizeof(T) == 4) {
      if constexpr (has_patches)
        if (!dx.used() && fits_first_layer_grad(s.conv, s.pool_h, s.pool_w)) return bind_first_layer_grad(call, s.conv, s.ph, s.pw);
      if (SparsePooledConvGrad::fits(s)) return bind<T, SparsePooledConvGrad>(call, s);
    }
    return bind<T, PooledConvGrad<T>>(call, s);
  }

 private:
  template <class T, class Gradient> WEFT_BINDER static Step bind(Call& call, const PooledConv& s) {
    const View x = call.in[0], kernel = call.in[1], pooled = call.in[2], index = call.in[3], g = call.in[4];
    const View dx = call.out[0], dk = call.out[1], db = call.out[2];
    const Gradient gradient(call, s, dx.used());
    return [=](const Frame& frame) {
      const auto result = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
      gradient.run(frame, {frame.at<const T>(x), frame.at<const T>(kernel), frame.at<const T>(pooled), frame.at<const uint8_t>(index),
                           frame.at<const T>(g), result(dx), result(dk), result(db)});
    };
  }
};

}  // namespace weft::cpu::WEFT_ISA
