// cumSum and cumProd along an axis, forward or reverse, with or without the element itself; the words here are those of
// sums. Along the last axis a group of threads (row_plan.h) goes through its row tile by tile: each thread sums a
// 16-byte pack, the packs' sums are scanned over the group, and the tile's sum is carried on. Along other axes a thread
// goes down a column. Where that leaves the device idle, rows and columns are cut into chunks: one launch sums them,
// the next starts each chunk from the sums of those before it. Sums are float32, in a fixed order; those of integers
// wrap.
#include "group_reduce.cuh"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

template <class T> using Total = std::conditional_t<std::is_same_v<Compute<T>, float>, float, uint32_t>;

// How values are combined. `neutral` changes none, so it stands where there is no value: of float sums it is -0, which
// leaves -0 as it is too. `nothing`: what an exclusive sum or product begins with.
struct Add : Sum {
  template <class V> static constexpr V neutral = -V(0);
  static constexpr int nothing = 0;
};
struct Multiply {
  template <class V> static constexpr V neutral = V(1);
  static constexpr int nothing = 1;
  template <class T> __device__ __forceinline__ T operator()(T a, T b) const { return a * b; }
};

/** sums[chunk]: the sum of each chunk. */
template <class T, class Op> __global__ void __launch_bounds__(256) sum_chunks(const T* x, Total<T>* sums, Rows rows) {
  WEFT_SHARED(Total<T>, scratch, [32]);
  const Piece<T> piece(rows);
  Total<T> total[1] = {Op::template neutral<Total<T>>};
  for (int k = 0; int64_t(k) * rows.lanes * piece.size < piece.length + piece.shift; k++) {
    const Words<T> pack = piece.load(x, k, Compute<T>(Op::template neutral<Total<T>>));
#pragma unroll
    for (int e = 0; e < piece.size; e++) total[0] = Op()(total[0], Total<T>(pack.get(e)));
  }
  group_reduce(total, rows.lanes, Op::template neutral<Total<T>>, scratch, Op());
  if (piece.lane == 0 && piece.exists(rows)) sums[piece.id] = total[0];
}

/** `sums`: of the chunks; null where rows are whole. y may be x. */
template <class T, class Op>
__global__ void __launch_bounds__(256) scan_rows(const T* x, T* y, const Total<T>* sums, bool exclusive, bool reverse, Rows rows) {
  WEFT_SHARED(Total<T>, scratch, [32]);
  const Piece<T> piece(rows);
  Total<T> carried[1] = {Op::template neutral<Total<T>>};
  if (sums != nullptr) {  // then the block is one group
    const int64_t first = piece.row * rows.chunks, begin = reverse ? piece.id + 1 : first, end = reverse ? first + rows.chunks : piece.id;
    for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) carried[0] = Op()(carried[0], sums[i]);
    group_reduce(carried, rows.lanes, Op::template neutral<Total<T>>, scratch, Op());
  }
  // in the piece: the element that nothing stands before
  const int64_t first = (reverse ? rows.n - 1 : 0) - (piece.start - piece.row * rows.n);
  // all groups of a block take part in the scans, so they go through as many tiles as a row can have: its first pack
  // may begin up to size - 1 elements before it (Piece::shift)
  const int tiles = int(divide_up(rows.chunk + piece.size - 1, int64_t(rows.lanes) * piece.size));
  for (int tile = 0; tile < tiles; tile++) {
    const int k = reverse ? tiles - 1 - tile : tile;
    Words<T> pack = piece.load(x, k, Compute<T>(Op::template neutral<Total<T>>));
    Total<T> sum = Op::template neutral<Total<T>>, whole;
#pragma unroll
    for (int e = 0; e < piece.size; e++) sum = Op()(sum, Total<T>(pack.get(e)));
    const Total<T> before_pack = group_scan(sum, piece.lane, rows.lanes, reverse, Op::template neutral<Total<T>>, scratch, whole, Op());
    Total<T> running = Op()(carried[0], before_pack), value[Piece<T>::size];
#pragma unroll
    for (int j = 0; j < piece.size; j++) value[j] = Total<T>(reverse ? pack.get(piece.size - 1 - j) : pack.get(j));
#pragma unroll
    for (int j = 0; j < piece.size; j++) {
      const Total<T> before = running;
      running = Op()(running, value[j]);
      value[j] = exclusive ? before : running;
    }
#pragma unroll
    for (int e = 0; e < piece.size; e++) {
      const Total<T> result = reverse ? value[piece.size - 1 - e] : value[e];
      pack.set(e, Compute<T>(exclusive && piece.place(k) + e == first ? Total<T>(Op::nothing) : result));
    }
    piece.store(y, k, pack);
    carried[0] = Op()(carried[0], whole);
  }
}

/** Columns of [outer, n, inner], cut along n into chunks. */
struct Strips {
  int64_t count;  // outer × inner
  int64_t n, inner, chunk;
  int chunks;
};

/** Block y: the chunk. sums [chunks, count]: written by Stage::sums, read by Stage::rest. */
template <class T, class Op>
__global__ void __launch_bounds__(128)
    scan_columns(const T* x, T* y, Total<T>* sums, Stage stage, bool exclusive, bool reverse, Strips strips) {
  constexpr int unroll = 4;
  const int64_t column = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (column >= strips.count) return;
  const int64_t outer = column / strips.inner, offset = outer * strips.n * strips.inner + (column - outer * strips.inner);
  const int64_t begin = int64_t(blockIdx.y) * strips.chunk;  // in scanning order
  const int64_t last = begin + strips.chunk, end = last < strips.n ? last : strips.n;
  Total<T> running = Op::template neutral<Total<T>>;
  if (stage == Stage::rest)
    for (unsigned c = 0; c < blockIdx.y; c++) running = Op()(running, sums[c * strips.count + column]);
  for (int64_t i = begin; i < end; i += unroll) {
    T value[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      const int64_t place = i + u < end ? i + u : i;
      value[u] = x[offset + (reverse ? strips.n - 1 - place : place) * strips.inner];
    }
#pragma unroll
    for (int u = 0; u < unroll; u++) {
      if (i + u >= end) break;
      const Total<T> before = i + u == 0 ? Total<T>(Op::nothing) : running;
      running = Op()(running, Total<T>(widen(value[u])));
      if (stage != Stage::sums)
        y[offset + (reverse ? strips.n - 1 - (i + u) : i + u) * strips.inner] = narrow<T>(Compute<T>(exclusive ? before : running));
    }
  }
  if (stage == Stage::sums) sums[blockIdx.y * strips.count + column] = running;
}

template <class T, class Op>
Step bind_rows(Call& call, const View& x, const View& y, int64_t count, int64_t n, bool exclusive, bool reverse) {
  const RowPlan plan = plan_row_loops(count, n, sizeof(T), 1, 1024);
  const View sums = plan.whole() ? View() : call.scratch(size_t(plan.rows.count) * sizeof(Total<T>));
  return [=](const Frame& frame) {
    Total<T>* partial = plan.whole() ? nullptr : frame.at<Total<T>>(sums);
    if (partial != nullptr) launch(frame, plan.shape(), sum_chunks<T, Op>, frame.at<T>(x), partial, plan.rows);
    launch(frame, plan.shape(), scan_rows<T, Op>, frame.at<T>(x), frame.at<T>(y), partial, exclusive, reverse, plan.rows);
  };
}

template <class T, class Op> Step bind_columns(Call& call, const View& x, const View& y, Strips strips, bool exclusive, bool reverse) {
  // chunks of at least 64 rows, as many as give every device threads enough
  strips.chunks = int(std::clamp<int64_t>(std::min(strips.n / 64, 65536 / std::max<int64_t>(1, strips.count)), 1, 64));
  strips.chunk = divide_up(strips.n, strips.chunks);
  strips.chunks = int(divide_up(strips.n, std::max<int64_t>(1, strips.chunk)));
  const View sums = strips.chunks <= 1 ? View() : call.scratch(size_t(strips.chunks * strips.count) * sizeof(Total<T>));
  const int64_t threads = std::clamp<int64_t>(divide_up(strips.count, 32) * 32, 32, 128);
  const Shape shape{.grid = dim3(unsigned(divide_up(strips.count, threads)), unsigned(strips.chunks)), .block = dim3(unsigned(threads))};
  return [=](const Frame& frame) {
    Total<T>* partial = sums.used() ? frame.at<Total<T>>(sums) : nullptr;
    const auto run = [&](Stage stage) {
      launch(frame, shape, scan_columns<T, Op>, frame.at<T>(x), frame.at<T>(y), partial, stage, exclusive, reverse, strips);
    };
    if (partial == nullptr) return run(Stage::whole);
    run(Stage::sums);
    run(Stage::rest);
  };
}

template <class Op> Step bind_cumulative(Call& call) {
  const View x = call.in[0], y = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  const bool exclusive = call.attrs.flag("exclusive"), reverse = call.attrs.flag("reverse");
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis), inner = product(x.dims, size_t(axis) + 1);
  call.in_place(0, 0);
  return dispatch<float, BFloat16, Float16, int32_t, uint8_t>(x.dtype, [&]<class T>() -> Step {
    if (x.size() == 0) return [](const Frame&) {};
    if (inner == 1) return bind_rows<T, Op>(call, x, y, outer, n, exclusive, reverse);
    return bind_columns<T, Op>(call, x, y, {outer * inner, n, inner, n, 1}, exclusive, reverse);
  });
}

}  // namespace

KERNEL(cuda, cumSum) { return bind_cumulative<Add>(call); }
KERNEL(cuda, cumProd) { return bind_cumulative<Multiply>(call); }

}  // namespace weft::cuda
