// int8Dense. Rows of floats become bytes in scratch memory, a block a row. Then a thread sums one column of four rows,
// four products at a time (dp4a): the threads of a warp read neighbouring columns of the weights and the same bytes of
// the rows.
#include "quantized.cuh"

namespace weft::cuda {
namespace {

constexpr int rows_of_thread = 4, panel_columns = 16;

/** Rows of k values become rows of `pitch` bytes; the range of each is found where `range` has none. */
template <class T>
__global__ void __launch_bounds__(256)
    make_rows(const T* x, uint8_t* to, QuantizedRange* ranges, QuantizedRange range, int64_t k, int64_t pitch) {
  WEFT_SHARED(float, scratch, [32]);
  const T* row = x + int64_t(blockIdx.x) * k;
  uint8_t* own = to + int64_t(blockIdx.x) * pitch;
  if (range.scale == 0) {
    float low = 0, high = 0, spread = 0;
    for (int64_t i = threadIdx.x; i < k; i += blockDim.x) {
      const float v = float(row[i]);
      low = v < low ? v : low, high = v > high ? v : high;
      spread += v - v;  // 0, or NaN
    }
    low = block_reduce(low, 0.0f, scratch, Min()), high = block_reduce(high, 0.0f, scratch, Max());
    spread = block_reduce(spread, 0.0f, scratch, Sum());
    range = {(high - low) / 255.0f + spread, 0};
    if (range.scale == 0) range.scale = 1;
    else if (!(range.scale < infinity)) range.scale = __int_as_float(0x7fc00000);
    else range.zero = __float2int_rn(fminf(255.0f, fmaxf(0.0f, -low / range.scale)));
  }
  if (threadIdx.x == 0) ranges[blockIdx.x] = range;
  for (int64_t i = threadIdx.x; i < pitch; i += blockDim.x) {
    int32_t q = 0;
    if (i < k) {
      if constexpr (sizeof(T) == 1) q = row[i];
      else q = quantized(row[i], range.scale, range.zero, 0);
    }
    own[i] = uint8_t(q);
  }
}

__global__ void __launch_bounds__(256) multiply_rows(const uint8_t* rows, const QuantizedRange* ranges, const int8_t* w, bool packed,
                                                     void* y, int64_t m, int64_t n, int64_t k, ByteFinish finish) {
  const int64_t j = own_element(), first = int64_t(blockIdx.y) * rows_of_thread;
  if (j >= n) return;
  const int64_t quads = (k + 3) / 4;
  const uint32_t* panel = reinterpret_cast<const uint32_t*>(w) + j / panel_columns * quads * panel_columns + j % panel_columns;
  int32_t sum[rows_of_thread] = {}, of_column = 0;
  for (int64_t q = 0; q < quads; q++) {
    uint32_t weights = 0;
    if (packed) weights = panel[q * panel_columns];
    else
      for (int i = 0; i < 4; i++)
        if (4 * q + i < k) weights |= uint32_t(uint8_t(w[(4 * q + i) * n + j])) << (8 * i);
    of_column = add_products(0x01010101u, weights, of_column);
#pragma unroll
    for (int r = 0; r < rows_of_thread; r++)
      if (first + r < m) sum[r] = add_products(reinterpret_cast<const uint32_t*>(rows)[(first + r) * quads + q], weights, sum[r]);
  }
#pragma unroll
  for (int r = 0; r < rows_of_thread; r++)
    if (first + r < m) {
      const QuantizedRange range = ranges[first + r];
      finish.store(sum[r] - range.zero * of_column, range.scale, j, y, (first + r) * n + j);
    }
}

KERNEL(cuda, int8Dense) {
  const View x = call.in[0], w = call.in[1], scale = call.in[2], y = call.out[0];
  const View bias = call.in.size() > 3 ? call.in[3] : View{};
  const int64_t m = x.dim(0), k = x.dim(1), n = call.attrs.integer("units"), pitch = divide_up(k, 4) * 4;
  require(divide_up(m, rows_of_thread) < 65536, "ERR_SHAPE", "int8Dense: the GPU takes fewer than 262144 rows, got ", m);
  const ByteFinish finish(call);
  const bool packed = w.rank() == 4, of_bytes = x.dtype == DType::uint8;
  call.flops = 2.0 * double(m) * double(n) * double(k);
  if (m * n == 0) return [](const Frame&) {};
  const View rows = call.scratch(size_t(m * pitch)), ranges = call.scratch(size_t(m) * sizeof(QuantizedRange));
  return [=](const Frame& frame) {
    const Shape blocks{.grid = dim3(unsigned(m)), .block = dim3(128)};
    uint8_t* bytes = frame.at<uint8_t>(rows);
    QuantizedRange* own = frame.at<QuantizedRange>(ranges);
    if (of_bytes) launch(frame, blocks, make_rows<uint8_t>, frame.at<const uint8_t>(x), bytes, own, finish.input, k, pitch);
    else launch(frame, blocks, make_rows<float>, frame.at<const float>(x), bytes, own, finish.input, k, pitch);
    Shape shape = shape_for(n);
    shape.grid.y = unsigned(divide_up(m, rows_of_thread));
    launch(frame, shape, multiply_rows, bytes, own, frame.at<const int8_t>(w), packed, frame.at<void>(y), m, n, k,
           finish.at(frame, scale, bias));
  };
}

}  // namespace
}  // namespace weft::cuda
