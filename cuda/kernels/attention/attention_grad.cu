// attentionGrad: the weights are computed again, tile by tile, from the logarithms of their sums (Dao et al. 2022).
// With P the weights and dP = g·vᵀ, the scores' gradient is dS = P·(dP - rowsum(g·y)), times the scale; dq = dS·k by
// tiles of rows, dk = dSᵀ·q and dv = Pᵀ·g by tiles of keys, each of which goes through all rows of the heads that read
// them, in order: no two blocks add to one sum. Here: the choice of kernels, the sums of g·y, and the kernel in float32
// arithmetic, which every GPU and dtype can use.
#include "attention_backward.cuh"
#include "attention_tile.cuh"

namespace weft::cuda {
namespace {

template <int D> using BackwardTile = ScoreTile<D, 8, D == 256 ? 2 : 4, D == 256 ? 1 : D == 128 ? 2 : 4>;

/** sums [heads of keys, rows] of g · y: a warp has a row. */
__global__ void __launch_bounds__(128) multiply_gradients(Attention attention, Gradients gradients, int64_t rows) {
  const int64_t row = int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  const int head = int(row / attention.rows), r = int(row - int64_t(head) * attention.rows);
  const int64_t begin = attention.place_of_row(head, r) * attention.dv;
  float sum = 0;
  for (int c = int(threadIdx.x) % 32; c < attention.dv; c += 32) {
    Raw<float> g, y;
    g.fetch_one(gradients.g, begin + c, attention.kind);
    y.fetch_one(gradients.y, begin + c, attention.kind);
    sum += g.one(attention.kind) * y.one(attention.kind);
  }
  sum = warp_reduce(sum, Sum());
  if (threadIdx.x % 32 == 0) gradients.sums[row] = sum;
}

/** dq of a tile of rows, or dk and dv of a tile of keys: `keys`. The tile stays, those of the other kind pass. */
template <int D, bool keys>
__global__ void __launch_bounds__((BackwardTile<D>::threads), 2) gradient_of_tile(Attention attention, Gradients gradients, int tiles) {
  using Tile = BackwardTile<D>;
  WEFT_DYNAMIC_SHARED(float, shared);
  float *const own = shared, *const own_other = own + Tile::rows * Tile::stride;  // q and g, or k and v
  float *const passing = own_other + Tile::rows * Tile::stride, *const passing_other = passing + Tile::columns * Tile::stride;
  float* const slope = passing_other + Tile::columns * Tile::stride;           // dS, [rows, columns]
  float* const weight = slope + (keys ? Tile::rows * Tile::score_stride : 0);  // P, for dv
  const int shift = attention.shift(), head = int(blockIdx.x) / tiles;
  const int tile = int(blockIdx.x) - head * tiles, first_own = (keys ? tile : tiles - 1 - tile) * Tile::rows;
  const auto stage_rows = [&](auto place, float* q, float* g, auto count) {
    constexpr int many = decltype(count)::value;
    Tile::template stage<many>(q, attention.q, attention.kind, attention.d, [&](int r) { return place(r) * attention.d; });
    Tile::template stage<many>(g, gradients.g, attention.kind, attention.dv, [&](int r) { return place(r) * attention.dv; });
  };
  const auto stage_keys = [&](auto place, float* k, float* v, auto count) {
    constexpr int many = decltype(count)::value;
    Tile::template stage<many>(k, attention.k, attention.kind, attention.d, [&](int s) { return place(s) * attention.d; });
    Tile::template stage<many>(v, attention.v, attention.kind, attention.dv, [&](int s) { return place(s) * attention.dv; });
  };
  const auto row_place = [&](int r) { return r < attention.rows ? attention.place_of_row(head, r) : int64_t(-1); };
  const auto key_place = [&](int j) { return j < attention.tk ? attention.place_of_key(head, j) : int64_t(-1); };
  constexpr std::integral_constant<int, Tile::rows> own_count{};
  constexpr std::integral_constant<int, Tile::columns> passing_count{};
  if constexpr (keys) stage_keys([&](int r) { return key_place(first_own + r); }, own, own_other, own_count);
  else stage_rows([&](int r) { return row_place(first_own + r); }, own, own_other, own_count);

  typename Tile::Sums sums = {}, values = {};  // dq, or dk and dv
  RowFacts facts[keys ? Tile::column_items : Tile::row_items];
  int end = attention.rows;
  if constexpr (!keys) {
#pragma unroll
    for (int i = 0; i < Tile::row_items; i++) facts[i] = gradients.facts(attention, head, first_own + Tile::row(i), shift);
    const int last = first_own + Tile::rows < attention.rows ? first_own + Tile::rows : attention.rows;
    end = attention.limit_of_rows(first_own, last, shift);
  }
  for (int first = 0; first < end; first += Tile::columns) {
    if constexpr (keys) {  // rows that see none of the keys
      const int last = first + Tile::columns < end ? first + Tile::columns : end;
      if (attention.limit_of_rows(first, last, shift) <= first_own) continue;
    }
    __syncthreads();
    const auto column = [&](int s) { return first + Tile::column_of_stored(s); };
    if constexpr (keys) stage_rows([&](int s) { return row_place(column(s)); }, passing, passing_other, passing_count);
    else stage_keys([&](int s) { return key_place(column(s)); }, passing, passing_other, passing_count);
    __syncthreads();
    if constexpr (keys) {
#pragma unroll
      for (int j = 0; j < Tile::column_items; j++) facts[j] = gradients.facts(attention, head, first + Tile::column(j), shift);
    }
    typename Tile::Scores score, change;
    Tile::multiply(score, own, passing, attention.d);
    Tile::multiply(change, own_other, passing_other, attention.dv);
#pragma unroll
    for (int i = 0; i < Tile::row_items; i++)
#pragma unroll
      for (int j = 0; j < Tile::column_items; j++) {
        const int key = keys ? first_own + Tile::row(i) : first + Tile::column(j);
        const RowFacts& row = facts[keys ? j : i];
        const Slope s = attention.visible(row.query, key) ? slope_of(attention, row, key, score[i][j], change[i][j]) : Slope{0, 0};
        const int at = Tile::row(i) * Tile::score_stride + Tile::stored(j);
        slope[at] = s.slope;
        if constexpr (keys) weight[at] = s.weight;
      }
    __syncwarp();
    Tile::accumulate(sums, slope, passing, attention.d);
    if constexpr (keys) Tile::accumulate(values, weight, passing_other, attention.dv);
  }
#pragma unroll
  for (int i = 0; i < Tile::row_items; i++) {
    const int mine = first_own + Tile::row(i);
    if (mine >= (keys ? attention.tk : attention.rows)) continue;
    const int64_t place = keys ? key_place(mine) : row_place(mine);
    void* const to = keys ? gradients.dk : gradients.dq;
    if (to != nullptr) Tile::write(sums, i, to, place * attention.d, attention.d, attention.kind, attention.scale);
    if constexpr (keys) {
      if (gradients.dv != nullptr) Tile::write(values, i, gradients.dv, place * attention.dv, attention.dv, attention.kind, 1.0f);
    }
  }
}

template <int D> Step bind_tiles(const BackwardPlan& plan) {
  using Tile = BackwardTile<D>;
  constexpr size_t tiles = 2 * (Tile::rows + Tile::columns) * Tile::stride * sizeof(float);
  constexpr size_t scores = Tile::rows * Tile::score_stride * sizeof(float);
  return [=](const Frame& frame) {
    const Attention attention = plan.bound.at(frame);
    const Gradients gradients = plan.gradients(frame);
    plan.multiply(frame, attention, gradients);
    const int64_t row_tiles = divide_up(attention.rows, Tile::rows), key_tiles = divide_up(attention.tk, Tile::rows);
    const dim3 block(Tile::threads);
    if (plan.dq.used())
      launch(frame, {.grid = dim3(unsigned(plan.bound.heads() * row_tiles)), .block = block, .shared = tiles + scores},
             gradient_of_tile<D, false>, attention, gradients, int(row_tiles));
    if (plan.dk.used() || plan.dv.used())
      launch(frame, {.grid = dim3(unsigned(plan.bound.heads() * key_tiles)), .block = block, .shared = tiles + 2 * scores},
             gradient_of_tile<D, true>, attention, gradients, int(key_tiles));
  };
}

}  // namespace

void BackwardPlan::multiply(const Frame& frame, const Attention& attention, const Gradients& gradients) const {
  const int64_t rows = bound.heads() * attention.rows;
  launch(frame, {.grid = dim3(unsigned(divide_up(rows, 4))), .block = dim3(128)}, multiply_gradients, attention, gradients, rows);
}

KERNEL(cuda, attentionGrad) {
  const BackwardPlan plan = plan_backward(call);
  const Attention& shape = plan.bound.shape;
  if (Step step = bind_tensor_gradient(call, plan)) return step;
  return with_features(std::max(shape.d, shape.dv), [&]<int D>() { return bind_tiles<D>(plan); });
}

}  // namespace weft::cuda
