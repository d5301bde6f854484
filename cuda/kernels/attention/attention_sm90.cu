// attention on sm_90: products by wgmma, on tiles that the copy engine (TMA) brings to shared memory; 16-bit operands,
// heads of 64 or 128 features. A block has 128 queries of a head. One thread of its first warpgroup keeps two stages of
// keys and two of values full. Two warpgroups have 64 queries each: while the tensor cores compute one's products, the
// other computes exponentials, and each starts the scores of the next tile and the values of this one before it goes on
// with the scores. Weights go to shared memory, swizzled as wgmma reads them.
#include "attention_forward.cuh"
#include "copy_engine.cuh"
#include "matmul_tile.cuh"
#include "mbarrier.cuh"
#include "tensor_map.h"
#include "warpgroup.cuh"

namespace weft::cuda {
namespace {

template <class T_, int D_> struct GroupTiles {
  using T = T_;
  static constexpr int D = D_, queries = 128, keys = 128, stages = 2, threads = 384;
  static constexpr int panels = D / 64;                               // 64 features of all rows of a tile lie together
  static constexpr int panel = 128 * 64, tile = panels * panel;       // elements; of queries, keys and values alike
  static constexpr int weights = 64 * keys;                           // elements, of a warpgroup
  static constexpr int size = tile * (1 + 2 * stages) + 2 * weights;  // queries, keys, values, weights
};

/** Starts d += a · b, N columns. */
template <class T, int N, bool transposed_b>
__device__ __forceinline__ void start(float (&d)[N / 2], uint64_t a, uint64_t b, bool accumulate) {
  if constexpr (std::is_same_v<T, Float16>) wgmma_f16<N, false, transposed_b>(d, a, b, accumulate);
  else wgmma_bf16<N, false, transposed_b>(d, a, b, accumulate);
}

/** Starts the scores of 64 queries and 128 keys. */
template <class Tiles>
__device__ __forceinline__ void start_scores(float (&score)[Tiles::keys / 2], const typename Tiles::T* q, const typename Tiles::T* k) {
#pragma unroll
  for (int panel = 0; panel < Tiles::panels; panel++) {
    const uint64_t a = descriptor_128B(q + panel * Tiles::panel), b = descriptor_128B(k + panel * Tiles::panel);
#pragma unroll
    for (int i = 0; i < 4; i++) start<typename Tiles::T, Tiles::keys, false>(score, a + 2 * i, b + 2 * i, panel > 0 || i > 0);
  }
}

/** Starts sums += weights · values. */
template <class Tiles>
__device__ __forceinline__ void start_values(float (&sums)[Tiles::D / 2], const typename Tiles::T* weights, const typename Tiles::T* v) {
  const uint64_t b = descriptor_128B(v, Tiles::panel * 2);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    const uint64_t a = descriptor_128B(weights + half * 64 * 64);
#pragma unroll
    for (int i = 0; i < 4; i++) start<typename Tiles::T, Tiles::D, true>(sums, a + 2 * i, b + (4 * half + i) * 128, true);
  }
}

/** Full: what was copied is there; empty: all warps that read it are done. */
struct Barriers {
  uint64_t q, k_full[2], k_empty[2], v_full[2], v_empty[2];
};

/** What a multiplying thread knows of its rows. */
struct RowState {
  Query query[2];
  float largest[2], total[2], shrink[2];
};

/** Scores become weights. `first`: the tile's first key. */
template <class Tiles>
__device__ __forceinline__ void weigh(const Attention& attention, RowState& state, float (&score)[Tiles::keys / 2], int first, bool tests) {
  const float scale = attention.scale * log2_e;
  const int column = first + int(threadIdx.x) % 4 * 2;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    float most = state.largest[h];
#pragma unroll
    for (int j = 0; j < Tiles::keys / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float& x = score[4 * j + 2 * h + e];
        x *= scale;
        if (tests && !attention.visible(state.query[h], column + 8 * j + e)) x = minus_infinity;
        most = fmaxf(most, x);
      }
    most = fmaxf(most, __shfl_xor_sync(all_lanes, most, 1));
    most = fmaxf(most, __shfl_xor_sync(all_lanes, most, 2));
    const float base = most == minus_infinity ? 0.0f : most;
    state.shrink[h] = power_of_two(state.largest[h] - base);
    state.largest[h] = most;
    float sum = 0;
#pragma unroll
    for (int j = 0; j < Tiles::keys / 8; j++)
#pragma unroll
      for (int e = 0; e < 2; e++) {
        float& x = score[4 * j + 2 * h + e];
        x = power_of_two(x - base);
        sum += x;
      }
    state.total[h] = state.total[h] * state.shrink[h] + sum;  // of the thread's columns; the row's in the end
    if (attention.state != nullptr) {
#pragma unroll
      for (int j = 0; j < Tiles::keys / 8; j++) {
        const float2 factor = attention.kept_pair(state.query[h], column + 8 * j);
        score[4 * j + 2 * h] *= factor.x;
        score[4 * j + 2 * h + 1] *= factor.y;
      }
    }
  }
}

/** Writes the warpgroup's weights to shared memory, as two panels of 64 keys. */
template <class Tiles> __device__ __forceinline__ void store_weights(typename Tiles::T* weights, const float (&weight)[Tiles::keys / 2]) {
  using T = typename Tiles::T;
  const int lane = int(threadIdx.x) % 32, row = int(threadIdx.x) % 128 / 32 * 16 + lane / 4;
  char* const to = reinterpret_cast<char*>(weights) + row * 128 + lane % 4 * 4;
#pragma unroll
  for (int j = 0; j < Tiles::keys / 8; j++)
#pragma unroll
    for (int h = 0; h < 2; h++) {
      const uint32_t pair = uint32_t(narrow<T>(weight[4 * j + 2 * h]).bits) | uint32_t(narrow<T>(weight[4 * j + 2 * h + 1]).bits) << 16;
      *reinterpret_cast<uint32_t*>(to + j / 8 * 64 * 128 + h * 8 * 128 + (j % 8 ^ row % 8) * 16) = pair;
    }
}

/** What a multiplying warpgroup does: 64 queries against all tiles of keys. */
template <class Tiles>
__device__ __forceinline__ void attend(const Attention& attention, const Result& result, const ForwardPlace& place, int limit,
                                       typename Tiles::T* shared, Barriers& barriers) {
  using T = typename Tiles::T;
  const int group = int(threadIdx.x) / 128 - 1, lane = int(threadIdx.x) % 32, row = int(threadIdx.x) % 128 / 32 * 16 + lane / 4;
  const int shift = attention.shift(), first_row = place.row + 64 * group;
  const T* const q = shared + 64 * 64 * group;
  const auto k = [&](int stage) { return shared + (1 + stage) * Tiles::tile; };
  const auto v = [&](int stage) { return shared + (1 + Tiles::stages + stage) * Tiles::tile; };
  T* const weights = shared + (1 + 2 * Tiles::stages) * Tiles::tile + group * Tiles::weights;
  const auto exists = [&](int h) { return first_row + row + 8 * h < limit; };
  RowState state;
#pragma unroll
  for (int h = 0; h < 2; h++) {
    state.query[h] = exists(h) ? attention.query(place.head, first_row + row + 8 * h, shift) : Query{0, 0, 0};
    state.largest[h] = minus_infinity;
    state.total[h] = 0;
  }
  const bool plain = attention.mask == nullptr && first_row < limit;
  const int open = plain ? attention.least_limit_of_rows(first_row, limit < first_row + 64 ? limit : first_row + 64, shift) : 0;
  float score[Tiles::keys / 2], sums[Tiles::D / 2];
#pragma unroll
  for (float& x : sums) x = 0;
  const int tiles = (place.end + Tiles::keys - 1) / Tiles::keys;
  const auto scores_of = [&](int t) {
    barrier_wait(&barriers.k_full[t % 2], t / 2 & 1);
    wgmma_fence();
    start_scores<Tiles>(score, q, k(t % 2));
    wgmma_commit();
  };
  const auto values_of = [&](int t) {
    barrier_wait(&barriers.v_full[t % 2], t / 2 & 1);
    wgmma_fence();
    start_values<Tiles>(sums, weights, v(t % 2));
    wgmma_commit();
  };
  const auto give_back = [&](uint64_t& empty) {
    if (lane == 0) barrier_arrive(&empty);
  };
  if (tiles > 0) {
    barrier_wait(&barriers.q, 0);
    scores_of(0);
    wgmma_wait<0>();
    give_back(barriers.k_empty[0]);
    weigh<Tiles>(attention, state, score, 0, Tiles::keys > open);
    for (int t = 0; t + 1 < tiles; t++) {
      store_weights<Tiles>(weights, score);
      fence_async_proxy();
      named_barrier(1 + group, 128);
      scores_of(t + 1);
      values_of(t);
      wgmma_wait<1>();
      give_back(barriers.k_empty[(t + 1) % 2]);
      weigh<Tiles>(attention, state, score, (t + 1) * Tiles::keys, (t + 2) * Tiles::keys > open);
      wgmma_wait<0>();
      give_back(barriers.v_empty[t % 2]);
#pragma unroll
      for (int i = 0; i < Tiles::D / 2; i++) sums[i] *= state.shrink[i / 2 % 2];
    }
    store_weights<Tiles>(weights, score);
    fence_async_proxy();
    named_barrier(1 + group, 128);
    values_of(tiles - 1);
    wgmma_wait<0>();
  }
  Written to[2];
#pragma unroll
  for (int h = 0; h < 2; h++) {
    state.total[h] += __shfl_xor_sync(all_lanes, state.total[h], 1);
    state.total[h] += __shfl_xor_sync(all_lanes, state.total[h], 2);
    to[h].values = nullptr;
    if (exists(h)) to[h] = result.written(attention, place, first_row + row + 8 * h, state.largest[h], state.total[h], lane % 4 == 0);
  }
  visit_fours<Tiles::D / 8>([&](int j, int e) { return sums[4 * j + e]; }, 0, 0,
                            [&](int r, int column, const float(&four)[4]) {
                              const Written& place_of_row = to[r / 8];
                              if (place_of_row.values == nullptr) return;
                              float value[4];
#pragma unroll
                              for (int e = 0; e < 4; e++) value[e] = four[e] * place_of_row.factor;
                              put_four(place_of_row.values, place_of_row.begin + column, value, place_of_row.kind);
                            });
}

/** Maps: [batch, positions, heads, features]. `row_tiles`: of a head of queries. */
template <class T, int D>
__global__ void __launch_bounds__(384, 1)
    attend_group(Attention attention, Result result, const __grid_constant__ CUtensorMap q_map, const __grid_constant__ CUtensorMap k_map,
                 const __grid_constant__ CUtensorMap v_map, int row_tiles) {
  using Tiles = GroupTiles<T, D>;
  WEFT_DYNAMIC_SHARED(T, shared);  // queries, stages of keys, stages of values, weights of both warpgroups
  WEFT_SHARED(Barriers, barriers, [1]);
  const int query_head = int(blockIdx.x / unsigned(row_tiles));  // over all batches
  const int first = (row_tiles - 1 - int(blockIdx.x - unsigned(query_head) * unsigned(row_tiles))) * Tiles::queries;
  const int of_group = query_head % attention.group, row = of_group * attention.tq + first;
  const int limit = (of_group + 1) * attention.tq, last = row + Tiles::queries < limit ? row + Tiles::queries : limit;
  const int end = attention.limit_of_rows(row, last, attention.shift());
  const ForwardPlace place(query_head / attention.group, row, 0, end, 0);
  if (threadIdx.x == 0) {
    tma_prefetch(&q_map);
    tma_prefetch(&k_map);
    tma_prefetch(&v_map);
    barrier_init(&barriers->q, 1);
    for (int s = 0; s < Tiles::stages; s++) {
      barrier_init(&barriers->k_full[s], 1);
      barrier_init(&barriers->v_full[s], 1);
      barrier_init(&barriers->k_empty[s], 8);  // the warps that read
      barrier_init(&barriers->v_empty[s], 8);
    }
    fence_barrier_init();
  }
  __syncthreads();
  if (threadIdx.x < 128) {
    fewer_registers<40>();
    if (threadIdx.x == 0 && end > 0) {
      const int batch = place.head / attention.key_heads, key_head = place.head - batch * attention.key_heads;
      const int head = key_head * attention.group + of_group;
      const auto load = [&](T* to, const CUtensorMap* map, uint64_t* barrier, int of, int position) {
        barrier_expect(barrier, Tiles::tile * sizeof(T));
        for (int panel = 0; panel < Tiles::panels; panel++)
          tma_load_4d(to + panel * Tiles::panel, map, barrier, 64 * panel, of, position, batch);
      };
      load(shared, &q_map, &barriers->q, head, first);
      const int tiles = (end + Tiles::keys - 1) / Tiles::keys;
      for (int t = 0; t < tiles; t++) {
        const int stage = t % 2;
        const unsigned parity = unsigned(t / 2 & 1) ^ 1;
        barrier_wait(&barriers->k_empty[stage], parity);
        load(shared + (1 + stage) * Tiles::tile, &k_map, &barriers->k_full[stage], key_head, t * Tiles::keys);
        barrier_wait(&barriers->v_empty[stage], parity);
        load(shared + (1 + Tiles::stages + stage) * Tiles::tile, &v_map, &barriers->v_full[stage], key_head, t * Tiles::keys);
      }
    }
    __syncwarp();
  } else {
    more_registers<232>();
    attend<Tiles>(attention, result, place, limit, shared, *barriers);
  }
}

template <class T, int D> Step bind_group(Call& call, const Bound& bound) {
  using Tiles = GroupTiles<T, D>;
  const View y = call.out[0], log_sum = call.out[1];
  const int64_t row_tiles = divide_up(bound.shape.tq, Tiles::queries), heads = bound.heads() * bound.shape.group;
  return [=](const Frame& frame) {
    bound.prepare(frame);
    const auto map = [&](const View& x) {
      return tensor_map(x.dtype, frame.at<void>(x), {x.dim(3), x.dim(2), x.dim(1), x.dim(0)}, {64, 1, 128, 1});
    };
    const Result result{y.used() ? frame.at<void>(y) : nullptr, log_sum.used() ? frame.at<float>(log_sum) : nullptr, nullptr, nullptr, 1};
    launch(frame, {.grid = dim3(unsigned(heads * row_tiles)), .block = dim3(Tiles::threads), .shared = Tiles::size * sizeof(T)},
           attend_group<T, D>, bound.at(frame), result, map(bound.q), map(bound.k), map(bound.v), int(row_tiles));
  };
}

}  // namespace

Step bind_group_attention(Call& call, const Bound& bound) {
  const Attention& shape = bound.shape;
  const bool features = shape.d == shape.dv && (shape.d == 64 || shape.d == 128);
  if (call.target.capability != 90 || bound.q.dtype == DType::float32 || !features || shape.tq < 128 || shape.tk < 128) return {};
  const auto start = [&]<class T>() { return shape.d == 64 ? bind_group<T, 64>(call, bound) : bind_group<T, 128>(call, bound); };
  return bound.q.dtype == DType::float16 ? start.template operator()<Float16>() : start.template operator()<BFloat16>();
}

}  // namespace weft::cuda
