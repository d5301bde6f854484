// The gradient of layerNorm over the rows of [r, c]: with xn = (x - mean)·rstd, a = mean of g·gamma and b = mean of g·gamma·xn over the row,
// dx = rstd·(g·gamma - a - xn·b), dgamma = Σ g·xn and dbeta = Σ g over rows. Rows that begin with a 16-byte pack and fit a block, the usual
// case, take one read: a group of threads goes through a span of rows, writes dx and adds its columns' shares of dgamma and dbeta in registers;
// a second launch adds those of all spans in order. Other rows are read twice: first by threads that own columns (columns.cuh), then by groups
// that own rows (row_plan.h).
#include "columns.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

constexpr int most_lanes = 512;  // of a row kept in registers

/** The operands and outputs; dx and dgamma are null where nobody reads them. */
template <class T> struct Gradient {
  const T *g, *x, *gamma, *mean, *rstd;
  T* dx;
};

/** Column sums of g · xn and of g. */
template <int pack> struct Slopes {
  float weighted[pack] = {}, plain[pack] = {};

  __device__ __forceinline__ void merge(const Slopes& other) {
#pragma unroll
    for (int e = 0; e < pack; e++) weighted[e] += other.weighted[e], plain[e] += other.plain[e];
  }
  /** Into a row of partial [rows, 2, n]. */
  __device__ __forceinline__ void store(float* row, int64_t n, int64_t column) const {
#pragma unroll
    for (int e = 0; e < pack; e++) row[column + e] = weighted[e], row[n + column + e] = plain[e];
  }
};

/** Spans of rows: block b takes those from b · span on, its groups side by side. Partial results go to row b of `partial`, unless it is null. */
template <class T, int items>
__global__ void __launch_bounds__(1024) gradient_spans(Gradient<T> gradient, float* partial, int64_t span, Rows rows) {
  constexpr int size = pack_size<T>;
  WEFT_SHARED(float, scratch, [64]);
  WEFT_DYNAMIC_SHARED(float, shared);
  const int n = int(rows.n), lanes = rows.lanes, groups = int(blockDim.x) / lanes, group = int(threadIdx.x) / lanes;
  const int lane = int(threadIdx.x) - group * lanes;
  const int64_t begin = int64_t(blockIdx.x) * span;
  const int count = int(rows.count - begin < span ? rows.count - begin : span);  // of the block's rows; 32 bits, to spare registers
  Slopes<size> slopes[items];
  for (int first = 0; first < count; first += groups) {
    const bool exists = first + group < count;
    const int64_t row = begin + first + group;
    const float mean = exists ? widen(gradient.mean[row]) : 0.0f, rstd = exists ? widen(gradient.rstd[row]) : 0.0f;
    Words<T> g[items], x[items];
    float sum[2] = {0, 0};
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
        const float normal = (x[k].get(e) - mean) * rstd, slope = g[k].get(e) * gamma.get(e);
        sum[0] += slope;
        sum[1] += slope * normal;
        slopes[k].weighted[e] += g[k].get(e) * normal;
        slopes[k].plain[e] += g[k].get(e);
      }
    }
    if (gradient.dx == nullptr) continue;
    group_reduce(sum, lanes, 0.0f, scratch, Sum());
    const float a = sum[0] / float(n), b = sum[1] / float(n);
#pragma unroll
    for (int k = 0; k < items; k++) {
      const int i = (k * lanes + lane) * size;
      if (!exists || i >= n) continue;
      const Words<T> gamma = load_words(gradient.gamma + i);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < size; e++) out.set(e, rstd * (g[k].get(e) * gamma.get(e) - a - (x[k].get(e) - mean) * rstd * b));
      store_words(gradient.dx + row * n + i, out);
    }
  }
  if (partial == nullptr) return;
  float* to = partial + int64_t(blockIdx.x) * 2 * n;
  if (groups == 1) {
#pragma unroll
    for (int k = 0; k < items; k++)
      if ((k * lanes + lane) * size < n) slopes[k].store(to, n, (k * lanes + lane) * size);
    return;
  }
  // several groups: their sums lie side by side in shared memory [groups, 2, n] and are added in order
#pragma unroll
  for (int k = 0; k < items; k++)
    if ((k * lanes + lane) * size < n) slopes[k].store(shared + group * 2 * n, n, (k * lanes + lane) * size);
  __syncthreads();
  for (int j = int(threadIdx.x); j < 2 * n; j += int(blockDim.x)) {
    float total = 0;
    for (int k = 0; k < groups; k++) total += shared[k * 2 * n + j];
    to[j] = total;
  }
}

/** partial [segments, 2, columns] of segments of rows, for any rows. */
template <class T> __global__ void __launch_bounds__(256) segment_slopes(Gradient<T> gradient, float* partial, Columns columns) {
  WEFT_DYNAMIC_SHARED(Slopes<1>, shared);
  const ColumnPlace place(columns, 1);
  Slopes<1> slopes;
#pragma unroll 4
  for (int64_t i = place.begin; i < place.end; i += columns.h) {
    const int64_t at = i * columns.inner + place.column;
    const float g = widen(gradient.g[at]);
    slopes.weighted[0] += g * ((widen(gradient.x[at]) - widen(gradient.mean[i])) * widen(gradient.rstd[i]));
    slopes.plain[0] += g;
  }
  merge_depth(slopes, columns, shared, [](Slopes<1>& a, const Slopes<1>& b) { a.merge(b); });
  if (place.ty == 0 && place.exists) slopes.store(partial + int64_t(blockIdx.y) * 2 * columns.inner, columns.inner, place.column);
}

/** dgamma and dbeta from partial [rows, 2, columns]. */
template <class T> __global__ void __launch_bounds__(256) combine_slopes(const float* partial, T* dgamma, T* dbeta, Columns merged) {
  WEFT_DYNAMIC_SHARED(Slopes<1>, shared);
  const ColumnPlace place(merged, 1);
  Slopes<1> slopes;
#pragma unroll 4
  for (int64_t s = place.begin; s < place.end; s += merged.h) {
    const float* from = partial + s * 2 * merged.inner + place.column;
    slopes.weighted[0] += from[0];
    slopes.plain[0] += from[merged.inner];
  }
  merge_depth(slopes, merged, shared, [](Slopes<1>& a, const Slopes<1>& b) { a.merge(b); });
  if (place.ty != 0 || !place.exists) return;
  if (dgamma != nullptr) dgamma[place.column] = narrow<T>(slopes.weighted[0]);
  if (dbeta != nullptr) dbeta[place.column] = narrow<T>(slopes.plain[0]);
}

/** dx, by rows or their chunks; sums: Σ g·gamma and Σ g·gamma·xn of chunks. */
template <class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_lanes), sizeof(T) == 4 ? 1 : 0)
    gradient_rows(Gradient<T> gradient, float2* sums, Rows rows) {
  WEFT_SHARED(float, scratch, [64]);
  const Piece<T> piece(rows);
  const float mean = piece.exists(rows) ? widen(gradient.mean[piece.row]) : 0.0f;
  const float rstd = piece.exists(rows) ? widen(gradient.rstd[piece.row]) : 0.0f;
  Words<T> g[items], x[items];
#pragma unroll
  for (int k = 0; k < items; k++) {
    g[k] = piece.load(gradient.g, k, 0);
    x[k] = piece.load(gradient.x, k, 0);
  }
  float sum[2] = {0, 0}, gamma[Piece<T>::size];
  if constexpr (stage == Stage::rest) {
    for (int i = int(threadIdx.x); i < rows.chunks; i += int(blockDim.x)) {
      const float2 chunk = sums[piece.row * rows.chunks + i];
      sum[0] += chunk.x;
      sum[1] += chunk.y;
    }
  } else {
#pragma unroll
    for (int k = 0; k < items; k++) {
      piece.load_columns(rows, gradient.gamma, k, gamma);
#pragma unroll
      for (int e = 0; e < piece.size; e++) {
        const float slope = g[k].get(e) * gamma[e];
        sum[0] += slope;
        sum[1] += slope * ((x[k].get(e) - mean) * rstd);
      }
    }
  }
  group_reduce(sum, piece.lanes, 0.0f, scratch, Sum());
  if constexpr (stage == Stage::sums) {
    if (piece.lane == 0 && piece.exists(rows)) sums[piece.id] = make_float2(sum[0], sum[1]);
  } else {
    const float a = sum[0] / float(rows.n), b = sum[1] / float(rows.n);
#pragma unroll
    for (int k = 0; k < items; k++) {
      if (piece.place(k) >= piece.length) break;
      piece.load_columns(rows, gradient.gamma, k, gamma);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < piece.size; e++) out.set(e, rstd * (g[k].get(e) * gamma[e] - a - (x[k].get(e) - mean) * rstd * b));
      piece.store(gradient.dx, k, out);
    }
  }
}

/** The Step for rows that fit a block: `items` packs per thread. */
template <class T, int items>
Step bind_spans(Call& call, int64_t count, int64_t n, const std::function<Gradient<T>(const Frame&)>& operands) {
  const View dgamma = call.out[1], dbeta = call.out[2];
  const bool totals = dgamma.used() || dbeta.used();
  RowPlan plan{{count, n, n, 1, 1}, items, 1};
  plan.divide(divide_up(n / pack_size<T>, items), 1024);
  // blocks enough for every device, but rows enough in each that partial results are a small part of the traffic
  const int64_t wanted = std::clamp<int64_t>(count / 32, 264, 1056) * plan.groups;
  const int64_t span = divide_up(count, wanted) * plan.groups, blocks = divide_up(count, std::max<int64_t>(1, span));
  const Columns merged = plan_columns(1, blocks, n, 1, 1);
  const View partial = totals ? call.scratch(size_t(blocks * 2 * n) * sizeof(float)) : View();
  const size_t shared = totals && plan.groups > 1 ? size_t(plan.groups * 2 * n) * sizeof(float) : 0;
  const Shape shape{.grid = dim3(unsigned(blocks)), .block = plan.shape().block, .shared = shared};
  return [=](const Frame& frame) {
    float* to = totals ? frame.at<float>(partial) : nullptr;
    launch(frame, shape, gradient_spans<T, items>, operands(frame), to, span, plan.rows);
    if (totals)
      launch(frame, merged.shape(1, depth_bytes<Slopes<1>>(merged)), combine_slopes<T>, to, dgamma.used() ? frame.at<T>(dgamma) : nullptr,
             dbeta.used() ? frame.at<T>(dbeta) : nullptr, merged);
  };
}

/** The Step for all rows. */
template <class T> Step bind_twice(Call& call, int64_t count, int64_t n, const std::function<Gradient<T>(const Frame&)>& operands) {
  const View dx = call.out[0], dgamma = call.out[1], dbeta = call.out[2];
  const bool totals = dgamma.used() || dbeta.used();
  const Columns columns = plan_columns(1, count, n, 1, 512), merged = plan_columns(1, columns.segments, n, 1, 1);
  const View partial = totals ? call.scratch(size_t(columns.segments * 2 * n) * sizeof(float)) : View();
  const RowPlan plan = plan_rows(count, n, sizeof(T), 4, false, most_lanes);
  const View sums = plan.whole() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(float2));
  return with_items<4>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const Gradient<T> gradient = operands(frame);
      if (totals) {  // before dx overwrites g or x
        float* to = frame.at<float>(partial);
        launch(frame, columns.shape(1, depth_bytes<Slopes<1>>(columns)), segment_slopes<T>, gradient, to, columns);
        launch(frame, merged.shape(1, depth_bytes<Slopes<1>>(merged)), combine_slopes<T>, to, dgamma.used() ? frame.at<T>(dgamma) : nullptr,
               dbeta.used() ? frame.at<T>(dbeta) : nullptr, merged);
      }
      if (!dx.used()) return;
      float2* chunks = plan.whole() ? nullptr : frame.at<float2>(sums);
      if (plan.whole()) return launch(frame, plan.shape(), gradient_rows<T, items, Stage::whole>, gradient, chunks, plan.rows);
      if constexpr (items == 4) {  // only long rows are cut
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::sums>, gradient, chunks, plan.rows);
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::rest>, gradient, chunks, plan.rows);
      }
    };
  });
}

template <class T> Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], mean = call.in[3], rstd = call.in[4], dx = call.out[0];
  const int64_t n = x.dim(-1), count = x.dim(0), packs = n / pack_size<T>;
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  const auto operands = [=](const Frame& frame) {
    return Gradient<T>{frame.at<T>(g),    frame.at<T>(x),    frame.at<T>(gamma),
                       frame.at<T>(mean), frame.at<T>(rstd), dx.used() ? frame.at<T>(dx) : nullptr};
  };
  if (n % pack_size<T> == 0 && packs <= 1024) return bind_spans<T, 1>(call, count, n, operands);
  if constexpr (sizeof(T) == 4) {
    if (n % pack_size<T> == 0 && packs <= 2048) return bind_spans<T, 2>(call, count, n, operands);
  }
  return bind_twice<T>(call, count, n, operands);
}

}  // namespace

KERNEL(cuda, layerNormGrad) {
  return dispatch<float, BFloat16, Float16>(call.in[1].dtype, [&]<class T>() { return bind_gradient<T>(call); });
}

}  // namespace weft::cuda
