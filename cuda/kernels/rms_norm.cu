// rmsNorm over the rows of [r, c] (Zhang & Sennrich 2019): norm_rows.cuh with a row's sum of squares.
#include "norm_rows.cuh"

namespace weft::cuda {
namespace {

struct RmsNorm {
  static constexpr bool shifts = false;
  using Chunk = float;  // its sum of squares
  struct Row {
    float squares;
    __device__ __forceinline__ float subtract(float x) const { return x; }
  };
  static constexpr int blocks(Stage, int items) { return items > 1 ? 1 : 0; }
  static __device__ __forceinline__ Chunk chunk_of(const Row& row) { return row.squares; }

  template <class T, int items>
  static __device__ __forceinline__ Row measure(const float (&value)[items][Piece<T>::size], const Piece<T>& piece, float* scratch) {
    float squares[1] = {0};
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) squares[0] += value[k][e] * value[k][e];
    group_reduce(squares, piece.lanes, 0.0f, scratch, Sum());
    return {squares[0]};
  }

  template <class Chunks> static __device__ __forceinline__ Row combine(const Chunks& chunks, const Rows&, int lanes, float* scratch) {
    float squares[1] = {0};
    for (int i = int(threadIdx.x) % lanes; i < chunks.count; i += lanes) squares[0] += chunks(i);
    group_reduce(squares, lanes, 0.0f, scratch, Sum());
    return {squares[0]};
  }
};

}  // namespace

KERNEL(cuda, rmsNorm) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_normalize<RmsNorm, T>(call); });
}

}  // namespace weft::cuda
