// dropout: elements whose uniform number is below the rate become 0, the others are scaled by 1 / (1 - rate). A thread
// computes one Philox block and applies it to four neighbouring elements, so that the mask is never in memory.
#include "philox.cuh"
#include "storage.cuh"

namespace weft::cuda {
namespace {

__global__ void __launch_bounds__(256)
    drop(const int32_t* state, int64_t n, const void* from, void* to, Kind kind, float scale, uint32_t bound, bool packed) {
  const int64_t block = int64_t(blockIdx.x) * blockDim.x + threadIdx.x, i = block * 4;
  if (i >= n) return;
  if (packed && i + 4 <= n) {
    Raw<float> raw;
    raw.fetch(from, i, kind);
    const Words words = philox(state, uint64_t(block), 0);
    float x[4];
    raw.four(x, kind);
#pragma unroll
    for (int e = 0; e < 4; e++) x[e] = words.at[e] >> 8 >= bound ? x[e] * scale : 0.0f;
    put_four(to, i, x, kind);
  } else {
    const Words words = philox(state, uint64_t(block), 0);
#pragma unroll
    for (int e = 0; e < 4; e++) {
      if (i + e >= n) break;
      Raw<float> raw;
      raw.fetch_one(from, i + e, kind);
      put_one(to, i + e, words.at[e] >> 8 >= bound ? raw.one(kind) * scale : 0.0f, kind);
    }
  }
}

KERNEL(cuda, dropout) {
  const View x = call.in[0], state = call.in[1], out = call.out[0];
  const double rate = call.attrs.number("rate");
  require(is_float(x.dtype), "ERR_DTYPE", "dropout: ", name_of(x.dtype), " is not supported");
  const float scale = float(1 / (1 - rate));
  const uint32_t bound = uniform_bound(rate);
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    const void* from = frame.at<void>(x);
    void* to = frame.at<void>(out);
    const bool packed = aligned(from, 4 * size_of(x.dtype)) && aligned(to, 4 * size_of(out.dtype));
    launch_words(frame, state, out.size(), drop, from, to, kind_of(x.dtype), scale, bound, packed);
  };
}

}  // namespace
}  // namespace weft::cuda
