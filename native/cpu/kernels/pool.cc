// Max and average pooling and their derivatives, by rows, for vectors of channels. A gradient gathers: each input pixel
// adds up what comes from the windows that hold it. So rows are independent of each other.
#include "pool_bytes.h"
#include "pool_window.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

struct Pool {
  int64_t n, h, w, c, oh, ow;
  int64_t window_h, window_w, stride_h, stride_w, top, left;

  /** The part of a window that lies inside the input: places [begin, end) of the window. */
  struct Span {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };
  Span rows_inside(int64_t y) const { return inside(y * stride_h - top, window_h, h); }
  Span columns_inside(int64_t x) const { return inside(x * stride_w - left, window_w, w); }
  /** The windows [begin, end) that hold row y of the input. windows_of_column does the same for column x. */
  Span windows_of_row(int64_t y) const { return holding(y + top, window_h, stride_h, oh); }
  Span windows_of_column(int64_t x) const { return holding(x + left, window_w, stride_w, ow); }

 private:
  static Span inside(int64_t start, int64_t window, int64_t size) {
    const int64_t begin = std::min(window, std::max<int64_t>(0, -start));
    return {begin, std::max(begin, std::min(window, size - start))};
  }
  static Span holding(int64_t at, int64_t window, int64_t stride, int64_t count) {
    const int64_t begin = at < window ? 0 : (at - window) / stride + 1;
    return {std::min(begin, count), std::min(count, at / stride + 1)};
  }
};

Pool pool_shape(const Call& call, const Dims& x, int64_t oh, int64_t ow) {
  const Dims size = call.attrs.integers("poolSize"), strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  return {x[0], x[1], x[2], x[3], oh, ow, size[0], size[1], strides[0], strides[1], padding[0], padding[2]};
}

/**
 * Calls f(image, row, column, channel, lanes in use, mask) for every vector of an [n, h, w, c] array, rows in parallel.
 */
template <class T, class F> void for_vectors(int64_t n, int64_t h, int64_t w, int64_t c, int64_t work_per_element, F&& f) {
  constexpr int lanes = lanes_of<T>;
  const int64_t grain = std::max<int64_t>(1, (1 << 17) / std::max<int64_t>(1, w * c * work_per_element));
  parallel_range(n * h, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++)
      for (int64_t x = 0; x < w; x++)
        for (int64_t j = 0; j < c; j += lanes) {
          const int used = int(std::min<int64_t>(lanes, c - j));
          f(row / h, row % h, x, j, used, lanes_below<T>(used));
        }
  });
}

template <class T, class Index> WEFT_BINDER Step max_pool(const Pool& p, const View& x, const View& y, const View& index) {
  const bool whole = p.window_h == 2 && p.window_w == 2 && p.top == 0 && p.left == 0 && (p.oh - 1) * p.stride_h + 2 <= p.h &&
                     (p.ow - 1) * p.stride_w + 2 <= p.w;
  return [=](const Frame& frame) {
    const T* in = frame.at<const T>(x);
    T* out = y.used() ? frame.at<T>(y) : nullptr;
    Index* places = index.used() ? frame.at<Index>(index) : nullptr;
    for_vectors<T>(p.n, p.oh, p.ow, p.c, p.window_h * p.window_w,
                   [&](int64_t image, int64_t row, int64_t column, int64_t j, int used, MaskOf<T> mask) {
                     const T* image_in = in + image * p.h * p.w * p.c + j;
                     WindowMaximum<T> m;
                     if (whole) {
                       m = window_maximum<T, 2, 2>(image_in + (row * p.stride_h * p.w + column * p.stride_w) * p.c, p.w * p.c, p.c, 2, 2, 0,
                                                   2, mask);
                     } else {
                       const auto r = p.rows_inside(row), q = p.columns_inside(column);
                       if (r.size() <= 0 || q.size() <= 0) {
                         m = {splat<T>(-std::numeric_limits<T>::infinity()), Vector<T>{}};
                       } else {
                         const int64_t y0 = row * p.stride_h - p.top + r.begin, x0 = column * p.stride_w - p.left + q.begin;
                         m = window_maximum<T>(image_in + (y0 * p.w + x0) * p.c, p.w * p.c, p.c, r.size(), q.size(),
                                               r.begin * p.window_w + q.begin, p.window_w, mask);
                       }
                     }
                     const int64_t to = ((image * p.oh + row) * p.ow + column) * p.c + j;
                     if (out) store_masked(out + to, m.value, mask);
                     if (places) store_places<T>(places + to, m.place, used);
                   });
  };
}

template <class T, class Index> WEFT_BINDER Step max_pool_grad(const Pool& p, const View& g, const View& index, const View& dx) {
  return [=](const Frame& frame) {
    const T* gradient = frame.at<const T>(g);
    const Index* places = frame.at<const Index>(index);
    T* out = frame.at<T>(dx);
    for_vectors<T>(p.n, p.h, p.w, p.c, 2, [&](int64_t image, int64_t row, int64_t column, int64_t j, int used, MaskOf<T> mask) {
      const auto rows = p.windows_of_row(row), columns = p.windows_of_column(column);
      Vector<T> sum{};
      for (int64_t y = rows.begin; y < rows.end; y++)
        for (int64_t x = columns.begin; x < columns.end; x++) {
          const int64_t from = ((image * p.oh + y) * p.ow + x) * p.c + j;
          const int64_t place = (row + p.top - y * p.stride_h) * p.window_w + column + p.left - x * p.stride_w;
          const MaskOf<T> here = equal(load_places<T>(places + from, used), splat<T>(T(place)));
          sum = sum + select(here, load_masked(gradient + from, mask), Vector<T>{});
        }
      store_masked(out + ((image * p.h + row) * p.w + column) * p.c + j, sum, mask);
    });
  };
}

template <class T, class Index> WEFT_BINDER Step max_pool_pick(const Pool& p, const View& x, const View& index, const View& y) {
  return [=](const Frame& frame) {
    const T* in = frame.at<const T>(x);
    const Index* places = frame.at<const Index>(index);
    T* out = frame.at<T>(y);
    for_vectors<T>(p.n, p.oh, p.ow, p.c, p.window_h * p.window_w,
                   [&](int64_t image, int64_t row, int64_t column, int64_t j, int used, MaskOf<T> mask) {
                     const int64_t to = ((image * p.oh + row) * p.ow + column) * p.c + j;
                     const Vector<T> place = load_places<T>(places + to, used);
                     const auto r = p.rows_inside(row), q = p.columns_inside(column);
                     Vector<T> value{};
                     for (int64_t i = r.begin; i < r.end; i++)
                       for (int64_t k = q.begin; k < q.end; k++) {
                         const int64_t from = (image * p.h + row * p.stride_h - p.top + i) * p.w + column * p.stride_w - p.left + k;
                         value = select(equal(place, splat<T>(T(i * p.window_w + k))), load_masked(in + from * p.c + j, mask), value);
                       }
                     store_masked(out + to, value, mask);
                   });
  };
}

/** Chooses the type that places are stored in. */
template <class T, template <class, class> class Bound, class... Views>
WEFT_BINDER Step with_places(DType dtype, const Pool& p, const Views&... views) {
  if (dtype == DType::int32) return Bound<T, int32_t>()(p, views...);
  require(dtype == DType::uint8, "ERR_DTYPE", "places in a pooling window must be uint8 or int32, not ", name_of(dtype));
  return Bound<T, uint8_t>()(p, views...);
}
template <class T, class Index> struct MaxPool {
  WEFT_BINDER Step operator()(const Pool& p, const View& x, const View& y, const View& index) const {
    return max_pool<T, Index>(p, x, y, index);
  }
};
template <class T, class Index> struct MaxPoolGrad {
  WEFT_BINDER Step operator()(const Pool& p, const View& g, const View& index, const View& dx) const {
    return max_pool_grad<T, Index>(p, g, index, dx);
  }
};
template <class T, class Index> struct MaxPoolPick {
  WEFT_BINDER Step operator()(const Pool& p, const View& x, const View& index, const View& y) const {
    return max_pool_pick<T, Index>(p, x, index, y);
  }
};

struct BindMaxPool {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const Pool p = pool_shape(call, call.in[0].dims, call.out[0].dim(1), call.out[0].dim(2));
    return with_places<T, MaxPool>(call.out[1].dtype, p, call.in[0], call.out[0], call.out[1]);
  }
};
struct BindMaxPoolGrad {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const Pool p = pool_shape(call, call.out[0].dims, call.in[0].dim(1), call.in[0].dim(2));
    return with_places<T, MaxPoolGrad>(call.in[1].dtype, p, call.in[0], call.in[1], call.out[0]);
  }
};
struct BindMaxPoolPick {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const Pool p = pool_shape(call, call.in[0].dims, call.out[0].dim(1), call.out[0].dim(2));
    return with_places<T, MaxPoolPick>(call.in[1].dtype, p, call.in[0], call.in[1], call.out[0]);
  }
};

struct BindAveragePool {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View x = call.in[0], y = call.out[0];
    const Pool p = pool_shape(call, x.dims, y.dim(1), y.dim(2));
    return [=](const Frame& frame) {
      const T* in = frame.at<const T>(x);
      T* out = frame.at<T>(y);
      for_vectors<T>(p.n, p.oh, p.ow, p.c, p.window_h * p.window_w,
                     [&](int64_t image, int64_t row, int64_t column, int64_t j, int, MaskOf<T> mask) {
                       const auto r = p.rows_inside(row), q = p.columns_inside(column);
                       Vector<T> sum{};
                       for (int64_t i = r.begin; i < r.end; i++)
                         for (int64_t k = q.begin; k < q.end; k++) {
                           const int64_t from = (image * p.h + row * p.stride_h - p.top + i) * p.w + column * p.stride_w - p.left + k;
                           sum = sum + load_masked(in + from * p.c + j, mask);
                         }
                       store_masked(out + ((image * p.oh + row) * p.ow + column) * p.c + j, sum / splat<T>(T(r.size() * q.size())), mask);
                     });
    };
  }
};

struct BindAveragePoolGrad {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View g = call.in[0], dx = call.out[0];
    const Pool p = pool_shape(call, dx.dims, g.dim(1), g.dim(2));
    return [=](const Frame& frame) {
      const T* gradient = frame.at<const T>(g);
      T* out = frame.at<T>(dx);
      for_vectors<T>(p.n, p.h, p.w, p.c, 2, [&](int64_t image, int64_t row, int64_t column, int64_t j, int, MaskOf<T> mask) {
        const auto rows = p.windows_of_row(row), columns = p.windows_of_column(column);
        Vector<T> sum{};
        for (int64_t y = rows.begin; y < rows.end; y++)
          for (int64_t x = columns.begin; x < columns.end; x++) {
            const T count = T(p.rows_inside(y).size() * p.columns_inside(x).size());
            sum = sum + load_masked(gradient + ((image * p.oh + y) * p.ow + x) * p.c + j, mask) / splat<T>(count);
          }
        store_masked(out + ((image * p.h + row) * p.w + column) * p.c + j, sum, mask);
      });
    };
  }
};

KERNEL(cpu, maxPool2d) {
  return call.in[0].dtype == DType::uint8 ? bind_max_pool_of_bytes(call) : bind_float(call, call.in[0].dtype, BindMaxPool());
}
KERNEL(cpu, maxPool2dGrad) { return bind_float(call, call.in[0].dtype, BindMaxPoolGrad()); }
KERNEL(cpu, maxPool2dPick) { return bind_float(call, call.in[0].dtype, BindMaxPoolPick()); }
KERNEL(cpu, averagePool2d) { return bind_float(call, call.in[0].dtype, BindAveragePool()); }
KERNEL(cpu, averagePool2dGrad) { return bind_float(call, call.in[0].dtype, BindAveragePoolGrad()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
