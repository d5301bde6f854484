// The gradient of batchNorm over the rows of [r, c]: with Σ over rows, xc = x - mean and s = 1 / √(variance + ε),
// dgamma = s Σ g·xc, dbeta = Σ g, dx = gamma·s·(g - Σg / r - xc·s²·Σ(g·xc) / r). Threads own columns, as in
// batch_norm.cu: one launch for few rows; for many, one that leaves sums of segments, a small one that combines them in
// order, and one that writes dx.
#include "columns.cuh"
#include "words.cuh"

namespace weft::cuda {
namespace {

constexpr int unroll = 2;  // rows of g and of x that a thread reads at once

/** Column sums of g and of g · (x - mean). */
template <int pack> struct Slopes {
  float plain[pack] = {}, weighted[pack] = {};

  __device__ __forceinline__ void merge(const Slopes& other) {
#pragma unroll
    for (int e = 0; e < pack; e++) plain[e] += other.plain[e], weighted[e] += other.weighted[e];
  }
};

/** The operands and the outputs per column, null where nobody reads them. */
template <class T> struct Gradient {
  const T *g, *x, *gamma, *mean, *variance;
  T *dx, *dgamma, *dbeta;
  float epsilon;
};

template <class T, int pack>
__device__ __forceinline__ void load_means(const Gradient<T>& gradient, const ColumnPlace& place, float (&mean)[pack]) {
#pragma unroll
  for (int e = 0; e < pack; e++) mean[e] = place.exists ? widen(gradient.mean[place.column + e]) : 0.0f;
}

template <class T, int pack>
__device__ __forceinline__ Slopes<pack> slopes_of(const Gradient<T>& gradient, const Columns& columns, const ColumnPlace& place,
                                                  const float (&mean)[pack]) {
  Slopes<pack> slopes;
  for (int64_t i = place.begin; i < place.end; i += unroll * columns.h) {
    Column<T, pack> g[unroll], x[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      const int64_t row = i + u * columns.h, at = (row < place.end ? row : i) * columns.inner + place.column;
      g[u] = load_column<pack>(gradient.g + at);
      x[u] = load_column<pack>(gradient.x + at);
    }
    Slopes<pack> rows;
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      if (i + u * columns.h >= place.end) break;
#pragma unroll
      for (int e = 0; e < pack; e++) {
        rows.plain[e] += g[u].get(e);
        rows.weighted[e] += g[u].get(e) * (x[u].get(e) - mean[e]);
      }
    }
    slopes.merge(rows);
  }
  return slopes;
}

/**
 * Writes dgamma and dbeta of a column; leaves b and c of dx = a·g + b·(x - mean) + c in the place of the sums, and
 * returns a.
 */
template <class T>
__device__ __forceinline__ float finish(const Gradient<T>& gradient, int64_t column, int64_t rows, float& plain, float& weighted) {
  const float inverse = 1.0f / sqrtf(widen(gradient.variance[column]) + gradient.epsilon), factor = widen(gradient.gamma[column]) * inverse;
  if (gradient.dgamma != nullptr) gradient.dgamma[column] = narrow<T>(weighted * inverse);
  if (gradient.dbeta != nullptr) gradient.dbeta[column] = narrow<T>(plain);
  weighted = -factor * inverse * inverse * (weighted / float(rows));
  plain = -factor * (plain / float(rows));
  return factor;
}

template <class T, int pack>
__device__ __forceinline__ void write_rows(const Gradient<T>& gradient, const Columns& columns, const ColumnPlace& place,
                                           const float (&mean)[pack], const float (&by_g)[pack], const Slopes<pack>& slopes) {
  for (int64_t i = place.begin; i < place.end; i += unroll * columns.h) {
    Column<T, pack> g[unroll], x[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      const int64_t row = i + u * columns.h, at = (row < place.end ? row : i) * columns.inner + place.column;
      g[u] = load_column<pack>(gradient.g + at);
      x[u] = load_column<pack>(gradient.x + at);
    }
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      if (i + u * columns.h >= place.end) break;
      Column<T, pack> out;
#pragma unroll
      for (int e = 0; e < pack; e++) out.set(e, by_g[e] * g[u].get(e) + (slopes.weighted[e] * (x[u].get(e) - mean[e]) + slopes.plain[e]));
      store_column<pack>(gradient.dx + (i + u * columns.h) * columns.inner + place.column, out);
    }
  }
}

template <int pack> struct Finished {
  float by_g[pack] = {};
  Slopes<pack> slopes;
};

template <class T, int pack> __global__ void __launch_bounds__(256) gradient_whole(Gradient<T> gradient, Columns columns) {
  WEFT_DYNAMIC_SHARED(unsigned char, memory);
  const ColumnPlace place(columns, pack);
  float mean[pack];
  load_means(gradient, place, mean);
  Finished<pack> finished;
  finished.slopes = slopes_of<T, pack>(gradient, columns, place, mean);
  merge_depth(finished.slopes, columns, reinterpret_cast<Slopes<pack>*>(memory),
              [](Slopes<pack>& a, const Slopes<pack>& b) { a.merge(b); });
  auto* shared = reinterpret_cast<Finished<pack>*>(memory);
  if (place.ty == 0) {
#pragma unroll
    for (int e = 0; e < pack; e++)
      if (place.exists)
        finished.by_g[e] = finish(gradient, place.column + e, columns.reduced, finished.slopes.plain[e], finished.slopes.weighted[e]);
    shared[place.tx] = finished;
  }
  if (gradient.dx == nullptr) return;
  __syncthreads();
  finished = shared[place.tx];
  write_rows<T, pack>(gradient, columns, place, mean, finished.by_g, finished.slopes);
}

/** partial [segments, 2, columns]. */
template <class T, int pack>
__global__ void __launch_bounds__(256, 2) segment_slopes(Gradient<T> gradient, float* partial, Columns columns) {
  WEFT_DYNAMIC_SHARED(Slopes<pack>, shared);
  const ColumnPlace place(columns, pack);
  float mean[pack];
  load_means(gradient, place, mean);
  Slopes<pack> slopes = slopes_of<T, pack>(gradient, columns, place, mean);
  merge_depth(slopes, columns, shared, [](Slopes<pack>& a, const Slopes<pack>& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  float* to = partial + int64_t(blockIdx.y) * 2 * columns.inner + place.column;
#pragma unroll
  for (int e = 0; e < pack; e++) to[e] = slopes.plain[e], to[columns.inner + e] = slopes.weighted[e];
}

/** coefficients [3, columns]. */
template <class T>
__global__ void __launch_bounds__(256)
    combine_slopes(Gradient<T> gradient, const float* partial, float* coefficients, int64_t rows, Columns merged) {
  WEFT_DYNAMIC_SHARED(Slopes<1>, shared);
  const ColumnPlace place(merged, 1);
  Slopes<1> slopes;
  for (int64_t s = place.begin; s < place.end; s += merged.h) {
    const float* from = partial + s * 2 * merged.inner + place.column;
    slopes.plain[0] += from[0];
    slopes.weighted[0] += from[merged.inner];
  }
  merge_depth(slopes, merged, shared, [](Slopes<1>& a, const Slopes<1>& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  float* to = coefficients + place.column;
  to[0] = finish(gradient, place.column, rows, slopes.plain[0], slopes.weighted[0]);
  to[merged.inner] = slopes.weighted[0];
  to[2 * merged.inner] = slopes.plain[0];
}

template <class T, int pack>
__global__ void __launch_bounds__(256) gradient_segments(Gradient<T> gradient, const float* coefficients, Columns columns) {
  const ColumnPlace place(columns, pack);
  if (!place.exists) return;
  float mean[pack], by_g[pack];
  Slopes<pack> slopes;
  load_means(gradient, place, mean);
#pragma unroll
  for (int e = 0; e < pack; e++) {
    by_g[e] = coefficients[place.column + e];
    slopes.weighted[e] = coefficients[columns.inner + place.column + e];
    slopes.plain[e] = coefficients[2 * columns.inner + place.column + e];
  }
  write_rows<T, pack>(gradient, columns, place, mean, by_g, slopes);
}

template <class T, int pack> Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], mean = call.in[3], variance = call.in[4];
  const View dx = call.out[0], dgamma = call.out[1], dbeta = call.out[2];
  const float epsilon = float(call.attrs.number("epsilon"));
  const int64_t inner = x.dim(-1), rows = x.dim(0);
  const Columns columns = plan_columns(1, rows, inner, pack, 512), merged = plan_columns(1, columns.segments, inner, 1, 1);
  const bool whole = columns.segments == 1;
  const View partial = whole ? View() : call.scratch(size_t(columns.segments * inner * 2) * sizeof(float));
  const View coefficients = whole ? View() : call.scratch(size_t(inner * 3) * sizeof(float));
  const size_t deep = depth_bytes<Slopes<pack>>(columns), shared = std::max(deep, size_t(columns.w) * sizeof(Finished<pack>));
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  return [=](const Frame& frame) {
    const auto output = [&](const View& view) { return view.used() ? frame.at<T>(view) : nullptr; };
    const Gradient<T> gradient{frame.at<T>(g),    frame.at<T>(x),        frame.at<T>(gamma),
                               frame.at<T>(mean), frame.at<T>(variance), output(dx),
                               output(dgamma),    output(dbeta),         epsilon};
    if (whole) return launch(frame, columns.shape(pack, shared), gradient_whole<T, pack>, gradient, columns);
    float *between = frame.at<float>(partial), *factors = frame.at<float>(coefficients);
    launch(frame, columns.shape(pack, deep), segment_slopes<T, pack>, gradient, between, columns);
    launch(frame, merged.shape(1, depth_bytes<Slopes<1>>(merged)), combine_slopes<T>, gradient, between, factors, rows, merged);
    if (dx.used()) launch(frame, columns.shape(pack, 0), gradient_segments<T, pack>, gradient, factors, columns);
  };
}

}  // namespace

KERNEL(cuda, batchNormGrad) {
  return dispatch<float, BFloat16, Float16>(call.in[1].dtype, [&]<class T>() {
    return call.in[1].dim(-1) % pack_size<T> == 0 ? bind_gradient<T, pack_size<T>>(call) : bind_gradient<T, 1>(call);
  });
}

}  // namespace weft::cuda
