// Matrix products where one operand ("thin") has at most 8 rows or columns: bound by reading the other one ("wide")
// once.
// skinny_dots: wide is k-major. A group of lanes shares a dot product of one wide row with every thin one; groups are
// as wide as k is long.
// skinny_sums: wide has its outer axis contiguous. A lane owns 4 neighbours of that axis and goes down k, every slice
// (warp) of the block taking every slices-th row; the slices' sums are added in order. The thin operand comes from
// shared memory as [k][thin rows].
#include "matmul.h"

namespace weft::cuda {
namespace {

/** Which operand is thin, and how both are found: strides in elements. */
struct Skinny {
  bool thin_is_a;
  int thin, wide;  // extents of the outer axes
  int64_t thin_row, thin_k;
  int wide_length;  // of wide's contiguous axis

  explicit Skinny(const Extents& p) : thin_is_a(p.m <= 8) {
    thin = thin_is_a ? p.m : p.n;
    wide = thin_is_a ? p.n : p.m;
    const bool k_major = thin_is_a ? p.a_k_major : p.b_k_major;
    thin_row = k_major ? p.k : 1;
    thin_k = k_major ? 1 : thin;
    wide_length = thin_is_a ? p.b_row : p.a_row;
  }
};

template <class T>
__device__ __forceinline__ void store_one(const Output<T>& out, const Extents& p, const Place& at, const Skinny& s, int thin, int wide,
                                          float x) {
  const int row = s.thin_is_a ? thin : wide, column = s.thin_is_a ? wide : thin;
  const int64_t position = int64_t(row) * p.n + column;
  if (out.partial) out.partial[at.partial + position] = x;
  else out.c[at.c + position] = narrow<T>(out.finish(x, column));
}

/** Block: threads / lanes dot products; `lanes` is a power of 2, at most 32. */
template <class T, int most_thin>
__global__ void __launch_bounds__(128, 4) skinny_dots(Extents p, Skinny s, const T* a, const T* b, Output<T> out, int lanes) {
  constexpr int piece = 16 / int(sizeof(T));
  const int groups = blockDim.x / lanes, lane = threadIdx.x % lanes;
  const Place at = place_of(p, blockIdx.x, s.thin_is_a ? p.m : groups, s.thin_is_a ? groups : p.n);
  const T* const thin = s.thin_is_a ? a + at.a : b + at.b;
  const T* const wide = s.thin_is_a ? b + at.b : a + at.a;
  const int j = (s.thin_is_a ? at.column : at.row) + threadIdx.x / lanes;
  float sum[most_thin] = {};
  if (j < s.wide) {
    const T* const row = wide + int64_t(j) * s.wide_length;
    if (s.wide_length % piece == 0) {
#pragma unroll 2
      for (int k = at.k_begin + lane * piece; k < at.k_end; k += lanes * piece) {
        const Pack<T, piece> x = load_pack<piece>(row + k);
#pragma unroll
        for (int r = 0; r < most_thin; r++) {
          if (r >= s.thin) break;
          const T* const y = thin + r * s.thin_row + k * s.thin_k;
          if (s.thin_k == 1) {
            const Pack<T, piece> four = load_pack<piece>(y);
#pragma unroll
            for (int e = 0; e < piece; e++) sum[r] += float(widen(x.at[e])) * widen(four.at[e]);
          } else
#pragma unroll
            for (int e = 0; e < piece; e++) sum[r] += float(widen(x.at[e])) * widen(y[e * s.thin_k]);
        }
      }
    } else {
#pragma unroll 4
      for (int k = at.k_begin + lane; k < at.k_end; k += lanes) {
        const float x = widen(row[k]);
#pragma unroll
        for (int r = 0; r < most_thin; r++)
          if (r < s.thin) sum[r] += x * widen(thin[r * s.thin_row + k * s.thin_k]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < most_thin; r++)
    for (int offset = lanes / 2; offset > 0; offset >>= 1) sum[r] += __shfl_xor_sync(all_lanes, sum[r], offset);
  if (lane != 0 || j >= s.wide) return;
#pragma unroll
  for (int r = 0; r < most_thin; r++)
    if (r < s.thin) store_one(out, p, at, s, r, j, sum[r]);
}

/** Block: [32 lanes, slices], for 128 neighbours of wide's contiguous axis. */
template <class T, int most_thin>
__global__ void __launch_bounds__(256, 2) skinny_sums(Extents p, Skinny s, const T* a, const T* b, Output<T> out) {
  constexpr int chunk = 128, columns = 128, most_slices = 8;
  WEFT_SHARED(float, staged, [chunk][most_thin]);
  WEFT_SHARED(float, sums, [most_slices][most_thin][columns]);
  const int lane = threadIdx.x, slice = threadIdx.y, slices = blockDim.y;
  const Place at = place_of(p, blockIdx.x, s.thin_is_a ? p.m : columns, s.thin_is_a ? columns : p.n);
  const T* const thin = s.thin_is_a ? a + at.a : b + at.b;
  const T* const wide = s.thin_is_a ? b + at.b : a + at.a;
  const int first = s.thin_is_a ? at.column : at.row, j = first + lane * 4;
  const bool vectors = s.wide_length % 4 == 0;

  float sum[most_thin][4] = {};
  for (int k0 = at.k_begin; k0 < at.k_end; k0 += chunk) {
    const int rows = at.k_end - k0 < chunk ? at.k_end - k0 : chunk;
    __syncthreads();  // all are done with the chunk before
    for (int i = slice * 32 + lane; i < rows * most_thin; i += slices * 32) {
      const int r = s.thin_k == 1 ? i / rows : i % most_thin, k = s.thin_k == 1 ? i % rows : i / most_thin;
      staged[k][r] = r < s.thin ? float(widen(thin[r * s.thin_row + (k0 + k) * s.thin_k])) : 0;
    }
    __syncthreads();
    if (j >= s.wide) continue;
#pragma unroll 4
    for (int k = slice; k < rows; k += slices) {
      const T* const from = wide + int64_t(k0 + k) * s.wide_length + j;
      float x[4] = {};
      if (vectors) {
        const Pack<T, 4> four = load_pack<4>(from);
#pragma unroll
        for (int e = 0; e < 4; e++) x[e] = widen(four.at[e]);
      } else
#pragma unroll
        for (int e = 0; e < 4; e++)
          if (j + e < s.wide) x[e] = widen(from[e]);
#pragma unroll
      for (int r = 0; r < most_thin; r++)
#pragma unroll
        for (int e = 0; e < 4; e++) sum[r][e] += staged[k][r] * x[e];
    }
  }
#pragma unroll
  for (int r = 0; r < most_thin; r++)
#pragma unroll
    for (int e = 0; e < 4; e++) sums[slice][r][lane * 4 + e] = sum[r][e];
  __syncthreads();
  for (int i = slice * 32 + lane; i < s.thin * columns; i += slices * 32) {
    const int r = i / columns, column = i % columns;
    if (first + column >= s.wide) continue;
    float total = 0;
    for (int other = 0; other < slices; other++) total += sums[other][r][column];
    store_one(out, p, at, s, r, first + column, total);
  }
}

template <class T, int most_thin> Step bind_thin(Call& call, Product p) {
  const Skinny s(p);
  const bool dots = s.thin_is_a ? p.b_k_major : p.a_k_major;
  constexpr int piece = 16 / int(sizeof(T));
  int lanes = 1;
  if (dots)
    while (lanes < 32 && lanes * (s.wide_length % piece == 0 ? piece : 1) < p.k) lanes *= 2;
  const int threads = int(std::min<int64_t>(128, divide_up(int64_t(s.wide) * lanes, 32) * 32));
  const int64_t of_block = dots ? threads / lanes : 128;
  const int64_t tile_m = s.thin_is_a ? p.m : of_block, tile_n = s.thin_is_a ? of_block : p.n;
  split_sum(p, blocks_of(p, tile_m, tile_n), 2 * call.target.multiprocessors, dots ? 1024 : 128, 128);
  const int slices = int(std::clamp<int64_t>(std::min(p.k, p.k_per_split) / 8, 1, 8));
  const SplitSum sums(call, p, true);
  const int64_t blocks = blocks_of(p, tile_m, tile_n);
  require(blocks <= INT32_MAX, "ERR_SHAPE", call.op, ": a product of ", p.batch.count, " matrices of ", p.m, " x ", p.n, " is too large");
  return [=](const Frame& frame) {
    const T *a = frame.at<const T>(p.a_view), *b = frame.at<const T>(p.b_view);
    const Output<T> out = output_of<T>(frame, p, sums);
    const dim3 grid{unsigned(blocks)};
    if (dots) launch(frame, {.grid = grid, .block = dim3(unsigned(threads))}, skinny_dots<T, most_thin>, p, s, a, b, out, lanes);
    else launch(frame, {.grid = grid, .block = dim3(32, unsigned(slices))}, skinny_sums<T, most_thin>, p, s, a, b, out);
    sums.finish(frame);
  };
}

}  // namespace

bool can_skinny(const Product& p) { return p.m <= 8 || p.n <= 8; }

Step bind_skinny(Call& call, Product p) {
  const bool one = p.m == 1 || (p.m > 8 && p.n == 1);
  return dispatch<float, BFloat16, Float16>(p.c.dtype,
                                            [&]<class T>() { return one ? bind_thin<T, 1>(call, p) : bind_thin<T, 8>(call, p); });
}

}  // namespace weft::cuda
