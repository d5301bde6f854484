// float32 operands of matrix products made ready for wgmma: rounded to tf32, k-major, rows padded to 16 bytes. Operands
// that are k-major already are copied too, because wgmma cuts the low bits off instead of rounding. A block copies
// tiles of 32 x 32 through shared memory, so that both sides are read and written along their rows.
#include "matmul.h"
#include "tensor_core.cuh"

namespace weft::cuda {
namespace {

constexpr int edge = 32, threads_k = 8;

/** from: [matrices, outer, k] or, not k-major, [matrices, k, outer]; to: [matrices, outer, padded]. */
__global__ void __launch_bounds__(edge* threads_k) make_k_major(const float* from, float* to, int outer, int k, int padded, bool k_major) {
  WEFT_SHARED(float, tile, [edge][edge + 1]);  // [outer][k]
  const unsigned along_outer = unsigned(outer + edge - 1) / edge, along_k = unsigned(padded + edge - 1) / edge;
  const int64_t matrix = blockIdx.x / (along_outer * along_k);
  const int first = int(blockIdx.x % along_outer) * edge, first_k = int(blockIdx.x / along_outer % along_k) * edge;
  from += matrix * outer * k;
  to += matrix * outer * padded;
  for (int line = threadIdx.y; line < edge; line += threads_k) {
    const int o = first + (k_major ? line : int(threadIdx.x)), at_k = first_k + (k_major ? int(threadIdx.x) : line);
    float x = 0;
    if (o < outer && at_k < k) x = from[k_major ? int64_t(o) * k + at_k : int64_t(at_k) * outer + o];
    tile[o - first][at_k - first_k] = std::bit_cast<float>(to_tf32(x));
  }
  __syncthreads();
  for (int line = threadIdx.y; line < edge; line += threads_k)
    if (first + line < outer && first_k + int(threadIdx.x) < padded)
      to[int64_t(first + line) * padded + first_k + threadIdx.x] = tile[line][threadIdx.x];
}

}  // namespace

KMajor::KMajor(Call& call, const View& operand, int rows, int row_length, bool k_major, int)
    : operand(operand),
      outer(k_major ? rows : row_length),
      k(k_major ? row_length : rows),
      padded(int(divide_up(k, 4) * 4)),
      k_major(k_major),
      copied(call.scratch(size_t(operand.size() / (int64_t(outer) * k) * outer * padded) * sizeof(float))) {}

void KMajor::make(const Frame& frame) const {
  const int64_t blocks = operand.size() / (int64_t(outer) * k) * divide_up(outer, edge) * divide_up(padded, edge);
  launch(frame, {.grid = dim3(unsigned(blocks)), .block = dim3(edge, threads_k)}, make_k_major, frame.at<const float>(operand),
         frame.at<float>(copied), outer, k, padded, k_major);
}

}  // namespace weft::cuda
