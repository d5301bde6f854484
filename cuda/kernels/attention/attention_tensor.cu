// attention on tensor cores (mma.sync): a block of four warps has 64 rows, which stay, and goes through tiles of keys
// and values, of which the next are on their way while one is used. A warp's rows are its own, so that maxima, sums and
// weights stay in registers. Tiles of which all is visible take no tests of single keys.
#include "attention_forward.cuh"
#include "attention_tensor.cuh"

namespace weft::cuda {
namespace {

template <class Products, int D>
using ForwardTiles = TensorTiles<Products, D, sizeof(typename Products::Element) == 4 && D == 128 ? 32 : 64>;

template <class Products, int D> __global__ void __launch_bounds__(128, 2) attend_tiles(Attention attention, Result result, int row_tiles) {
  using Tiles = ForwardTiles<Products, D>;
  using Element = typename Tiles::Element;
  WEFT_DYNAMIC_SHARED(Element, shared);
  Element* const q = shared;
  const auto buffer = [&](int stage) { return shared + Tiles::own_size + 2 * stage * Tiles::passing_size; };  // keys, then values
  const ForwardPlace place(attention, result, row_tiles, Tiles::rows, Tiles::columns);
  const int shift = attention.shift();
  const auto load = [&](int first, Element* to) {
    const auto key = [&](int s) { return first + s < place.end ? attention.place_of_key(place.head, first + s) : int64_t(-1); };
    Tiles::template stage<Tiles::columns>(to, attention.k, attention.d, [&](int s) { return key(s) * attention.d; });
    Tiles::template stage<Tiles::columns>(to + Tiles::passing_size, attention.v, attention.dv,
                                          [&](int s) { return key(s) * attention.dv; });
    async_commit();
  };
  Tiles::template stage<Tiles::rows>(q, attention.q, attention.d, [&](int r) {
    return place.row + r < attention.rows ? attention.place_of_row(place.head, place.row + r) * attention.d : -1;
  });
  load(place.begin, buffer(0));

  const Query query[2] = {attention.query(place.head, place.row + Tiles::row(), shift),
                          attention.query(place.head, place.row + Tiles::row() + 8, shift)};
  const int last = place.row + Tiles::rows < attention.rows ? place.row + Tiles::rows : attention.rows;
  const int open = attention.mask == nullptr ? attention.least_limit_of_rows(place.row, last, shift) : 0;  // keys that all rows see
  const float scale = attention.scale * log2_e;
  float largest[2] = {minus_infinity, minus_infinity}, total[2] = {0, 0};
  typename Tiles::Sums sums = {};
  int stage = 0;
  for (int first = place.begin; first < place.end; first += Tiles::columns, stage ^= 1) {
    if (first + Tiles::columns < place.end) {
      load(first + Tiles::columns, buffer(stage ^ 1));
      async_wait<1>();
    } else {
      async_wait<0>();
    }
    __syncthreads();
    typename Tiles::Scores score;
    Tiles::multiply(score, q, buffer(stage), attention.d);
    const bool tests = first + Tiles::columns > open;
#pragma unroll
    for (int h = 0; h < 2; h++) {
      float most = largest[h];
#pragma unroll
      for (int j = 0; j < Tiles::tiles; j++)
#pragma unroll
        for (int e = 2 * h; e < 2 * h + 2; e++) {
          score[j][e] *= scale;
          if (tests && !attention.visible(query[h], first + Tiles::column(j) + e % 2)) score[j][e] = minus_infinity;
          most = fmaxf(most, score[j][e]);
        }
      most = Tiles::across(most, [](float a, float b) { return fmaxf(a, b); });
      const float base = most == minus_infinity ? 0.0f : most, shrink = power_of_two(largest[h] - base);
      largest[h] = most;
      float sum = 0;
#pragma unroll
      for (int j = 0; j < Tiles::tiles; j++)
#pragma unroll
        for (int e = 2 * h; e < 2 * h + 2; e++) {
          score[j][e] = power_of_two(score[j][e] - base);
          sum += score[j][e];
        }
      total[h] = total[h] * shrink + sum;  // of the thread's columns; the row's in the end
#pragma unroll
      for (int c = 0; c < D / 8; c++) {
        sums[c][2 * h] *= shrink;
        sums[c][2 * h + 1] *= shrink;
      }
      if (attention.state != nullptr) {
#pragma unroll
        for (int j = 0; j < Tiles::tiles; j++) {
          const float2 factor = attention.kept_pair(query[h], first + Tiles::column(j));
          score[j][2 * h] *= factor.x;
          score[j][2 * h + 1] *= factor.y;
        }
      }
    }
    Tiles::accumulate(sums, score, buffer(stage) + Tiles::passing_size, attention.dv);
    __syncthreads();
  }
  async_wait<0>();
#pragma unroll
  for (int h = 0; h < 2; h++) {
    const float all = Tiles::across(total[h], Sum());
    const int r = place.row + Tiles::row() + 8 * h;
    if (r >= attention.rows) continue;
    const Written to = result.written(attention, place, r, largest[h], all, threadIdx.x % 4 == 0);
    if (to.values != nullptr) Tiles::write(sums, h, to.values, to.begin, attention.dv, to.kind, to.factor);
  }
}

/** to = from, rounded; n elements. */
__global__ void __launch_bounds__(256) round_copy(const float* from, BFloat16* to, int64_t n) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i >= n) return;
  const Pack<float, 4> x = load_pack<4>(from + i);  // rows are multiples of eight elements
  store_pack(to + i,
             Pack<BFloat16, 4>{narrow<BFloat16>(x.at[0]), narrow<BFloat16>(x.at[1]), narrow<BFloat16>(x.at[2]), narrow<BFloat16>(x.at[3])});
}

}  // namespace

void Bound::prepare(const Frame& frame) const {
  for (const RoundedCopy& copy : copies) {
    const int64_t n = copy.from.size();
    const unsigned block = block_for(divide_up(n, 4));
    launch(frame, {.grid = dim3(unsigned(divide_up(n, 4 * int64_t(block)))), .block = dim3(block)}, round_copy, frame.at<float>(copy.from),
           frame.at<BFloat16>(copy.to), n);
  }
}

Bound rounded_operands(Call& call, Bound bound) {
  if (bound.shape.rows > 8 && rounds(call, bound))
    for (View* operand : {&bound.q, &bound.k, &bound.v}) bound.round(call, *operand);
  return bound;
}

Step bind_tensor_attention(Call& call, const Bound& bound) {
  if (!suits_tensor_cores(call, bound.shape, bound.q.dtype)) return {};
  return with_products(call, bound, [&]<class Products, int D>() -> Step {
    using Tiles = ForwardTiles<Products, D>;
    constexpr size_t shared = (Tiles::own_size + 4 * Tiles::passing_size) * sizeof(typename Tiles::Element);
    if (shared > call.target.shared_memory) return {};
    const ForwardPlan plan = plan_forward(call, bound, Tiles::rows, Tiles::columns);
    return [=](const Frame& frame) {
      bound.prepare(frame);
      launch(frame, {.grid = dim3(plan.blocks), .block = dim3(Tiles::threads), .shared = shared}, attend_tiles<Products, D>,
             bound.at(frame), plan.result(frame), plan.row_tiles);
      plan.finish(frame, bound);
    };
  });
}

}  // namespace weft::cuda
