// groupedDense. A thread sums a column of four rows: the threads of a warp read neighbouring weights, which are the
// most of what is read, once for the four rows, and the same values of x.
#include "quantized.cuh"

namespace weft::cuda {
namespace {

constexpr int rows_of_thread = 4;

template <int bits>
__global__ void __launch_bounds__(256) multiply_groups(const float* x, const uint8_t* w, const float* scale, const float* bias, float* y,
                                                       int64_t m, int64_t n, int64_t k, int64_t group) {
  const int64_t j = own_element(), first = int64_t(blockIdx.y) * rows_of_thread;
  if (j >= n) return;
  float total[rows_of_thread];
#pragma unroll
  for (int r = 0; r < rows_of_thread; r++) total[r] = bias ? bias[j] : 0.0f;
  for (int64_t begin = 0; begin < k; begin += group) {
    float sum[rows_of_thread] = {};
    const int64_t end = k < begin + group ? k : begin + group;
    for (int64_t p = begin; p < end; p++) {
      const float weight = bits == 8 ? float(int8_t(w[p * n + j])) : float(int32_t(w[p / 2 * n + j] >> (p % 2 * 4) & 15) - 8);
#pragma unroll
      for (int r = 0; r < rows_of_thread; r++)
        if (first + r < m) sum[r] = fmaf(x[(first + r) * k + p], weight, sum[r]);
    }
    const float own = scale[begin / group * n + j];
#pragma unroll
    for (int r = 0; r < rows_of_thread; r++) total[r] = fmaf(sum[r], own, total[r]);
  }
#pragma unroll
  for (int r = 0; r < rows_of_thread; r++)
    if (first + r < m) y[(first + r) * n + j] = total[r];
}

KERNEL(cuda, groupedDense) {
  const View x = call.in[0], w = call.in[1], scale = call.in[2], y = call.out[0];
  const View bias = call.in.size() > 3 ? call.in[3] : View{};
  const int64_t m = x.dim(0), k = x.dim(1), n = call.attrs.integer("units"), group = call.attrs.integer("groupSize");
  const bool four = call.attrs.integer("bits") == 4;
  require(divide_up(m, rows_of_thread) < 65536, "ERR_SHAPE", "groupedDense: the GPU takes fewer than 262144 rows, got ", m);
  call.flops = 2.0 * double(m) * double(n) * double(k);
  if (m * n == 0) return [](const Frame&) {};
  return [=](const Frame& frame) {
    Shape shape = shape_for(n);
    shape.grid.y = unsigned(divide_up(m, rows_of_thread));
    launch(frame, shape, four ? multiply_groups<4> : multiply_groups<8>, frame.at<const float>(x), frame.at<const uint8_t>(w),
           frame.at<const float>(scale), bias.used() ? frame.at<const float>(bias) : nullptr, frame.at<float>(y), m, n, k, group);
  };
}

}  // namespace
}  // namespace weft::cuda
