// Max and average pooling and their derivatives (NHWC). A thread owns a pack of channels of one pixel of the result;
// gradients gather, so that an input pixel sums over the windows that hold it in a fixed order. Bound by memory:
// windows that overlap meet in the cache.
#include "pool_bytes.cuh"
#include "vocabulary.cuh"

namespace weft::cuda {
namespace {

/** The part [begin, end) of something that lies inside something else. */
struct Span {
  int begin, end;
  __device__ __forceinline__ int size() const { return end - begin; }
};

struct PoolAxis {
  int input, output, window, stride, before;

  /** The places of window i that lie inside the input. */
  __device__ __forceinline__ Span inside(int i) const {
    const int start = i * stride - before, begin = min(window, max(0, -start));
    return {begin, max(begin, min(window, input - start))};
  }
  /** The windows that hold position i of the input. */
  __device__ __forceinline__ Span holding(int i) const {
    const int at = i + before, begin = at < window ? 0 : (at - window) / stride + 1;
    return {min(begin, output), min(output, at / stride + 1)};
  }
};

struct Pool {
  int n, c;
  PoolAxis y, x;
};

Pool pool_shape(const Call& call, const Dims& x, const Dims& y) {
  const Dims size = call.attrs.integers("poolSize"), strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  for (const Dims& dims : {x, y})
    require(dims[0] * dims[1] * dims[2] < INT32_MAX && dims[3] < INT32_MAX, "ERR_SHAPE", call.op, ": the GPU pools fewer than 2^31 pixels");
  return {int(x[0]),
          int(x[3]),
          {int(x[1]), int(y[1]), int(size[0]), int(strides[0]), int(padding[0])},
          {int(x[2]), int(y[2]), int(size[1]), int(strides[1]), int(padding[2])}};
}

/** A thread's place in [n, h, w, c]: blocks are [packs of channels][pixels]. */
template <int width> struct Place {
  int pixel, image, y, x, channel;
  bool inside;
  __device__ __forceinline__ Place(const Pool& p, int h, int w)
      : pixel(int(blockIdx.x * blockDim.y + threadIdx.y)), channel(int(blockIdx.y * blockDim.x + threadIdx.x) * width) {
    const int line = pixel / w;
    x = pixel - line * w, image = line / h, y = line - image * h;
    inside = image < p.n && channel < p.c;
  }
  __device__ __forceinline__ int64_t offset(int c) const { return int64_t(pixel) * c + channel; }
};

template <class T, class Index, int width>
__global__ void __launch_bounds__(128, 6) max_of_windows(const Pool p, const T* x, T* y, Index* index) {
  const Place<width> at(p, p.y.output, p.x.output);
  if (!at.inside) return;
  const Span rows = p.y.inside(at.y), columns = p.x.inside(at.x);
  const int row = at.y * p.y.stride - p.y.before, column = at.x * p.x.stride - p.x.before;
  float best[width];
  int place[width];
  for (int e = 0; e < width; e++)
    best[e] = -INFINITY, place[e] = rows.size() > 0 && columns.size() > 0 ? rows.begin * p.x.window + columns.begin : 0;
  for (int r = rows.begin; r < rows.end; r++)
    for (int q = columns.begin; q < columns.end; q++) {
      const int64_t from = (int64_t(at.image) * p.y.input + row + r) * p.x.input + column + q;
      const Pack<T, width> pack = load_pack<width>(x + from * p.c + at.channel);
#pragma unroll
      for (int e = 0; e < width; e++) {
        const float value = widen(pack.at[e]);
        if (value > best[e] || value != value) best[e] = value, place[e] = r * p.x.window + q;
      }
    }
  const int64_t to = at.offset(p.c);
  if (y) {
    Pack<T, width> out;
    for (int e = 0; e < width; e++) out.at[e] = narrow<T>(best[e]);
    store_pack(y + to, out);
  }
  if (index) {
    Pack<Index, width> out;
    for (int e = 0; e < width; e++) out.at[e] = Index(place[e]);
    store_pack(index + to, out);
  }
}

template <class T, class Index, int width>
__global__ void __launch_bounds__(128, 6) max_to_input(const Pool p, const T* g, const Index* index, T* dx) {
  const Place<width> at(p, p.y.input, p.x.input);
  if (!at.inside) return;
  const Span rows = p.y.holding(at.y), columns = p.x.holding(at.x);
  float sum[width] = {};
  for (int r = rows.begin; r < rows.end; r++)
    for (int q = columns.begin; q < columns.end; q++) {
      const int64_t from = ((int64_t(at.image) * p.y.output + r) * p.x.output + q) * p.c + at.channel;
      const int place = (at.y + p.y.before - r * p.y.stride) * p.x.window + at.x + p.x.before - q * p.x.stride;
      const Pack<Index, width> places = load_pack<width>(index + from);
      const Pack<T, width> gradient = load_pack<width>(g + from);
#pragma unroll
      for (int e = 0; e < width; e++) sum[e] += int(places.at[e]) == place ? widen(gradient.at[e]) : 0;
    }
  Pack<T, width> out;
  for (int e = 0; e < width; e++) out.at[e] = narrow<T>(sum[e]);
  store_pack(dx + at.offset(p.c), out);
}

template <class T, class Index, int width>
__global__ void __launch_bounds__(128) pick_from_windows(const Pool p, const T* x, const Index* index, T* y) {
  const Place<width> at(p, p.y.output, p.x.output);
  if (!at.inside) return;
  const Pack<Index, width> places = load_pack<width>(index + at.offset(p.c));
  Pack<T, width> out;
  for (int e = 0; e < width; e++) {
    const int r = int(places.at[e]) / p.x.window, q = int(places.at[e]) - r * p.x.window;
    const int row = at.y * p.y.stride - p.y.before + r, column = at.x * p.x.stride - p.x.before + q;
    const bool inside = unsigned(row) < unsigned(p.y.input) && unsigned(column) < unsigned(p.x.input) && r < p.y.window;
    out.at[e] = inside ? x[((int64_t(at.image) * p.y.input + row) * p.x.input + column) * p.c + at.channel + e] : T(0.0f);
  }
  store_pack(y + at.offset(p.c), out);
}

template <class T, int width> __global__ void __launch_bounds__(128, 6) mean_of_windows(const Pool p, const T* x, T* y) {
  const Place<width> at(p, p.y.output, p.x.output);
  if (!at.inside) return;
  const Span rows = p.y.inside(at.y), columns = p.x.inside(at.x);
  const int row = at.y * p.y.stride - p.y.before, column = at.x * p.x.stride - p.x.before;
  float sum[width] = {};
  for (int r = rows.begin; r < rows.end; r++)
    for (int q = columns.begin; q < columns.end; q++) {
      const int64_t from = (int64_t(at.image) * p.y.input + row + r) * p.x.input + column + q;
      const Pack<T, width> pack = load_pack<width>(x + from * p.c + at.channel);
#pragma unroll
      for (int e = 0; e < width; e++) sum[e] += widen(pack.at[e]);
    }
  const float count = float(rows.size() * columns.size());
  Pack<T, width> out;
  for (int e = 0; e < width; e++) out.at[e] = narrow<T>(sum[e] / count);
  store_pack(y + at.offset(p.c), out);
}

template <class T, int width> __global__ void __launch_bounds__(128) mean_to_input(const Pool p, const T* g, T* dx) {
  const Place<width> at(p, p.y.input, p.x.input);
  if (!at.inside) return;
  const Span rows = p.y.holding(at.y), columns = p.x.holding(at.x);
  float sum[width] = {};
  for (int r = rows.begin; r < rows.end; r++)
    for (int q = columns.begin; q < columns.end; q++) {
      const int64_t from = (int64_t(at.image) * p.y.output + r) * p.x.output + q;
      const float count = float(p.y.inside(r).size() * p.x.inside(q).size());
      const Pack<T, width> gradient = load_pack<width>(g + from * p.c + at.channel);
#pragma unroll
      for (int e = 0; e < width; e++) sum[e] += widen(gradient.at[e]) / count;
    }
  Pack<T, width> out;
  for (int e = 0; e < width; e++) out.at[e] = narrow<T>(sum[e]);
  store_pack(dx + at.offset(p.c), out);
}

/** Threads along packs of channels, as many as there are up to 32, and the rest of 128 along pixels. */
Shape shape_of(const View& result, int width) {
  const int64_t pixels = result.dim(0) * result.dim(1) * result.dim(2), packs = divide_up(result.dim(3), width);
  const int64_t x = std::clamp<int64_t>(packs, 1, 32), y = std::clamp<int64_t>(pixels, 1, 128 / x);
  return {.grid = dim3(unsigned(divide_up(pixels, y)), unsigned(divide_up(packs, x))), .block = dim3(unsigned(x), unsigned(y))};
}

/**
 * Calls f with the element type and the elements of a pack as constants: 16 bytes, or 1 where channels do not come so.
 */
template <class F> Step with_packs(DType dtype, int c, const F& f) {
  return dispatch<float, BFloat16, Float16>(dtype, [&]<class T>() -> Step {
    constexpr int width = 16 / int(sizeof(T));
    if (c % width == 0) return f.template operator()<T, width>();
    return f.template operator()<T, 1>();
  });
}
/** The same and the type that places are stored in. */
template <class F> Step with_places(DType dtype, DType places, int c, const F& f) {
  return dispatch<uint8_t, int32_t>(places, [&]<class Index>() {
    return with_packs(dtype, c, [&]<class T, int width>() { return f.template operator()<T, Index, width>(); });
  });
}

KERNEL(cuda, maxPool2d) {
  if (call.in[0].dtype == DType::uint8) return bind_max_pool_of_bytes(call);
  const View x = call.in[0], y = call.out[0], index = call.out[1];
  const Pool p = pool_shape(call, x.dims, y.dims);
  return with_places(x.dtype, index.dtype, p.c, [&]<class T, class Index, int width>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, shape_of(y, width), max_of_windows<T, Index, width>, p, frame.at<const T>(x), y.used() ? frame.at<T>(y) : nullptr,
             index.used() ? frame.at<Index>(index) : nullptr);
    };
  });
}

KERNEL(cuda, maxPool2dGrad) {
  const View g = call.in[0], index = call.in[1], dx = call.out[0];
  const Pool p = pool_shape(call, dx.dims, g.dims);
  return with_places(g.dtype, index.dtype, p.c, [&]<class T, class Index, int width>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, shape_of(dx, width), max_to_input<T, Index, width>, p, frame.at<const T>(g), frame.at<const Index>(index),
             frame.at<T>(dx));
    };
  });
}

KERNEL(cuda, maxPool2dPick) {
  const View x = call.in[0], index = call.in[1], y = call.out[0];
  const Pool p = pool_shape(call, x.dims, y.dims);
  return with_places(x.dtype, index.dtype, p.c, [&]<class T, class Index, int width>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, shape_of(y, width), pick_from_windows<T, Index, width>, p, frame.at<const T>(x), frame.at<const Index>(index),
             frame.at<T>(y));
    };
  });
}

KERNEL(cuda, averagePool2d) {
  const View x = call.in[0], y = call.out[0];
  const Pool p = pool_shape(call, x.dims, y.dims);
  return with_packs(x.dtype, p.c, [&]<class T, int width>() -> Step {
    return
        [=](const Frame& frame) { launch(frame, shape_of(y, width), mean_of_windows<T, width>, p, frame.at<const T>(x), frame.at<T>(y)); };
  });
}

KERNEL(cuda, averagePool2dGrad) {
  const View g = call.in[0], dx = call.out[0];
  const Pool p = pool_shape(call, dx.dims, g.dims);
  return with_packs(g.dtype, p.c, [&]<class T, int width>() -> Step {
    return
        [=](const Frame& frame) { launch(frame, shape_of(dx, width), mean_to_input<T, width>, p, frame.at<const T>(g), frame.at<T>(dx)); };
  });
}

}  // namespace
}  // namespace weft::cuda
