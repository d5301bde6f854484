// Piece: the row, or the chunk of a row, that a thread works on, and the packs of it that are the thread's
// (row_plan.h).
#pragma once
#include "row_plan.h"
#include "words.cuh"

namespace weft::cuda {

/** The row or chunk that a thread works on, and its packs; the thread has those number lane, lane + lanes, ... */
template <class T> struct Piece {
  static constexpr int size = pack_size<T>;
  int64_t id;     // among all pieces
  int64_t row;    // the row it is of
  int64_t start;  // where it begins in the tensor, in elements
  int length;     // 0 where there is no piece for the group
  int shift;      // elements of the first pack that lie before the piece
  int lane, lanes;

  __device__ __forceinline__ explicit Piece(const Rows& rows) : lanes(rows.lanes) {
    const int group = int(threadIdx.x) / lanes;
    lane = int(threadIdx.x) - group * lanes;
    id = int64_t(blockIdx.x) * (int(blockDim.x) / lanes) + group;
    row = rows.chunks == 1 ? id : id / rows.chunks;
    const int64_t begin = (id - row * rows.chunks) * rows.chunk;
    start = row * rows.n + begin;
    const int64_t left = rows.n - begin;
    length = id >= rows.count ? 0 : int(left < rows.chunk ? left : rows.chunk);
    shift = int(start & (size - 1));
  }
  __device__ __forceinline__ bool exists(const Rows& rows) const { return id < rows.count; }
  /** Where in the piece the thread's pack begins; negative in front of it. */
  __device__ __forceinline__ int place(int item) const { return (item * lanes + lane) * size - shift; }

  /** The thread's pack of a tensor, with `fill` outside of the piece. */
  __device__ __forceinline__ Words<T> load(const T* x, int item, Compute<T> fill) const {
    const int i = place(item);
    if (i >= 0 && i + size <= length) return load_words(x + start + i);
    return Words<T>::gather(x + start, i, 0, length, narrow<T>(fill));
  }
  __device__ __forceinline__ void store(T* y, int item, const Words<T>& pack) const {
    const int i = place(item);
    if (i >= 0 && i + size <= length) return store_words(y + start + i, pack);
    pack.scatter(y + start, i, 0, length);
  }
  __device__ __forceinline__ bool inside(int item, int e) const { return unsigned(place(item) + e) < unsigned(length); }
  /** What the columns of the thread's pack have in a vector [n], with 0 outside of the piece. */
  __device__ __forceinline__ void load_columns(const Rows& rows, const T* x, int item, Compute<T> (&value)[size]) const {
    const T* from = x + (start - row * rows.n);
    const int i = place(item);
    if (rows.n % size == 0 && i + size <= length) {  // rows begin with a pack, so the vector's packs are aligned too
      const Words<T> pack = load_words(from + i);
#pragma unroll
      for (int e = 0; e < size; e++) value[e] = pack.get(e);
    } else {
#pragma unroll
      for (int e = 0; e < size; e++) value[e] = inside(item, e) ? widen(from[i + e]) : Compute<T>(0);
    }
  }
};

}  // namespace weft::cuda
