// layerNorm over the rows of [r, c]: norm_rows.cuh with a row's mean and the deviations from it. Moments of chunks are
// merged as in Chan et al. 1979.
#include "norm_rows.cuh"

namespace weft::cuda {
namespace {

struct LayerNorm {
  static constexpr bool shifts = true;
  /** The mean of a chunk, and the sum of squared deviations from it. */
  struct Chunk {
    float mean, squares;
  };
  /** The mean is near + rest: with large means, the rounding of one float would show in the output. */
  struct Row {
    float near, rest, squares;
    __device__ __forceinline__ float subtract(float x) const { return (x - near) - rest; }
    __device__ __forceinline__ float mean() const { return near + rest; }
  };
  static constexpr int blocks(Stage stage, int) { return stage == Stage::rest ? 2 : 0; }
  static __device__ __forceinline__ Chunk chunk_of(const Row& row) { return {row.mean(), row.squares}; }

  template <class T, int items>
  static __device__ __forceinline__ Row measure(const float (&value)[items][Piece<T>::size], const Piece<T>& piece, float* scratch) {
    float total[1] = {0}, deviations[2] = {0, 0};  // their sum, which only rounding keeps from 0, and the sum of their squares
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) total[0] += value[k][e];
    group_reduce(total, piece.lanes, 0.0f, scratch, Sum());
    const float count = float(piece.length), near = total[0] / count;
#pragma unroll
    for (int k = 0; k < items; k++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) {
        const float d = piece.inside(k, e) ? value[k][e] - near : 0.0f;
        deviations[0] += d;
        deviations[1] += d * d;
      }
    group_reduce(deviations, piece.lanes, 0.0f, scratch, Sum());
    const float rest = deviations[0] / count;
    return {near, rest, deviations[1] - rest * rest * count};
  }

  template <class Chunks> static __device__ __forceinline__ Row combine(const Chunks& chunks, const Rows& rows, int lanes, float* scratch) {
    const int lane = int(threadIdx.x) % lanes;
    const auto count = [&](int i) {
      const int64_t left = rows.n - i * rows.chunk;
      return float(left < rows.chunk ? left : rows.chunk);
    };
    const float near = chunks(0).mean;
    float rest[1] = {0}, squares[1] = {0};
    for (int i = lane; i < rows.chunks; i += lanes) rest[0] += (chunks(i).mean - near) * (count(i) / float(rows.n));
    group_reduce(rest, lanes, 0.0f, scratch, Sum());
    for (int i = lane; i < rows.chunks; i += lanes) {
      const Chunk chunk = chunks(i);
      const float difference = (chunk.mean - near) - rest[0];
      squares[0] += chunk.squares + difference * difference * count(i);
    }
    group_reduce(squares, lanes, 0.0f, scratch, Sum());
    return {near, rest[0], squares[0]};
  }
};

}  // namespace

KERNEL(cuda, layerNorm) {
  return dispatch<float, BFloat16, Float16>(call.in[0].dtype, [&]<class T>() { return bind_normalize<LayerNorm, T>(call); });
}

}  // namespace weft::cuda
