// attention: softmax(scale·q·kᵀ)·v by tiles, without a matrix of scores in memory (Dao et al. 2022). Here: the choice
// of kernels, the one in float32 arithmetic, which every GPU and dtype can use, and the second step of the sum where
// the keys of a row are split among blocks: few rows, as when text is generated, would not fill the device otherwise. A
// block has a tile of rows of one head of keys; where rows are 8 or fewer, tiles are that small, for the keys are then
// all that is read.
#include "attention_forward.cuh"
#include "attention_tile.cuh"

namespace weft::cuda {
namespace {

template <int D, bool few> using ForwardTile = ScoreTile<D, !few && D == 64 ? 16 : 8, few ? 1 : D == 256 ? 2 : 4, D == 256 ? 2 : 4>;

template <int D, bool few>
__global__ void __launch_bounds__((ForwardTile<D, few>::threads), (few ? 8 : 2))
    attend_rows(Attention attention, Result result, int row_tiles) {
  using Tile = ForwardTile<D, few>;
  WEFT_DYNAMIC_SHARED(float, shared);
  float *const q = shared, *const k = q + Tile::rows * Tile::stride, *const v = k + Tile::columns * Tile::stride;
  float* const p = v + Tile::columns * Tile::stride;  // weights, [rows, columns]
  const ForwardPlace place(attention, result, row_tiles, Tile::rows, Tile::columns);
  const int shift = attention.shift();
  Tile::template stage<Tile::rows>(q, attention.q, attention.kind, attention.d, [&](int r) {
    return place.row + r < attention.rows ? attention.place_of_row(place.head, place.row + r) * attention.d : -1;
  });
  Query query[Tile::row_items];
  float largest[Tile::row_items], total[Tile::row_items];
  typename Tile::Sums sums = {};
#pragma unroll
  for (int i = 0; i < Tile::row_items; i++) {
    query[i] = attention.query(place.head, place.row + Tile::row(i), shift);
    largest[i] = minus_infinity;
    total[i] = 0;
  }
  const float scale = attention.scale * log2_e;
  for (int first = place.begin; first < place.end; first += Tile::columns) {
    const auto key = [&](int s) {
      const int j = first + Tile::column_of_stored(s);
      return j < place.end ? attention.place_of_key(place.head, j) : -1;
    };
    __syncthreads();
    Tile::template stage<Tile::columns>(k, attention.k, attention.kind, attention.d, [&](int s) { return key(s) * attention.d; });
    Tile::template stage<Tile::columns>(v, attention.v, attention.kind, attention.dv, [&](int s) { return key(s) * attention.dv; });
    __syncthreads();
    typename Tile::Scores score;
    Tile::multiply(score, q, k, attention.d);
#pragma unroll
    for (int i = 0; i < Tile::row_items; i++) {
      float most = largest[i];
#pragma unroll
      for (int j = 0; j < Tile::column_items; j++) {
        score[i][j] = attention.visible(query[i], first + Tile::column(j)) ? score[i][j] * scale : minus_infinity;
        most = fmaxf(most, score[i][j]);
      }
      most = Tile::across(most, [](float a, float b) { return fmaxf(a, b); });
      const float base = most == minus_infinity ? 0.0f : most, shrink = power_of_two(largest[i] - base);
      largest[i] = most;
      float sum = 0;
#pragma unroll
      for (int j = 0; j < Tile::column_items; j++) {
        score[i][j] = power_of_two(score[i][j] - base);
        sum += score[i][j];
        const float factor = attention.state == nullptr ? 1.0f : attention.kept(query[i], first + Tile::column(j));
        p[Tile::row(i) * Tile::score_stride + Tile::stored(j)] = score[i][j] * factor;
      }
      total[i] = total[i] * shrink + Tile::across(sum, Sum());
#pragma unroll
      for (int c = 0; c < Tile::chunks; c++)
#pragma unroll
        for (int e = 0; e < 4; e++) sums[i][c][e] *= shrink;
    }
    __syncwarp();
    Tile::accumulate(sums, p, v, attention.dv);
  }
#pragma unroll
  for (int i = 0; i < Tile::row_items; i++) {
    const int r = place.row + Tile::row(i);
    if (r >= attention.rows) continue;
    const Written to = result.written(attention, place, r, largest[i], total[i], Tile::x() == 0);
    if (to.values != nullptr) Tile::write(sums, i, to.values, to.begin, attention.dv, to.kind, to.factor);
  }
}

/** Adds the parts of rows in their order. A warp has a row. */
__global__ void __launch_bounds__(128) combine_parts(Attention attention, Result result, int64_t rows) {
  const int64_t row = int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  if (row >= rows) return;
  float largest = minus_infinity, total = 0;
  for (int part = 0; part < result.parts; part++) largest = fmaxf(largest, result.moments[part * rows + row].x);
  const float base = largest == minus_infinity ? 0.0f : largest;
  for (int part = 0; part < result.parts; part++) {
    const float2 moment = result.moments[part * rows + row];
    total += moment.y * power_of_two(moment.x - base);
  }
  if (lane == 0 && result.log_sum != nullptr) result.log_sum[row] = log_of(largest, total);
  if (result.y == nullptr) return;
  const float factor = total == 0 ? 0.0f : 1 / total;
  const int head = int(row / attention.rows), r = int(row - int64_t(head) * attention.rows);
  const int64_t begin = attention.place_of_row(head, r) * attention.dv;
  for (int c = lane; c < attention.dv; c += 32) {
    float value = 0;
    for (int part = 0; part < result.parts; part++) {
      const int64_t from = part * rows + row;
      value += result.partial[from * attention.dv + c] * power_of_two(result.moments[from].x - base);
    }
    put_one(result.y, begin + c, value * factor, attention.kind);
  }
}

template <int D, bool few> Step bind_rows(Call& call, const Bound& bound) {
  using Tile = ForwardTile<D, few>;
  const ForwardPlan plan = plan_forward(call, bound, Tile::rows, Tile::columns);
  constexpr size_t shared = ((Tile::rows + 2 * Tile::columns) * Tile::stride + Tile::rows * Tile::score_stride) * sizeof(float);
  return [=](const Frame& frame) {
    launch(frame, {.grid = dim3(plan.blocks), .block = dim3(Tile::threads), .shared = shared}, attend_rows<D, few>, bound.at(frame),
           plan.result(frame), plan.row_tiles);
    plan.finish(frame, bound);
  };
}

}  // namespace

void combine_rows(const Frame& frame, const Attention& attention, const Result& result, int64_t rows) {
  launch(frame, {.grid = dim3(unsigned(divide_up(rows, 4))), .block = dim3(128)}, combine_parts, attention, result, rows);
}

KERNEL(cuda, attention) {
  const Bound bound = rounded_operands(call, bind_attention(call, 0, 3));
  const Attention& shape = bound.shape;
  call.flops = 2.0 * double(bound.heads()) * shape.rows * shape.tk * (shape.d + shape.dv) * (shape.causal ? 0.5 : 1);
  if (Step step = bind_group_attention(call, bound)) return step;
  if (shape.rows > 8) {
    if (Step step = bind_tensor_attention(call, bound)) return step;
  }
  return with_features(std::max(shape.d, shape.dv), [&]<int D>() -> Step {
    return shape.rows <= 8 ? bind_rows<D, true>(call, bound) : bind_rows<D, false>(call, bound);
  });
}

}  // namespace weft::cuda
