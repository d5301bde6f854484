// Columns: how kernels that combine the rows of [outer, reduced, inner] divide the work. A thread owns a pack of
// neighbouring columns and every h-th row of a segment of the rows; a block is w such packs side by side and h threads
// deep. Where inner is small, the w packs of a row and the next row's follow each other in memory, so that accesses
// stay contiguous for any inner. Threads of a column are merged in a tree, and segments by a second launch: a fixed
// order, cut by shape alone.
#pragma once
#include "row_plan.h"
#include "words.cuh"

namespace weft::cuda {

struct Columns {
  int64_t outer, reduced, inner;
  int64_t segment;  // rows of a segment
  int segments;
  int w, h;  // of a block, in packs and rows

  Shape shape(int pack, size_t shared) const {
    return {
        .grid = dim3(unsigned(divide_up(outer * (inner / pack), w)), unsigned(segments)), .block = dim3(unsigned(w * h)), .shared = shared};
  }
};

/**
 * Divides [outer, reduced, inner] among blocks of about 256 threads; `most_segments`: 1 where there can be no second
 * launch.
 */
inline Columns plan_columns(int64_t outer, int64_t reduced, int64_t inner, int pack, int64_t most_segments) {
  Columns columns{outer, reduced, inner, reduced, 1, 1, 1};
  const int64_t packs = inner / pack, all = std::max<int64_t>(1, outer * packs);
  const int64_t deepest = 256 / std::max<int64_t>(1, std::min<int64_t>(packs, 32));
  columns.h = int(std::clamp<int64_t>(reduced / 4, 1, deepest));
  columns.w = int(std::min<int64_t>(all, 256 / columns.h));
  const int64_t blocks = divide_up(all, columns.w);
  const int64_t segments = std::min({divide_up(1024, blocks), reduced / (int64_t(columns.h) * 16), most_segments});
  if (segments > 1) {
    columns.segment = divide_up(divide_up(reduced, segments), columns.h) * columns.h;
    columns.segments = int(divide_up(reduced, columns.segment));
  }
  return columns;
}

/** One element, with the interface of Words. */
template <class T> struct Single {
  T x;
  __device__ __forceinline__ Compute<T> get(int) const { return widen(x); }
  __device__ __forceinline__ void set(int, Compute<T> value) { x = narrow<T>(value); }
};
/** Neighbouring columns, moved as one access: `pack` is 1 or pack_size<T>. */
template <class T, int pack> using Column = std::conditional_t<pack == 1, Single<T>, Words<T>>;
template <int pack, class T> __device__ __forceinline__ Column<T, pack> load_column(const T* x) {
  return *reinterpret_cast<const Column<T, pack>*>(x);
}
template <int pack, class T> __device__ __forceinline__ void store_column(T* y, const Column<T, pack>& value) {
  *reinterpret_cast<Column<T, pack>*>(y) = value;
}

/** Where a thread works. */
struct ColumnPlace {
  int tx, ty;
  bool exists;         // whether the thread has columns
  int64_t outer;       // index on the outer axis
  int64_t column;      // the first of the thread's columns
  int64_t begin, end;  // its rows: begin, begin + h, ... below end

  __device__ __forceinline__ ColumnPlace(const Columns& columns, int pack) {
    ty = int(threadIdx.x) / columns.w;
    tx = int(threadIdx.x) - ty * columns.w;
    const int64_t packs = columns.inner / pack, place = int64_t(blockIdx.x) * columns.w + tx;
    exists = place < columns.outer * packs;
    outer = packs == 0 ? 0 : place / packs;
    column = (place - outer * packs) * pack;
    const int64_t first = int64_t(blockIdx.y) * columns.segment, last = first + columns.segment;
    begin = first + ty;
    end = !exists ? 0 : last < columns.reduced ? last : columns.reduced;
  }
};

/** Merges the values of a block's threads of one column into those with ty = 0. `shared`: half a block of values. */
template <class Value, class Merge>
__device__ __forceinline__ void merge_depth(Value& value, const Columns& columns, Value* shared, Merge merge) {
  const int ty = int(threadIdx.x) / columns.w, h = columns.h;
  int half = 1;
  while (half < h) half *= 2;
  for (half /= 2; half > 0; half /= 2) {
    if (ty >= half && ty < 2 * half) shared[int(threadIdx.x) - half * columns.w] = value;
    __syncthreads();
    if (ty < half && ty + half < h) merge(value, shared[threadIdx.x]);
    __syncthreads();
  }
}
/** Bytes of shared memory that merge_depth needs for values of so many bytes. */
inline size_t depth_bytes(const Columns& columns, size_t value) {
  return columns.h == 1 ? 0 : size_t(power_of_two_from(columns.h) / 2) * size_t(columns.w) * value;
}
template <class Value> size_t depth_bytes(const Columns& columns) { return depth_bytes(columns, sizeof(Value)); }

}  // namespace weft::cuda
