// argMax and argMin: the first place of the extreme along an axis; NaN counts as the extreme. An element becomes an
// unsigned key that is larger the better it is; a key above its complemented place, in 64 bits, is a candidate: the
// largest one is the answer, ties included, in whatever order candidates are compared. Along the last axis a group of
// threads reads a row as 16-byte packs (row_plan.h); along others, threads own columns (columns.cuh). Long rows and
// columns are cut into chunks, whose candidates a second launch compares.
#include "columns.cuh"
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

using Candidate = uint64_t;

/** Larger for larger elements, or for smaller ones; the largest for NaN. */
template <bool least, class Number> __device__ __forceinline__ uint32_t key_of(Number x) {
  constexpr uint32_t sign = 0x80000000u;
  if constexpr (std::is_same_v<Number, float>) {
    const uint32_t bits = std::bit_cast<uint32_t>(x + 0.0f);  // -0 + 0 is 0
    const uint32_t key = bits & sign ? ~bits : bits | sign;
    return x != x ? ~0u : least ? ~key : key;
  } else {
    const uint32_t key = uint32_t(int32_t(x)) ^ sign;
    return least ? ~key : key;
  }
}
__device__ __forceinline__ Candidate candidate(uint32_t key, int64_t place) { return Candidate(key) << 32 | uint32_t(~uint32_t(place)); }
__device__ __forceinline__ int32_t place_of(Candidate best) { return int32_t(~uint32_t(best)); }

struct Better {
  __device__ __forceinline__ Candidate operator()(Candidate a, Candidate b) const { return a > b ? a : b; }
};

/** Candidates go to `partial` unless it is null, else their places to y. */
template <class T, bool least> __global__ void __launch_bounds__(256) best_in_rows(const T* x, int32_t* y, Candidate* partial, Rows rows) {
  constexpr int unroll = 2;
  WEFT_SHARED(Candidate, scratch, [32]);
  const Piece<T> piece(rows);
  uint32_t key = 0;
  int place = -1;
  const int end = piece.length + piece.shift;
  for (int k = 0; int64_t(k) * rows.lanes * piece.size < end; k += unroll) {
    Words<T> pack[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) pack[u] = piece.load(x, k + u, Compute<T>(0));
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      const int first = piece.place(k + u);
#pragma unroll
      for (int e = 0; e < piece.size; e++) {
        const uint32_t other = key_of<least>(pack[u].get(e));
        const int i = first + e;
        if ((other > key || place < 0) && i >= 0 && i < piece.length) key = other, place = i;
      }
    }
  }
  Candidate best[1] = {place < 0 ? 0 : candidate(key, piece.start - piece.row * rows.n + place)};
  group_reduce(best, rows.lanes, Candidate(0), scratch, Better());
  if (piece.lane != 0 || !piece.exists(rows)) return;
  if (partial != nullptr) partial[piece.id] = best[0];
  else y[piece.row] = place_of(best[0]);
}

template <class T, bool least>
__global__ void __launch_bounds__(256) best_in_columns(const T* x, int32_t* y, Candidate* partial, Columns columns) {
  constexpr int unroll = 4;
  WEFT_DYNAMIC_SHARED(Candidate, shared);
  const ColumnPlace place(columns, 1);
  const T* from = x + place.outer * columns.reduced * columns.inner + place.column;
  Candidate best = 0;
  for (int64_t i = place.begin; i < place.end; i += unroll * columns.h) {
    T value[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) value[u] = from[(i + u * columns.h < place.end ? i + u * columns.h : i) * columns.inner];
#pragma unroll
    for (int u = 0; u < unroll; u++)
      if (i + u * columns.h < place.end) best = Better()(best, candidate(key_of<least>(widen(value[u])), i + u * columns.h));
  }
  merge_depth(best, columns, shared, [](Candidate& a, Candidate b) { a = Better()(a, b); });
  if (place.ty != 0 || !place.exists) return;
  const int64_t to = (place.outer * columns.segments + blockIdx.y) * columns.inner + place.column;
  if (partial != nullptr) partial[to] = best;
  else y[to] = place_of(best);
}

/** The best of the candidates [outer, chunks, inner]: a warp each. */
__global__ void __launch_bounds__(128) best_of_chunks(const Candidate* partial, int32_t* y, int64_t count, int64_t chunks, int64_t inner) {
  const int64_t id = int64_t(blockIdx.x) * (blockDim.x / 32) + threadIdx.x / 32, outer = id / inner;
  Candidate best = 0;
  if (id < count)
    for (int64_t c = threadIdx.x % 32; c < chunks; c += 32)
      best = Better()(best, partial[(outer * chunks + c) * inner + (id - outer * inner)]);
  best = warp_reduce(best, Better());
  if (threadIdx.x % 32 == 0 && id < count) y[id] = place_of(best);
}

template <class T, bool least> Step bind_places(Call& call) {
  const View x = call.in[0], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  call.attrs.flag("keepDims");  // the output's shape tells
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis), inner = product(x.dims, size_t(axis) + 1);
  require(n < int64_t(1) << 31, "ERR_SHAPE", call.op, ": an axis of ", n, " elements; places are int32");
  if (n == 0) return [](const Frame&) {};
  const RowPlan plan = plan_row_loops(outer, n, sizeof(T), 2);
  const Columns columns = plan_columns(outer, n, inner, 1, 1024);
  const int64_t chunks = inner == 1 ? plan.rows.chunks : columns.segments, count = outer * inner;
  const View partial = chunks == 1 ? View() : call.scratch(size_t(count * chunks) * sizeof(Candidate));
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    int32_t* to = frame.at<int32_t>(out);
    Candidate* candidates = chunks == 1 ? nullptr : frame.at<Candidate>(partial);
    if (inner == 1) launch(frame, plan.shape(), best_in_rows<T, least>, from, to, candidates, plan.rows);
    else launch(frame, columns.shape(1, depth_bytes<Candidate>(columns)), best_in_columns<T, least>, from, to, candidates, columns);
    if (chunks == 1) return;
    const unsigned warps = unsigned(std::min<int64_t>(4, count));
    launch(frame, {.grid = dim3(unsigned(divide_up(count, warps))), .block = dim3(32 * warps)}, best_of_chunks, candidates, to, count,
           chunks, inner);
  };
}

}  // namespace

KERNEL(cuda, argMax) {
  return dispatch<float, BFloat16, Float16, int32_t, uint8_t>(call.in[0].dtype, [&]<class T>() { return bind_places<T, false>(call); });
}
KERNEL(cuda, argMin) {
  return dispatch<float, BFloat16, Float16, int32_t, uint8_t>(call.in[0].dtype, [&]<class T>() { return bind_places<T, true>(call); });
}

}  // namespace weft::cuda
