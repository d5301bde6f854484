// batchNorm over the rows of [r, c] and its gradient. Threads own columns (columns.cuh). Means and squared deviations
// are taken exactly over four rows at a time and merged as in Chan et al. 1979, so that large means cost no precision.
// Few rows: one launch, in which a block reads its columns a second time, from the cache, to write the output. Many
// rows: segments of them leave partial results, a small launch combines these in order, a third one writes.
#include "columns.cuh"
#include "words.cuh"

namespace weft::cuda {
namespace {

constexpr int unroll = 4;  // rows that a thread reads at once

/** Of some rows: how many, their column means and sums of squared deviations. */
template <int pack> struct Moments {
  float count = 0, mean[pack] = {}, deviation[pack] = {};

  __device__ __forceinline__ void merge(const Moments& other) {
    const float total = count + other.count;
    if (total == 0) return;
    const float share = other.count / total, weight = count * share;
#pragma unroll
    for (int e = 0; e < pack; e++) {
      const float difference = other.mean[e] - mean[e];
      mean[e] += difference * share;
      deviation[e] += other.deviation[e] + difference * difference * weight;
    }
    count = total;
  }
};

template <class T, int pack>
__device__ __forceinline__ Moments<pack> moments_of(const T* x, const Columns& columns, const ColumnPlace& place) {
  const T* from = x + place.column;
  const int64_t h = columns.h;
  Moments<pack> moments;
  int64_t i = place.begin;
  for (; i + (unroll - 1) * h < place.end; i += unroll * h) {
    Column<T, pack> value[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) value[u] = load_column<pack>(from + (i + u * h) * columns.inner);
    Moments<pack> rows;
    rows.count = unroll;
#pragma unroll
    for (int e = 0; e < pack; e++) {
      rows.mean[e] = ((value[0].get(e) + value[1].get(e)) + (value[2].get(e) + value[3].get(e))) * 0.25f;
#pragma unroll
      for (int u = 0; u < unroll; u++) {
        const float d = value[u].get(e) - rows.mean[e];
        rows.deviation[e] += d * d;
      }
    }
    moments.merge(rows);
  }
  for (; i < place.end; i += h) {
    const Column<T, pack> value = load_column<pack>(from + i * columns.inner);
    Moments<pack> row;
    row.count = 1;
#pragma unroll
    for (int e = 0; e < pack; e++) row.mean[e] = value.get(e);
    moments.merge(row);
  }
  return moments;
}

/** The outputs per column, where they are wanted, and the coefficients of y = (x - mean) · scale + beta. */
template <class T> struct Statistics {
  T *mean, *variance;
  const T* gamma;
  float epsilon;

  /** Writes the outputs for a column and returns the scale. */
  __device__ __forceinline__ float finish(int64_t column, float count, float average, float deviation) const {
    const float v = deviation / count;  // NaN for no rows
    if (mean != nullptr) mean[column] = narrow<T>(count == 0 ? v : average);
    if (variance != nullptr) variance[column] = narrow<T>(v);
    return widen(gamma[column]) / sqrtf(v + epsilon);
  }
};

/** y = (x - mean) · scale + shift for the rows of a thread. */
template <class T, int pack>
__device__ __forceinline__ void normalize(const T* x, T* y, const Columns& columns, const ColumnPlace& place, const float (&mean)[pack],
                                          const float (&scale)[pack], const float (&shift)[pack]) {
  const int64_t h = columns.h;
  for (int64_t i = place.begin; i < place.end; i += unroll * h) {
    Column<T, pack> value[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++)
      if (i + u * h < place.end) value[u] = load_column<pack>(x + (i + u * h) * columns.inner + place.column);
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      if (i + u * h >= place.end) break;
      Column<T, pack> out;
#pragma unroll
      for (int e = 0; e < pack; e++) out.set(e, (value[u].get(e) - mean[e]) * scale[e] + shift[e]);
      store_column<pack>(y + (i + u * h) * columns.inner + place.column, out);
    }
  }
}

/** All rows of some columns: `y` may be null. */
template <class T, int pack>
__global__ void __launch_bounds__(256, 2) normalize_whole(const T* x, const T* beta, T* y, Statistics<T> statistics, Columns columns) {
  WEFT_DYNAMIC_SHARED(Moments<pack>, shared);
  const ColumnPlace place(columns, pack);
  Moments<pack> moments = moments_of<T, pack>(x, columns, place);
  merge_depth(moments, columns, shared, [](Moments<pack>& a, const Moments<pack>& b) { a.merge(b); });
  if (place.ty == 0) {
#pragma unroll
    for (int e = 0; e < pack; e++)
      if (place.exists) moments.deviation[e] = statistics.finish(place.column + e, moments.count, moments.mean[e], moments.deviation[e]);
    shared[place.tx] = moments;  // with scales in the place of deviations
  }
  if (y == nullptr) return;
  __syncthreads();
  moments = shared[place.tx];
  float shift[pack] = {};
#pragma unroll
  for (int e = 0; e < pack; e++)
    if (place.exists) shift[e] = widen(beta[place.column + e]);
  normalize<T, pack>(x, y, columns, place, moments.mean, moments.deviation, shift);
}

/** partial [segments, 2, columns]: means and deviations of segments of rows. */
template <class T, int pack> __global__ void __launch_bounds__(256) segment_moments(const T* x, float* partial, Columns columns) {
  WEFT_DYNAMIC_SHARED(Moments<pack>, shared);
  const ColumnPlace place(columns, pack);
  Moments<pack> moments = moments_of<T, pack>(x, columns, place);
  merge_depth(moments, columns, shared, [](Moments<pack>& a, const Moments<pack>& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  float* to = partial + int64_t(blockIdx.y) * 2 * columns.inner + place.column;
#pragma unroll
  for (int e = 0; e < pack; e++) to[e] = moments.mean[e], to[columns.inner + e] = moments.deviation[e];
}

/**
 * coefficients [2, columns]: mean and scale. `merged`: the columns of partial, its segments as rows; `segment`: rows of
 * a segment.
 */
template <class T>
__global__ void __launch_bounds__(256)
    combine_moments(const float* partial, float* coefficients, Statistics<T> statistics, int64_t rows, int64_t segment, Columns merged) {
  WEFT_DYNAMIC_SHARED(Moments<1>, shared);
  const ColumnPlace place(merged, 1);
  Moments<1> moments;
  for (int64_t s = place.begin; s < place.end; s += merged.h) {
    const float* from = partial + s * 2 * merged.inner + place.column;
    Moments<1> rows_of_segment;
    rows_of_segment.count = float(rows - s * segment < segment ? rows - s * segment : segment);
    rows_of_segment.mean[0] = from[0];
    rows_of_segment.deviation[0] = from[merged.inner];
    moments.merge(rows_of_segment);
  }
  merge_depth(moments, merged, shared, [](Moments<1>& a, const Moments<1>& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  coefficients[place.column] = moments.mean[0];
  coefficients[merged.inner + place.column] = statistics.finish(place.column, float(rows), moments.mean[0], moments.deviation[0]);
}

template <class T, int pack>
__global__ void __launch_bounds__(256) normalize_segments(const T* x, const T* beta, const float* coefficients, T* y, Columns columns) {
  const ColumnPlace place(columns, pack);
  if (!place.exists) return;
  float mean[pack], scale[pack], shift[pack];
#pragma unroll
  for (int e = 0; e < pack; e++) {
    mean[e] = coefficients[place.column + e];
    scale[e] = coefficients[columns.inner + place.column + e];
    shift[e] = widen(beta[place.column + e]);
  }
  normalize<T, pack>(x, y, columns, place, mean, scale, shift);
}

template <class T, int pack> Step bind_forward(Call& call) {
  const View x = call.in[0], gamma = call.in[1], beta = call.in[2], y = call.out[0], mean = call.out[1], variance = call.out[2];
  const float epsilon = float(call.attrs.number("epsilon"));
  const int64_t inner = x.dim(-1), rows = x.dim(0);
  const Columns columns = plan_columns(1, rows, inner, pack, 512), merged = plan_columns(1, columns.segments, inner, 1, 1);
  const bool whole = columns.segments == 1;
  const View partial = whole ? View() : call.scratch(size_t(columns.segments * inner * 2) * sizeof(float));
  const View coefficients = whole ? View() : call.scratch(size_t(inner * 2) * sizeof(float));
  const size_t shared = std::max(depth_bytes<Moments<pack>>(columns), size_t(columns.w) * sizeof(Moments<pack>));
  if (y.used()) call.in_place(0, 0);
  return [=](const Frame& frame) {
    const Statistics<T> statistics{mean.used() ? frame.at<T>(mean) : nullptr, variance.used() ? frame.at<T>(variance) : nullptr,
                                   frame.at<T>(gamma), epsilon};
    const T *from = frame.at<T>(x), *shift = frame.at<T>(beta);
    T* to = y.used() ? frame.at<T>(y) : nullptr;
    if (whole) return launch(frame, columns.shape(pack, shared), normalize_whole<T, pack>, from, shift, to, statistics, columns);
    float *between = frame.at<float>(partial), *factors = frame.at<float>(coefficients);
    launch(frame, columns.shape(pack, shared), segment_moments<T, pack>, from, between, columns);
    launch(frame, merged.shape(1, depth_bytes<Moments<1>>(merged)), combine_moments<T>, between, factors, statistics, rows, columns.segment,
           merged);
    if (to != nullptr) launch(frame, columns.shape(pack, 0), normalize_segments<T, pack>, from, shift, factors, to, columns);
  };
}

template <class F> Step by_pack(Call& call, const View& x, F&& bind) {
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() {
    return x.dim(-1) % pack_size<T> == 0 ? bind.template operator()<T, pack_size<T>>() : bind.template operator()<T, 1>();
  });
}

}  // namespace

KERNEL(cuda, batchNorm) {
  return by_pack(call, call.in[0], [&]<class T, int pack>() { return bind_forward<T, pack>(call); });
}

}  // namespace weft::cuda
