// Operands of matrix products made ready for asynchronous copies: rows padded to 16 bytes, float32 as bfloat16 planes.
// One thread per four elements of a padded row; bound by memory, so it pays where the product reads each element many
// times.
#include "matmul.h"

namespace weft::cuda {
namespace {

/**
 * The planes of one number: the nearest bfloat16, the nearest to what is left, and so on; infinity and NaN leave NaN.
 */
template <class From, class To, int planes>
__global__ void __launch_bounds__(256) make_planes(const From* from, To* to, int64_t rows, int row_length, int padded) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i >= rows * padded) return;
  const int64_t row = i / padded;
  const int column = int(i % padded);
  const From* const at = from + row * row_length + column;
  float x[4] = {};
  if (row_length % 4 == 0 && column < row_length) {
    const Pack<From, 4> four = load_pack<4>(at);
    for (int e = 0; e < 4; e++) x[e] = widen(four.at[e]);
  } else
    for (int e = 0; e < 4; e++)
      if (column + e < row_length) x[e] = widen(at[e]);
#pragma unroll
  for (int plane = 0; plane < planes; plane++) {
    Pack<To, 4> result;
#pragma unroll
    for (int e = 0; e < 4; e++) {
      result.at[e] = narrow<To>(x[e]);
      if constexpr (planes > 1) {
        // the largest finite numbers would round to infinity
        if (fabsf(widen(result.at[e])) == INFINITY && fabsf(x[e]) < INFINITY)
          result.at[e].bits = uint16_t(std::bit_cast<uint32_t>(x[e]) >> 16);
        x[e] -= widen(result.at[e]);
      }
    }
    store_pack(to + plane * rows * padded + i, result);
  }
}

}  // namespace

int64_t Planes::bytes(const View& operand, int row_length, int planes) {
  if (operand.dtype != DType::float32 && row_length % 8 == 0) return 0;
  return operand.size() / std::max(row_length, 1) * divide_up(row_length, 8) * 8 * planes * 2;
}

Planes::Planes(Call& call, const View& operand, int, int row_length, bool, int planes)
    : operand(operand), row_length(row_length), planes(planes), padded(int(divide_up(row_length, 8) * 8)) {
  const int64_t needed = bytes(operand, row_length, planes);
  if (needed > 0) copied = call.scratch(size_t(needed));
}

void Planes::make(const Frame& frame) const {
  if (!copied.used()) return;
  const int64_t rows = operand.size() / row_length;
  const Shape shape{.grid = dim3(unsigned(divide_up(rows * padded, 1024))), .block = dim3(256)};
  const auto start = [&]<class From, class To>(void (*kernel)(const From*, To*, int64_t, int, int)) {
    launch(frame, shape, kernel, frame.at<const From>(operand), frame.at<To>(copied), rows, row_length, padded);
  };
  if (operand.dtype == DType::bfloat16) start(make_planes<BFloat16, BFloat16, 1>);
  else if (operand.dtype == DType::float16) start(make_planes<Float16, Float16, 1>);
  else if (planes == 1) start(make_planes<float, BFloat16, 1>);
  else start(make_planes<float, BFloat16, 3>);
}

}  // namespace weft::cuda
