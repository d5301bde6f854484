// oneHot: a row of `off` with `on` at the index; an index out of range gives a row of `off`. A thread writes four
// neighbouring elements.
#include "creation.cuh"
#include "strided.cuh"

namespace weft::cuda {
namespace {

template <class T>
__global__ void __launch_bounds__(256) mark_indices(const int32_t* indices, T* to, int64_t depth, int64_t size, T on, T off, bool packed) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i >= size) return;
  int64_t row = size < (int64_t(1) << 31) ? uint32_t(i) / uint32_t(depth) : i / depth, column = i - row * depth;
  const int count = size - i < 4 ? int(size - i) : 4;
  int64_t index = indices[row];
  Pack<T, 4> pack;
#pragma unroll
  for (int e = 0; e < 4; e++) {
    pack.at[e] = column == index ? on : off;
    if (++column == depth && e + 1 < count) {
      column = 0;
      index = indices[++row];
    }
  }
  if (packed && count == 4) {
    store_pack(to + i, pack);
  } else {
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (e < count) to[i + e] = pack.at[e];
  }
}

KERNEL(cuda, oneHot) {
  const View indices = call.in[0], out = call.out[0];
  uint64_t on = 0, off = 0;
  write_element(out.dtype, call.attrs.number("on"), &on);
  write_element(out.dtype, call.attrs.number("off"), &off);
  return by_size(out.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      const int64_t threads = divide_up(out.size(), 4);
      const unsigned block = block_for(threads);
      T* to = frame.at<T>(out);
      launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, mark_indices<T>, frame.at<int32_t>(indices),
             to, out.dim(-1), out.size(), T(on), T(off), aligned(to, 4 * sizeof(T)));
    };
  });
}

}  // namespace
}  // namespace weft::cuda
