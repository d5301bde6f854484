// scatterAdd along an axis and scatterAlong along the last one: the gradients of gather and gatherAlong. Each warp owns
// a range of the output's rows, walks through all indices, 32 at a time, and adds the updates that fall into its range,
// in index order: sums are deterministic without atomics, equal to those of a plain loop, whatever the number of warps.
// Rows of 32 elements and more: the lanes share the columns of a row and keep its sums in registers until the row
// changes. Shorter rows: each lane takes one element of the updates.
#include "strided.cuh"

namespace weft::cuda {
namespace {

/** updates [outer, count, inner] are added to out [outer, n, inner]. */
struct Scatter {
  int64_t n, count, inner;
  int64_t index_stride;  // between the indices of consecutive outer places; 0: they share them
  int ranges, pieces;    // a warp's share: one of the ranges of rows, one of the pieces of a row
  int64_t warps;
};

struct Share {
  int64_t outer, first, last;  // rows
  int range, piece;
};
__device__ __forceinline__ Share share_of(const Scatter& scatter, int64_t warp) {
  Share share;
  share.piece = int(warp % scatter.pieces);
  warp /= scatter.pieces;
  share.range = int(warp % scatter.ranges);
  share.outer = warp / scatter.ranges;
  share.first = scatter.n * share.range / scatter.ranges;
  share.last = scatter.n * (share.range + 1) / scatter.ranges;
  return share;
}

/** Indices are read in groups of 32 per warp, several groups at a time, so that their loads overlap. */
constexpr int groups = 4;

/**
 * The indices of this lane at k, k + 32, ...; -1 beyond the end and for those out of range, which the warps of the
 * first range and piece report.
 * `inner`: positions per index.
 */
__device__ __forceinline__ void read_indices(int32_t (&index)[groups], const Scatter& scatter, const Share& share, const int32_t* indices,
                                             int64_t k, int64_t inner, Fault* fault, int32_t call) {
#pragma unroll
  for (int g = 0; g < groups; g++) {
    const int64_t position = inner == 1 ? k + 32 * g : (k + 32 * g) / inner;
    index[g] = position < scatter.count ? indices[position] : -1;
    if (position >= scatter.count || uint64_t(int64_t(index[g])) < uint64_t(scatter.n)) continue;
    if (share.range == 0 && share.piece == 0 && (share.outer == 0 || scatter.index_stride > 0)) raise(fault, call, index[g]);
    index[g] = -1;
  }
}

constexpr int columns_per_lane = 4, piece_columns = 32 * columns_per_lane;

/** T: of the sums; U: of the updates as stored. */
template <class T, class U>
__global__ void __launch_bounds__(128)
    add_rows(const int32_t* indices, const U* updates, T* out, Scatter scatter, Fault* fault, int32_t call) {
  constexpr int batch = 8;  // updates loaded before the first is added
  const int lane = threadIdx.x & 31;
  const int64_t warp = int64_t(blockIdx.x) * (blockDim.x >> 5) + (threadIdx.x >> 5);
  if (warp >= scatter.warps) return;
  const Share share = share_of(scatter, warp);
  const int64_t column = int64_t(share.piece) * piece_columns + lane;
  indices += share.outer * scatter.index_stride;
  updates += share.outer * scatter.count * scatter.inner + column;
  out += share.outer * scatter.n * scatter.inner + column;
  const int mine = int(divide_up(scatter.inner - column < 0 ? 0 : scatter.inner - column, 32));  // columns of this lane, at most four count
  int64_t current = -1;
  T sum[columns_per_lane] = {};
  auto flush = [&]() {
#pragma unroll
    for (int j = 0; j < columns_per_lane; j++)
      if (current >= 0 && j < mine) out[current * scatter.inner + 32 * j] = sum[j];
  };
  auto add_group = [&](int64_t k, int32_t index) {
    unsigned matches = __ballot_sync(all_lanes, index >= share.first && index < share.last);
    while (matches != 0) {
      int32_t row[batch];
      U update[batch][columns_per_lane];
#pragma unroll
      for (int m = 0; m < batch; m++) {
        row[m] = -1;
        if (matches == 0) continue;
        const int from = __ffs(int(matches)) - 1;
        matches &= matches - 1;
        row[m] = __shfl_sync(all_lanes, index, from);
#pragma unroll
        for (int j = 0; j < columns_per_lane; j++)
          if (j < mine) update[m][j] = updates[(k + from) * scatter.inner + 32 * j];
      }
#pragma unroll
      for (int m = 0; m < batch; m++) {
        if (row[m] < 0) break;
        if (row[m] != current) {
          flush();
          current = row[m];
#pragma unroll
          for (int j = 0; j < columns_per_lane; j++)
            if (j < mine) sum[j] = out[current * scatter.inner + 32 * j];
        }
#pragma unroll
        for (int j = 0; j < columns_per_lane; j++)
          if (j < mine) sum[j] = T(sum[j] + widen(update[m][j]));
      }
    }
  };
  for (int64_t k = 0; k < scatter.count; k += 32 * groups) {
    int32_t index[groups];
    read_indices(index, scatter, share, indices, k + lane, 1, fault, call);
#pragma unroll 1
    for (int g = 0; g < groups; g++) {
      add_group(k + 32 * g, index[0]);
#pragma unroll
      for (int h = 0; h + 1 < groups; h++) index[h] = index[h + 1];
    }
  }
  flush();
}

template <class T, class U>
__global__ void __launch_bounds__(128, 8)
    add_elements(const int32_t* indices, const U* updates, T* out, Scatter scatter, Fault* fault, int32_t call) {
  const int lane = threadIdx.x & 31;
  const int64_t warp = int64_t(blockIdx.x) * (blockDim.x >> 5) + (threadIdx.x >> 5);
  if (warp >= scatter.warps) return;
  const Share share = share_of(scatter, warp);
  const int64_t size = scatter.count * scatter.inner;
  indices += share.outer * scatter.index_stride;
  updates += share.outer * size;
  out += share.outer * scatter.n * scatter.inner;
  for (int64_t first = 0; first < size; first += 32 * groups) {
    int32_t index[groups];
    read_indices(index, scatter, share, indices, first + lane, scatter.inner, fault, call);
#pragma unroll
    for (int g = 0; g < groups; g++) {
      const int64_t element = first + 32 * g + lane;
      const bool mine = index[g] >= share.first && index[g] < share.last;
      unsigned adding = __ballot_sync(all_lanes, mine);
      if (adding == 0) continue;
      T* place = out + index[g] * scatter.inner + (scatter.inner == 1 ? 0 : element % scatter.inner);
      bool alone = true;  // in its place, among these 32; lanes without one count as places of their own
      if ((adding & (adding - 1)) != 0)
        alone = __popc(__match_any_sync(all_lanes, mine ? reinterpret_cast<unsigned long long>(place) : 0ull + unsigned(lane))) == 1;
      if (__all_sync(all_lanes, alone)) {
        if (mine) *place = T(*place + widen(updates[element]));
        __syncwarp();
      } else {
        for (; adding != 0; adding &= adding - 1) {
          if (lane == __ffs(int(adding)) - 1) *place = T(*place + widen(updates[element]));
          __syncwarp();
        }
      }
    }
  }
}

template <class T, class U> __global__ void __launch_bounds__(256) narrow_sums(const T* sums, U* out, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) out[i] = narrow<U>(float(sums[i]));
}

/** Enough warps to fill the device, no more: each reads all indices. The result does not depend on their number. */
Scatter choose(int64_t outer, int64_t n, int64_t count, int64_t inner, int64_t index_stride, int multiprocessors) {
  constexpr int64_t warps_per_multiprocessor = 16, matches_per_warp = 8;
  Scatter scatter{n, count, inner, index_stride, 1, 1, 0};
  if (inner >= 32) scatter.pieces = int(divide_up(inner, piece_columns));
  const int64_t most = std::max<int64_t>(1, multiprocessors * warps_per_multiprocessor / std::max<int64_t>(1, outer * scatter.pieces));
  const int64_t elements = inner >= 32 ? count : count * inner / 4;
  scatter.ranges = int(std::clamp<int64_t>(std::min(most, elements / matches_per_warp), 1, std::max<int64_t>(1, n)));
  scatter.warps = outer * scatter.pieces * scatter.ranges;
  return scatter;
}

template <class T, class U> Step bind_scatter(Call& call, const Scatter& scatter) {
  const View indices = call.in[0], updates = call.in[1], out = call.out[0];
  View sums = out;
  if constexpr (!std::is_same_v<T, U>) sums = call.scratch(size_t(out.size()) * sizeof(T));
  return [=](const Frame& frame) {
    clear(frame, frame.at<T>(sums), size_t(out.size()) * sizeof(T));
    if (updates.size() > 0) {
      const unsigned block = block_for(scatter.warps * 32, 128);
      const Shape shape{.grid = dim3(unsigned(divide_up(scatter.warps * 32, block))), .block = dim3(block)};
      launch(frame, shape, scatter.inner >= 32 ? add_rows<T, U> : add_elements<T, U>, frame.at<int32_t>(indices), frame.at<U>(updates),
             frame.at<T>(sums), scatter, frame.fault, frame.call);
    }
    if constexpr (!std::is_same_v<T, U>) {
      const unsigned block = block_for(out.size());
      launch(frame, {.grid = dim3(unsigned(divide_up(out.size(), block))), .block = dim3(block)}, narrow_sums<T, U>, frame.at<T>(sums),
             frame.at<U>(out), out.size());
    }
  };
}

/**
 * Whether one place may get so many updates that a float32 sum of them loses digits. Sums are double then. They take
 * scratch memory of eight bytes per element of the output, which is spent on outputs of up to 4 Mi elements.
 */
bool many_updates(const Call& call, int64_t count) { return count >= 16384 && call.out[0].size() <= int64_t(1) << 22; }

/**
 * Floats are added in float32, or in double where there are many, and rounded once. Integers wrap: they are added in an
 * unsigned type.
 */
Step bind_scatter(Call& call, int64_t outer, int64_t n, int64_t count, int64_t inner, int64_t index_stride) {
  call.raises = true;
  const Scatter scatter = choose(outer, n, count, inner, index_stride, call.target.multiprocessors);
  require(scatter.warps < (int64_t(1) << 31), "ERR_SHAPE", call.op, ": the tensor is too large");
  const bool many = many_updates(call, count);
  switch (call.out[0].dtype) {
    case DType::float32: return many ? bind_scatter<double, float>(call, scatter) : bind_scatter<float, float>(call, scatter);
    case DType::float16: return many ? bind_scatter<double, Float16>(call, scatter) : bind_scatter<float, Float16>(call, scatter);
    case DType::bfloat16: return many ? bind_scatter<double, BFloat16>(call, scatter) : bind_scatter<float, BFloat16>(call, scatter);
    case DType::int32: return bind_scatter<uint32_t, uint32_t>(call, scatter);
    case DType::uint8: return bind_scatter<uint8_t, uint8_t>(call, scatter);
    default: throw Error("ERR_DTYPE", call.op + ": " + name_of(call.out[0].dtype) + " is not supported");
  }
}

KERNEL(cuda, scatterAdd) {
  const View out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + out.rank() : given;
  return bind_scatter(call, product(out.dims, 0, size_t(axis)), out.dim(axis), call.in[0].size(), product(out.dims, size_t(axis) + 1), 0);
}

KERNEL(cuda, scatterAlong) {
  const View out = call.out[0];
  const int64_t count = call.in[1].dim(-1);
  return bind_scatter(call, product(out.dims, 0, out.dims.size() - 1), out.dim(-1), count, 1, count);
}

}  // namespace
}  // namespace weft::cuda
