// The gradient of rmsNorm over the rows of [r, c]: with xn = x·rstd and b = mean of g·gamma·xn over the row, dx = rstd·(g·gamma - xn·b) and
// dgamma = Σ g·xn over rows. Rows that begin with a 16-byte pack and fit a block, the usual case, take one read: a group of threads goes
// through a span of rows, writes dx and adds its columns' shares of dgamma in registers; a second launch adds those of all spans in order.
// Other rows are read twice: first by threads that own columns (columns.cuh), then by groups that own rows (row_plan.h).
#include "columns.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

constexpr int most_lanes = 512;  // of a row kept in registers

/** The operands and outputs; dx is null where nobody reads it. */
template <class T> struct Gradient {
  const T *g, *x, *gamma, *rstd;
  T* dx;
};

/**
 * Spans of rows: block b takes those from b · span on, its groups side by side. Partial results go to row b of `partial` [blocks, n],
 * unless it is null.
 */
template <class T, int items>
__global__ void __launch_bounds__(1024) gradient_spans(Gradient<T> gradient, float* partial, int64_t span, Rows rows) {
  constexpr int size = pack_size<T>;
  WEFT_SHARED(float, scratch, [32]);
  WEFT_DYNAMIC_SHARED(float, shared);
  const int n = int(rows.n), lanes = rows.lanes, groups = int(blockDim.x) / lanes, group = int(threadIdx.x) / lanes;
  const int lane = int(threadIdx.x) - group * lanes;
  const int64_t begin = int64_t(blockIdx.x) * span, last = begin + span, end = last < rows.count ? last : rows.count;
  float slope[items][size] = {};
  for (int64_t first = begin; first < end; first += groups) {
    const int64_t row = first + group;
    const bool exists = row < end;
    const float rstd = exists ? widen(gradient.rstd[row]) : 0.0f;
    Words<T> g[items], x[items];
    float sum[1] = {0};
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
        const float product = g[k].get(e) * (x[k].get(e) * rstd);
        sum[0] += product * gamma.get(e);
        slope[k][e] += product;
      }
    }
    if (gradient.dx == nullptr) continue;
    group_reduce(sum, lanes, 0.0f, scratch, Sum());
    const float b = sum[0] / float(n);
#pragma unroll
    for (int k = 0; k < items; k++) {
      const int i = (k * lanes + lane) * size;
      if (!exists || i >= n) continue;
      const Words<T> gamma = load_words(gradient.gamma + i);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < size; e++) out.set(e, rstd * (g[k].get(e) * gamma.get(e) - x[k].get(e) * rstd * b));
      store_words(gradient.dx + row * n + i, out);
    }
  }
  if (partial == nullptr) return;
  // several groups: their sums lie side by side in shared memory [groups, n] and are added in order
  float* const to = groups == 1 ? partial + int64_t(blockIdx.x) * n : shared + group * n;
#pragma unroll
  for (int k = 0; k < items; k++) {
    const int i = (k * lanes + lane) * size;
    if (i >= n) continue;
#pragma unroll
    for (int e = 0; e < size; e++) to[i + e] = slope[k][e];
  }
  if (groups == 1) return;
  __syncthreads();
  for (int j = int(threadIdx.x); j < n; j += int(blockDim.x)) {
    float total = 0;
    for (int k = 0; k < groups; k++) total += shared[k * n + j];
    partial[int64_t(blockIdx.x) * n + j] = total;
  }
}

/** partial [segments, columns] of segments of rows, for any rows. */
template <class T> __global__ void __launch_bounds__(256) segment_slopes(Gradient<T> gradient, float* partial, Columns columns) {
  WEFT_DYNAMIC_SHARED(float, shared);
  const ColumnPlace place(columns, 1);
  float slope = 0;
#pragma unroll 4
  for (int64_t i = place.begin; i < place.end; i += columns.h) {
    const int64_t at = i * columns.inner + place.column;
    slope += widen(gradient.g[at]) * (widen(gradient.x[at]) * widen(gradient.rstd[i]));
  }
  merge_depth(slope, columns, shared, [](float& a, float b) { a += b; });
  if (place.ty == 0 && place.exists) partial[int64_t(blockIdx.y) * columns.inner + place.column] = slope;
}

/** dgamma from partial [rows, columns]. */
template <class T> __global__ void __launch_bounds__(256) combine_slopes(const float* partial, T* dgamma, Columns merged) {
  WEFT_DYNAMIC_SHARED(float, shared);
  const ColumnPlace place(merged, 1);
  float slope = 0;
#pragma unroll 4
  for (int64_t s = place.begin; s < place.end; s += merged.h) slope += partial[s * merged.inner + place.column];
  merge_depth(slope, merged, shared, [](float& a, float b) { a += b; });
  if (place.ty == 0 && place.exists) dgamma[place.column] = narrow<T>(slope);
}

/** dx, by rows or their chunks; sums: Σ g·gamma·xn of chunks. */
template <class T, int items, Stage stage>
__global__ void __launch_bounds__(most_threads(stage, most_lanes), sizeof(T) == 4 || stage != Stage::whole ? 1 : 0)
    gradient_rows(Gradient<T> gradient, float* sums, Rows rows) {
  WEFT_SHARED(float, scratch, [32]);
  const Piece<T> piece(rows);
  const float rstd = piece.exists(rows) ? widen(gradient.rstd[piece.row]) : 0.0f;
  Words<T> g[items], x[items];
#pragma unroll
  for (int k = 0; k < items; k++) {
    g[k] = piece.load(gradient.g, k, 0);
    x[k] = piece.load(gradient.x, k, 0);
  }
  float sum[1] = {0}, gamma[Piece<T>::size];
  if constexpr (stage == Stage::rest) {
    for (int i = int(threadIdx.x); i < rows.chunks; i += int(blockDim.x)) sum[0] += sums[piece.row * rows.chunks + i];
  } else {
#pragma unroll
    for (int k = 0; k < items; k++) {
      piece.load_columns(rows, gradient.gamma, k, gamma);
#pragma unroll
      for (int e = 0; e < piece.size; e++) sum[0] += g[k].get(e) * gamma[e] * (x[k].get(e) * rstd);
    }
  }
  group_reduce(sum, piece.lanes, 0.0f, scratch, Sum());
  if constexpr (stage == Stage::sums) {
    if (piece.lane == 0 && piece.exists(rows)) sums[piece.id] = sum[0];
  } else {
    const float b = sum[0] / float(rows.n);
#pragma unroll
    for (int k = 0; k < items; k++) {
      if (piece.place(k) >= piece.length) break;
      piece.load_columns(rows, gradient.gamma, k, gamma);
      Words<T> out;
#pragma unroll
      for (int e = 0; e < piece.size; e++) out.set(e, rstd * (g[k].get(e) * gamma[e] - x[k].get(e) * rstd * b));
      piece.store(gradient.dx, k, out);
    }
  }
}

/** The Step for rows that fit a block: `items` packs per thread. */
template <class T, int items>
Step bind_spans(Call& call, int64_t count, int64_t n, const std::function<Gradient<T>(const Frame&)>& operands) {
  const View dgamma = call.out[1];
  RowPlan plan{{count, n, n, 1, 1}, items, 1};
  plan.divide(divide_up(n / pack_size<T>, items), 1024);
  // blocks enough for every device, but rows enough in each that partial results are a small part of the traffic
  const int64_t wanted = std::clamp<int64_t>(count / 32, 264, 1056) * plan.groups;
  const int64_t span = divide_up(count, wanted) * plan.groups, blocks = divide_up(count, std::max<int64_t>(1, span));
  const Columns merged = plan_columns(1, blocks, n, 1, 1);
  const View partial = dgamma.used() ? call.scratch(size_t(blocks * n) * sizeof(float)) : View();
  const size_t shared = dgamma.used() && plan.groups > 1 ? size_t(plan.groups * n) * sizeof(float) : 0;
  const Shape shape{.grid = dim3(unsigned(blocks)), .block = plan.shape().block, .shared = shared};
  return [=](const Frame& frame) {
    float* to = dgamma.used() ? frame.at<float>(partial) : nullptr;
    launch(frame, shape, gradient_spans<T, items>, operands(frame), to, span, plan.rows);
    if (dgamma.used()) launch(frame, merged.shape(1, depth_bytes<float>(merged)), combine_slopes<T>, to, frame.at<T>(dgamma), merged);
  };
}

/** The Step for all rows. */
template <class T> Step bind_twice(Call& call, int64_t count, int64_t n, const std::function<Gradient<T>(const Frame&)>& operands) {
  const View dx = call.out[0], dgamma = call.out[1];
  const Columns columns = plan_columns(1, count, n, 1, 512), merged = plan_columns(1, columns.segments, n, 1, 1);
  const View partial = dgamma.used() ? call.scratch(size_t(columns.segments * n) * sizeof(float)) : View();
  const RowPlan plan = plan_rows(count, n, sizeof(T), 4, false, most_lanes);
  const View sums = plan.whole() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(float));
  return with_items<4>(plan.items, [&]<int items>() -> Step {
    return [=](const Frame& frame) {
      const Gradient<T> gradient = operands(frame);
      if (dgamma.used()) {  // before dx overwrites g or x
        float* to = frame.at<float>(partial);
        launch(frame, columns.shape(1, depth_bytes<float>(columns)), segment_slopes<T>, gradient, to, columns);
        launch(frame, merged.shape(1, depth_bytes<float>(merged)), combine_slopes<T>, to, frame.at<T>(dgamma), merged);
      }
      if (!dx.used()) return;
      float* chunks = plan.whole() ? nullptr : frame.at<float>(sums);
      if (plan.whole()) return launch(frame, plan.shape(), gradient_rows<T, items, Stage::whole>, gradient, chunks, plan.rows);
      if constexpr (items == 4) {  // only long rows are cut
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::sums>, gradient, chunks, plan.rows);
        launch(frame, plan.shape(), gradient_rows<T, items, Stage::rest>, gradient, chunks, plan.rows);
      }
    };
  });
}

template <class T> Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], rstd = call.in[3], dx = call.out[0];
  const int64_t n = x.dim(-1), count = x.dim(0), packs = n / pack_size<T>;
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  const auto operands = [=](const Frame& frame) {
    return Gradient<T>{frame.at<T>(g), frame.at<T>(x), frame.at<T>(gamma), frame.at<T>(rstd), dx.used() ? frame.at<T>(dx) : nullptr};
  };
  if (n % pack_size<T> == 0 && packs <= 1024) return bind_spans<T, 1>(call, count, n, operands);
  if constexpr (sizeof(T) == 4) {
    if (n % pack_size<T> == 0 && packs <= 2048) return bind_spans<T, 2>(call, count, n, operands);
  }
  return bind_twice<T>(call, count, n, operands);
}

}  // namespace

KERNEL(cuda, rmsNormGrad) {
  return dispatch<float, BFloat16, Float16>(call.in[1].dtype, [&]<class T>() { return bind_gradient<T>(call); });
}

}  // namespace weft::cuda
