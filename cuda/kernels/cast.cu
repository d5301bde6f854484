// cast and identity. Four neighbouring elements per thread, as packs; both run at the speed of memory.
#include "convert.cuh"
#include "strided.cuh"

namespace weft::cuda {
namespace {

template <class P>
__global__ void __launch_bounds__(256) convert(const void* from, DType source, void* to, DType target, int64_t n, bool packed) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i < n) convert_four<P>(from, i, source, to, i, target, n - i < 4 ? int(n - i) : 4, packed);
}

KERNEL(cuda, identity) { return copy_broadcast(call); }

KERNEL(cuda, cast) {
  const View x = call.in[0], out = call.out[0];
  if (x.dtype == out.dtype) return copy_broadcast(call);
  if (out.dtype == DType::float64) throw Error("ERR_DTYPE", "cast: float64 is not supported");
  if (size_of(x.dtype) == size_of(out.dtype)) call.in_place(0, 0);
  return by_passage(x.dtype, [&]<class P>() -> Step {
    return [=](const Frame& frame) {
      const int64_t n = out.size(), threads = divide_up(n, 4);
      const unsigned block = block_for(threads);
      const void* from = frame.at<void>(x);
      void* to = frame.at<void>(out);
      const bool packed = aligned(from, 4 * size_of(x.dtype)) && aligned(to, 4 * size_of(out.dtype));
      launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, convert<P>, from, x.dtype, to, out.dtype, n,
             packed);
    };
  });
}

}  // namespace
}  // namespace weft::cuda
