// The gradients of layerNorm and rmsNorm over the rows of [r, c]. With xn = (x - mean)·rstd, a = mean of g·gamma and
// b = mean of g·gamma·xn over the row: dx = rstd·(g·gamma - a - xn·b), dgamma = Σ g·xn and dbeta = Σ g over rows.
// rmsNorm subtracts no mean, so it has neither a nor dbeta. Rows that begin with a 16-byte pack and fit a block, the
// usual case, take one read: a group of threads goes through a span of rows, writes dx and adds its columns' shares of
// dgamma and dbeta in registers; a second launch adds those of all spans in order. Other rows are read twice: first by
// threads that own columns (columns.cuh), then by groups that own rows (row_plan.h).
#pragma once
#include "columns.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {

constexpr int most_norm_grad_lanes = 512;  // of a row kept in registers

/** The operands and dx, which is null where nobody reads it. mean is null where none is subtracted. */
template <class T> struct NormGradient {
  const T *g, *x, *gamma, *mean, *rstd;
  T* dx;
};

/** The numbers of a row that its elements need. `shifts`: whether a mean is subtracted. */
template <class T, bool shifts> struct NormRow {
  float mean = 0, rstd = 0;
  __device__ __forceinline__ NormRow(const NormGradient<T>& gradient, int64_t row, bool exists) {
    if constexpr (shifts) mean = exists ? widen(gradient.mean[row]) : 0.0f;
    rstd = exists ? widen(gradient.rstd[row]) : 0.0f;
  }
  __device__ __forceinline__ float normal(float x) const { return (shifts ? x - mean : x) * rstd; }
};

/** Σ g·gamma·xn and, if `shifts`, Σ g·gamma: of a thread, a chunk or a row; then b and a, the means of the row. */
template <bool shifts> struct NormSums {
  static constexpr int count = shifts ? 2 : 1;
  float at[count] = {};

  __device__ __forceinline__ void add(float product, float g, float gamma) {
    at[0] += product * gamma;
    if constexpr (shifts) at[1] += g * gamma;
  }
  __device__ __forceinline__ void add(const NormSums& other) {
#pragma unroll
    for (int i = 0; i < count; i++) at[i] += other.at[i];
  }
  __device__ __forceinline__ void divide(float n) {
#pragma unroll
    for (int i = 0; i < count; i++) at[i] /= n;
  }
  /** dx, given the means. */
  __device__ __forceinline__ float slope(float g, float gamma, float normal, float rstd) const {
    if constexpr (shifts) return rstd * (g * gamma - at[1] - normal * at[0]);
    else return rstd * (g * gamma - normal * at[0]);
  }
};

/** Column sums of g·xn and, if `shifts`, of g. */
template <bool shifts, int pack> struct NormSlopes {
  static constexpr int count = shifts ? 2 : 1;
  float at[count][pack] = {};

  __device__ __forceinline__ void add(int e, float product, float g) {
    at[0][e] += product;
    if constexpr (shifts) at[1][e] += g;
  }
  __device__ __forceinline__ void merge(const NormSlopes& other) {
#pragma unroll
    for (int i = 0; i < count; i++)
#pragma unroll
      for (int e = 0; e < pack; e++) at[i][e] += other.at[i][e];
  }
  /** Into a row of partial [rows, count, n], and out of it. */
  __device__ __forceinline__ void store(float* row, int64_t n, int64_t column) const {
#pragma unroll
    for (int e = 0; e < pack; e++)
#pragma unroll
      for (int i = 0; i < count; i++) row[i * n + column + e] = at[i][e];
  }
  __device__ __forceinline__ void add_stored(const float* row, int64_t n, int64_t column) {
#pragma unroll
    for (int e = 0; e < pack; e++)
#pragma unroll
      for (int i = 0; i < count; i++) at[i][e] += row[i * n + column + e];
  }
};

/**
 * Spans of rows: block b takes those from b · span on, its groups side by side. Partial results go to row b of
 * `partial`, unless it is null.
 */
template <class T, int items, bool shifts>
__global__ void __launch_bounds__(1024) gradient_spans(NormGradient<T> gradient, float* partial, int64_t span, Rows rows) {
  constexpr int size = pack_size<T>, kinds = NormSlopes<shifts, size>::count;
  WEFT_SHARED(float, scratch, [64]);
  WEFT_DYNAMIC_SHARED(float, shared);
  const int n = int(rows.n), lanes = rows.lanes, groups = int(blockDim.x) / lanes, group = int(threadIdx.x) / lanes;
  const int lane = int(threadIdx.x) - group * lanes;
  const int64_t begin = int64_t(blockIdx.x) * span;
  const int count = int(rows.count - begin < span ? rows.count - begin : span);  // of the block's rows; 32 bits, to spare registers
  NormSlopes<shifts, size> slopes[items];
  for (int first = 0; first < count; first += groups) {
    const bool exists = first + group < count;
    const int64_t row = begin + first + group;
    const NormRow<T, shifts> of(gradient, row, exists);
    Words<T> g[items], x[items];
    NormSums<shifts> sums;
#pragma unroll
    for (int k = 0; k < items; k++) {
      const int i = (k * lanes + lane) * size;
      if (!exists || i >= n) continue;
      g[k] = load_words(gradient.g + row * n + i);
      x[k] = load_words(gradient.x + row * n + i);
    }
#pragma unroll
    for (int k = 0; k < items; k++) {
      const int i = (k * lanes + lane) * size;
      if (!exists || i >= n) continue;
      const Words<T> gamma = load_words(gradient.gamma + i);
#pragma unroll
      for (int e = 0; e < size; e++) {
        const float product = g[k].get(e) * of.normal(x[k].get(e));
        sums.add(product, g[k].get(e), gamma.get(e));
        slopes[k].add(e, product, g[k].get(e));
      }
    }
    if (gradient.dx == nullptr) continue;
    group_reduce(sums.at, lanes, 0.0f, scratch, Sum());
    sums.divide(float(n));
#pragma unroll
    for (int k = 0; k < items; k++) {
      const int i = (k * lanes + lane) * size;
      if (!exists || i >= n) continue;
      const Words<T> gamma = load_words(gradient.gamma + i);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < size; e++) out.set(e, sums.slope(g[k].get(e), gamma.get(e), of.normal(x[k].get(e)), of.rstd));
      store_words(gradient.dx + row * n + i, out);
    }
  }
  if (partial == nullptr) return;
  // the sums of several groups lie side by side in shared memory [groups, kinds, n] and are added in order
  float* const to = partial + int64_t(blockIdx.x) * kinds * n;
  float* const own = groups == 1 ? to : shared + group * kinds * n;
#pragma unroll
  for (int k = 0; k < items; k++)
    if ((k * lanes + lane) * size < n) slopes[k].store(own, n, (k * lanes + lane) * size);
  if (groups == 1) return;
  __syncthreads();
  for (int j = int(threadIdx.x); j < kinds * n; j += int(blockDim.x)) {
    float total = 0;
    for (int k = 0; k < groups; k++) total += shared[k * kinds * n + j];
    to[j] = total;
  }
}

/** partial [segments, kinds, columns] of segments of rows, for any rows. */
template <class T, bool shifts>
__global__ void __launch_bounds__(256) segment_slopes(NormGradient<T> gradient, float* partial, Columns columns) {
  using Slopes = NormSlopes<shifts, 1>;
  WEFT_DYNAMIC_SHARED(Slopes, shared);
  const ColumnPlace place(columns, 1);
  Slopes slopes;
#pragma unroll 4
  for (int64_t i = place.begin; i < place.end; i += columns.h) {
    const int64_t at = i * columns.inner + place.column;
    const float g = widen(gradient.g[at]);
    slopes.add(0, g * NormRow<T, shifts>(gradient, i, true).normal(widen(gradient.x[at])), g);
  }
  merge_depth(slopes, columns, shared, [](Slopes& a, const Slopes& b) { a.merge(b); });
  if (place.ty == 0 && place.exists)
    slopes.store(partial + int64_t(blockIdx.y) * Slopes::count * columns.inner, columns.inner, place.column);
}

/** dgamma and dbeta, null where nobody reads them, from partial [rows, kinds, columns]. */
template <class T, bool shifts>
__global__ void __launch_bounds__(256) combine_slopes(const float* partial, T* dgamma, T* dbeta, Columns merged) {
  using Slopes = NormSlopes<shifts, 1>;
  WEFT_DYNAMIC_SHARED(Slopes, shared);
  const ColumnPlace place(merged, 1);
  Slopes slopes;
#pragma unroll 4
  for (int64_t s = place.begin; s < place.end; s += merged.h)
    slopes.add_stored(partial + s * Slopes::count * merged.inner, merged.inner, place.column);
  merge_depth(slopes, merged, shared, [](Slopes& a, const Slopes& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  if (dgamma != nullptr) dgamma[place.column] = narrow<T>(slopes.at[0][0]);
  if constexpr (shifts) {
    if (dbeta != nullptr) dbeta[place.column] = narrow<T>(slopes.at[1][0]);
  }
}

/** dx, by rows or their chunks. */
template <class T, int items, Stage stage, bool shifts>
__global__ void __launch_bounds__(most_threads(stage, most_norm_grad_lanes), sizeof(T) == 4 || (!shifts && stage != Stage::whole) ? 1 : 0)
    gradient_rows(NormGradient<T> gradient, NormSums<shifts>* chunks, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  const Piece<T> piece(rows);
  const NormRow<T, shifts> of(gradient, piece.row, piece.exists(rows));
  Words<T> g[items], x[items];
#pragma unroll
  for (int k = 0; k < items; k++) {
    g[k] = piece.load(gradient.g, k, 0);
    x[k] = piece.load(gradient.x, k, 0);
  }
  NormSums<shifts> sums;
  float gamma[Piece<T>::size];
  if constexpr (stage == Stage::rest) {
    for (int i = int(threadIdx.x); i < rows.chunks; i += int(blockDim.x)) sums.add(chunks[piece.row * rows.chunks + i]);
  } else {
#pragma unroll
    for (int k = 0; k < items; k++) {
      piece.load_columns(rows, gradient.gamma, k, gamma);
#pragma unroll
      for (int e = 0; e < piece.size; e++) sums.add(g[k].get(e) * of.normal(x[k].get(e)), g[k].get(e), gamma[e]);
    }
  }
  group_reduce(sums.at, piece.lanes, 0.0f, scratch, Sum());
  if constexpr (stage == Stage::sums) {
    if (piece.lane == 0 && piece.exists(rows)) chunks[piece.id] = sums;
  } else {
    sums.divide(float(rows.n));
#pragma unroll
    for (int k = 0; k < items; k++) {
      if (piece.place(k) >= piece.length) break;
      piece.load_columns(rows, gradient.gamma, k, gamma);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < piece.size; e++) out.set(e, sums.slope(g[k].get(e), gamma[e], of.normal(x[k].get(e)), of.rstd));
      piece.store(gradient.dx, k, out);
    }
  }
}

/** What a Step is bound to: the call's views, of which mean and dbeta are unused where there are none. */
struct NormGradientCall {
  View g, x, gamma, mean, rstd, dx, dgamma, dbeta;
  int64_t count, n;

  bool slopes() const { return dgamma.used() || dbeta.used(); }
  template <class T> T* address(const Frame& frame, const View& view) const { return view.used() ? frame.at<T>(view) : nullptr; }
  template <class T> NormGradient<T> operands(const Frame& frame) const {
    return {frame.at<T>(g), frame.at<T>(x), frame.at<T>(gamma), address<T>(frame, mean), frame.at<T>(rstd), address<T>(frame, dx)};
  }
  template <class T, bool shifts> void combine(const Frame& frame, const float* partial, const Columns& merged) const {
    launch(frame, merged.shape(1, depth_bytes<NormSlopes<shifts, 1>>(merged)), combine_slopes<T, shifts>, partial,
           address<T>(frame, dgamma), address<T>(frame, dbeta), merged);
  }
};

/** The Step for rows that fit a block: `items` packs per thread. */
template <class T, int items, bool shifts> Step bind_norm_spans(Call& call, const NormGradientCall& at) {
  constexpr int kinds = shifts ? 2 : 1;
  RowPlan plan{{at.count, at.n, at.n, 1, 1}, items, 1};
  plan.divide(divide_up(at.n / pack_size<T>, items), 1024);
  // blocks enough for every device, but rows enough in each that partial results are a small part of the traffic
  const int64_t wanted = std::clamp<int64_t>(at.count / 32, 264, 1056) * plan.groups;
  const int64_t span = divide_up(at.count, wanted) * plan.groups, blocks = divide_up(at.count, std::max<int64_t>(1, span));
  const Columns merged = plan_columns(1, blocks, at.n, 1, 1);
  const View partial = at.slopes() ? call.scratch(size_t(blocks * kinds * at.n) * sizeof(float)) : View();
  const size_t shared = at.slopes() && plan.groups > 1 ? size_t(plan.groups * kinds * at.n) * sizeof(float) : 0;
  const Shape shape{.grid = dim3(unsigned(blocks)), .block = plan.shape().block, .shared = shared};
  return [=](const Frame& frame) {
    float* to = at.slopes() ? frame.at<float>(partial) : nullptr;
    launch(frame, shape, gradient_spans<T, items, shifts>, at.operands<T>(frame), to, span, plan.rows);
    if (at.slopes()) at.combine<T, shifts>(frame, to, merged);
  };
}

/** The Step for all rows. */
template <class T, bool shifts> Step bind_norm_twice(Call& call, const NormGradientCall& at) {
  using Sums = NormSums<shifts>;
  const Columns columns = plan_columns(1, at.count, at.n, 1, 512), merged = plan_columns(1, columns.segments, at.n, 1, 1);
  const View partial = at.slopes() ? call.scratch(size_t(columns.segments * Sums::count * at.n) * sizeof(float)) : View();
  const RowPlan plan = plan_rows(at.count, at.n, sizeof(T), 4, false, most_norm_grad_lanes);
  const View scratch = plan.whole() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(Sums));
  return with_items<4>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const NormGradient<T> gradient = at.operands<T>(frame);
      if (at.slopes()) {  // before dx overwrites g or x
        float* to = frame.at<float>(partial);
        launch(frame, columns.shape(1, depth_bytes<NormSlopes<shifts, 1>>(columns)), segment_slopes<T, shifts>, gradient, to, columns);
        at.combine<T, shifts>(frame, to, merged);
      }
      if (!at.dx.used()) return;
      Sums* chunks = plan.whole() ? nullptr : frame.at<Sums>(scratch);
      if (plan.whole()) return launch(frame, plan.shape(), gradient_rows<T, items, Stage::whole, shifts>, gradient, chunks, plan.rows);
      if constexpr (items == 4) {  // only long rows are cut
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::sums, shifts>, gradient, chunks, plan.rows);
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::rest, shifts>, gradient, chunks, plan.rows);
      }
    };
  });
}

/** Operands: g, x, gamma, mean if `shifts`, rstd. Outputs: dx, dgamma, dbeta if `shifts`. */
template <class T, bool shifts> Step bind_norm_gradient(Call& call) {
  const View none, x = call.in[1];
  const NormGradientCall at{call.in[0],
                            x,
                            call.in[2],
                            shifts ? call.in[3] : none,
                            call.in[shifts ? 4 : 3],
                            call.out[0],
                            call.out[1],
                            shifts ? call.out[2] : none,
                            x.dim(0),
                            x.dim(-1)};
  if (at.dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  const int64_t packs = at.n / pack_size<T>;
  if (at.n % pack_size<T> == 0 && packs <= 1024) return bind_norm_spans<T, 1, shifts>(call, at);
  if constexpr (sizeof(T) == 4) {
    if (at.n % pack_size<T> == 0 && packs <= 2048) return bind_norm_spans<T, 2, shifts>(call, at);
  }
  return bind_norm_twice<T, shifts>(call, at);
}

}  // namespace weft::cuda
