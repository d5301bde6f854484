// Matrix products in float32 arithmetic on any GPU, for every shape and layout: tiles of c in registers, operands
// through shared memory. A thread computes a ThreadM x ThreadN part of the tile. While a TileK of a and b is
// multiplied, the next one is on its way from memory to registers; two buffers in shared memory make one barrier per
// TileK enough. An operand is turned into rows of k as it is written to shared memory, so all four layouts share the
// loop. Where the matrix is small, `slices` groups of a block's threads each take every slices-th part of the sum over
// k and are added in order at the end: small products then keep enough threads busy without a second kernel.
#include "matmul.h"

namespace weft::cuda {
namespace {

/** How one operand's [outer, TileK] tile is brought in by `threads` threads: 4 neighbours at a time. */
template <class T, int outer, int TileK, int threads, int row> struct Loader {
  static constexpr int pieces = outer * TileK / 4, each = (pieces + threads - 1) / threads;
  static_assert(pieces % threads == 0 || pieces < threads);
  const T* matrix;
  int row_length, first, end, thread;
  bool k_major, vectors;
  Pack<float, 4> held[each];

  __device__ __forceinline__ void fetch(int k, int k_end) {
#pragma unroll
    for (int i = 0; i < each; i++) {
      const int piece = thread + i * threads;
      const int o = k_major ? piece / (TileK / 4) : piece % (outer / 4) * 4, at_k = k_major ? piece % (TileK / 4) * 4 : piece / (outer / 4);
      const int64_t line = k_major ? first + o : k + at_k;
      const int position = k_major ? k + at_k : first + o, limit = k_major ? k_end : end;
      held[i] = {};
      if (pieces < threads && piece >= pieces) continue;
      if (k_major ? first + o >= end : k + at_k >= k_end) continue;
      const T* const from = matrix + line * row_length + position;
      if (vectors && position < limit) {
        const Pack<T, 4> four = load_pack<4>(from);
#pragma unroll
        for (int e = 0; e < 4; e++) held[i].at[e] = widen(four.at[e]);
      } else {
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (position + e < limit) held[i].at[e] = widen(from[e]);
      }
    }
  }
  /** Writes what was fetched as [TileK][row]. */
  __device__ __forceinline__ void store(float* tile) const {
#pragma unroll
    for (int i = 0; i < each; i++) {
      const int piece = thread + i * threads;
      if (pieces < threads && piece >= pieces) continue;
      if (k_major) {
        float* const to = tile + piece % (TileK / 4) * 4 * row + piece / (TileK / 4);
#pragma unroll
        for (int e = 0; e < 4; e++) to[e * row] = held[i].at[e];
      } else store_pack(tile + piece / (outer / 4) * row + piece % (outer / 4) * 4, held[i]);
    }
  }
};

template <int TileM_, int TileN_, int TileK_, int ThreadM_, int ThreadN_> struct SimtTile {
  static constexpr int TileM = TileM_, TileN = TileN_, TileK = TileK_, ThreadM = ThreadM_, ThreadN = ThreadN_;
  static constexpr int threads = TileM / ThreadM * (TileN / ThreadN);  // of a slice
  static constexpr int a_row = TileM + 4, b_row = TileN + 4, buffer = TileK * (a_row + b_row);
  static_assert(ThreadM % 4 == 0 && ThreadN % 4 == 0);
  static constexpr size_t shared(int slices) {
    const size_t sums = slices > 1 ? size_t(slices) * TileM * TileN : 0;
    return std::max(2 * size_t(slices) * buffer, sums) * sizeof(float);
  }
};

/** Block: [Tile::threads, slices]. */
template <class T, class Tile, int most_slices>
__global__ void __launch_bounds__(Tile::threads* most_slices, 1) simt_product(Extents p, const T* a, const T* b, Output<T> out) {
  constexpr int TileM = Tile::TileM, TileN = Tile::TileN, TileK = Tile::TileK, ThreadM = Tile::ThreadM, ThreadN = Tile::ThreadN;
  // a thread's rows and columns come in fours, each four from another part of the tile: neighbours then read
  // neighbouring shared memory
  constexpr int rows_apart = TileM / (ThreadM / 4), columns_apart = TileN / (ThreadN / 4);
  WEFT_DYNAMIC_SHARED(float, shared);
  const int thread = threadIdx.x, slice = threadIdx.y, slices = blockDim.y;
  const int row = thread / (TileN / ThreadN) * 4, column = thread % (TileN / ThreadN) * 4;
  const Place at = place_of(p, blockIdx.x, TileM, TileN);
  Loader<T, TileM, TileK, Tile::threads, Tile::a_row> load_a{a + at.a, p.a_row, at.row, p.m, thread, p.a_k_major, p.a_row % 4 == 0, {}};
  Loader<T, TileN, TileK, Tile::threads, Tile::b_row> load_b{b + at.b, p.b_row, at.column, p.n, thread, p.b_k_major, p.b_row % 4 == 0, {}};
  float* buffer = shared + 2 * slice * Tile::buffer;

  float sum[ThreadM][ThreadN] = {};
  load_a.fetch(at.k_begin + slice * TileK, at.k_end);
  load_b.fetch(at.k_begin + slice * TileK, at.k_end);
  for (int k = at.k_begin; k < at.k_end; k += slices * TileK) {
    load_a.store(buffer);
    load_b.store(buffer + TileK * Tile::a_row);
    __syncthreads();
    if (k + slices * TileK < at.k_end) {
      load_a.fetch(k + (slices + slice) * TileK, at.k_end);
      load_b.fetch(k + (slices + slice) * TileK, at.k_end);
    }
    const float *rows = buffer + row, *columns = buffer + TileK * Tile::a_row + column;
#pragma unroll
    for (int step = 0; step < TileK; step++) {
      Pack<float, 4> x[ThreadM / 4], y[ThreadN / 4];
#pragma unroll
      for (int i = 0; i < ThreadM / 4; i++) x[i] = load_pack<4>(rows + step * Tile::a_row + i * rows_apart);
#pragma unroll
      for (int j = 0; j < ThreadN / 4; j++) y[j] = load_pack<4>(columns + step * Tile::b_row + j * columns_apart);
#pragma unroll
      for (int i = 0; i < ThreadM; i++)
#pragma unroll
        for (int j = 0; j < ThreadN; j++) sum[i][j] += x[i / 4].at[i % 4] * y[j / 4].at[j % 4];
    }
    // the other buffer: its readers passed the barrier above after they had finished with it
    buffer += buffer == shared + 2 * slice * Tile::buffer ? Tile::buffer : -Tile::buffer;
  }

  if constexpr (most_slices > 1) {
    if (slices > 1) {  // [slices][TileM][TileN], then each thread adds up some fours of the tile
      __syncthreads();
#pragma unroll
      for (int i = 0; i < ThreadM; i++)
#pragma unroll
        for (int j = 0; j < ThreadN; j += 4)
          store_pack(shared + (slice * TileM + row + i / 4 * rows_apart + i % 4) * TileN + column + j / 4 * columns_apart,
                     Pack<float, 4>{{sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]}});
      __syncthreads();
      for (int i = slice * Tile::threads + thread; i < TileM * TileN / 4; i += slices * Tile::threads) {
        float four[4] = {};
        for (int s = 0; s < slices; s++) {
          const Pack<float, 4> part = load_pack<4>(shared + s * TileM * TileN + 4 * i);
          for (int e = 0; e < 4; e++) four[e] += part.at[e];
        }
        out.store(p, at, at.row + i / (TileN / 4), at.column + i % (TileN / 4) * 4, four);
      }
      return;
    }
  }
#pragma unroll
  for (int i = 0; i < ThreadM; i++)
#pragma unroll
    for (int j = 0; j < ThreadN; j += 4) {
      const float four[4] = {sum[i][j], sum[i][j + 1], sum[i][j + 2], sum[i][j + 3]};
      out.store(p, at, at.row + row + i / 4 * rows_apart + i % 4, at.column + column + j / 4 * columns_apart, four);
    }
}

template <class Tile, int most_slices> Step bind_tile(Call& call, const Product& p, int slices) {
  const SplitSum sums(call, p);
  const int64_t blocks = blocks_of(p, Tile::TileM, Tile::TileN);
  require(blocks <= INT32_MAX, "ERR_SHAPE", call.op, ": a product of ", p.batch.count, " matrices of ", p.m, " x ", p.n, " is too large");
  const Shape shape{.grid = dim3(unsigned(blocks)), .block = dim3(Tile::threads, unsigned(slices)), .shared = Tile::shared(slices)};
  return dispatch<float, BFloat16, Float16>(p.c.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      launch(frame, shape, simt_product<T, Tile, most_slices>, p, frame.at<const T>(p.a_view), frame.at<const T>(p.b_view),
             output_of<T>(frame, p, sums));
      sums.finish(frame);
    };
  });
}

}  // namespace

/**
 * Tiles of 128 where they fill the GPU, of 64 where those do, else of 32 with slices, whose small number of results per
 * thread costs more reads of shared memory but leaves no multiprocessor idle. What still does not fill the GPU is split
 * over k.
 */
Step bind_simt(Call& call, Product p) {
  const int64_t multiprocessors = call.target.multiprocessors;
  p.splits = 1;
  p.k_per_split = p.k;
  if (blocks_of(p, 128, 128) >= multiprocessors) return bind_tile<SimtTile<128, 128, 8, 8, 8>, 1>(call, p, 1);
  if (blocks_of(p, 64, 64) >= 2 * multiprocessors) return bind_tile<SimtTile<64, 64, 16, 8, 4>, 1>(call, p, 1);
  using Small = SimtTile<32, 32, 16, 4, 4>;
  constexpr int most_slices = 8;
  split_sum(p, blocks_of(p, 32, 32), 2 * multiprocessors, 512, 16);
  const int share = std::min(p.k, p.k_per_split), wanted = share >= 256 ? 8 : share >= 128 ? 4 : share >= 48 ? 2 : 1;
  return bind_tile<Small, most_slices>(call, p, Small::shared(wanted) <= call.target.shared_memory ? wanted : 4);
}

}  // namespace weft::cuda
