// Random numbers: uniform, normal, truncated normal, integers and coin flips. A thread computes one Philox block, which
// serves four neighbouring elements. Integers and double precision with one rounding per operation: bits are equal to
// the CPU's on every device.
#include "normal.cuh"

namespace weft::cuda {
namespace {

/** Writes the four elements of this thread's block. */
template <class T> __device__ __forceinline__ void write(T* to, int64_t block, int64_t n, const T (&value)[4]) {
  const int64_t i = block * 4;
  if (i + 4 <= n && aligned(to, 4 * sizeof(T))) {
    Pack<T, 4> pack;
#pragma unroll
    for (int e = 0; e < 4; e++) pack.at[e] = value[e];
    store_pack(to + i, pack);
  } else {
#pragma unroll
    for (int e = 0; e < 4; e++)
      if (i + e < n) to[i + e] = value[e];
  }
}

__device__ __forceinline__ int64_t block_of_thread() { return int64_t(blockIdx.x) * blockDim.x + threadIdx.x; }

/** low + u·span, at most `last`. The span is a float, so that the product is exact in double. */
__global__ void __launch_bounds__(256) draw_uniform(const int32_t* state, int64_t n, float* to, double low, double span, float last) {
  const int64_t block = block_of_thread();
  if (block * 4 >= n) return;
  const Words words = philox(state, uint64_t(block), 0);
  float y[4];
#pragma unroll
  for (int e = 0; e < 4; e++) {
    const float value = float(__dadd_rn(low, __dmul_rn(double(uniform(words.at[e])), span)));
    y[e] = value < last ? value : last;
  }
  write(to, block, n, y);
}

/** A normal number within 2 deviations: the element's words of later attempts, until one fits. */
__device__ inline double redraw(const int32_t* state, uint64_t block, int element) {
  for (uint32_t attempt = 1;; attempt++) {
    double z[4];
    normals(philox(state, block, attempt), z);
    double value = z[0];
#pragma unroll
    for (int e = 1; e < 4; e++) value = element == e ? z[e] : value;
    if (fabs(value) <= 2) return value;
  }
}

/** mean + deviation·z, each operation rounded by itself. */
template <class T>
__global__ void __launch_bounds__(256) draw_normal(const int32_t* state, int64_t n, T* to, double mean, double deviation, bool truncated) {
  const int64_t block = block_of_thread();
  if (block * 4 >= n) return;
  double z[4];
  normals(philox(state, uint64_t(block), 0), z);
  T y[4];
#pragma unroll
  for (int e = 0; e < 4; e++) {
    if (truncated && fabs(z[e]) > 2) z[e] = redraw(state, uint64_t(block), e);
    y[e] = narrow<T>(float(__dadd_rn(__dmul_rn(z[e], deviation), mean)));
  }
  write(to, block, n, y);
}

/** The high half of word·range: every value of a range below 2^32 can occur. */
__global__ void __launch_bounds__(256) draw_integer(const int32_t* state, int64_t n, int32_t* to, int64_t low, uint64_t range) {
  const int64_t block = block_of_thread();
  if (block * 4 >= n) return;
  const Words words = philox(state, uint64_t(block), 0);
  int32_t y[4];
#pragma unroll
  for (int e = 0; e < 4; e++) y[e] = int32_t(low + int64_t((words.at[e] * range) >> 32));
  write(to, block, n, y);
}

__global__ void __launch_bounds__(256) flip_coins(const int32_t* state, int64_t n, uint8_t* to, uint32_t bound) {
  const int64_t block = block_of_thread();
  if (block * 4 >= n) return;
  const Words words = philox(state, uint64_t(block), 0);
  uint8_t y[4];
#pragma unroll
  for (int e = 0; e < 4; e++) y[e] = words.at[e] >> 8 < bound;
  write(to, block, n, y);
}

Step bind_normal(const Call& call, bool truncated) {
  const View state = call.in[0], out = call.out[0];
  const double mean = call.attrs.number("mean"), deviation = call.attrs.number("deviation");
  return dispatch<float, Float16, BFloat16>(out.dtype, [&]<class T>() -> Step {
    return
        [=](const Frame& frame) { launch_words(frame, state, out.size(), draw_normal<T>, frame.at<T>(out), mean, deviation, truncated); };
  });
}

KERNEL(cuda, randomUniform) {
  const View state = call.in[0], out = call.out[0];
  const double low = call.attrs.number("low"), high = call.attrs.number("high"), span = double(float(high - low));
  require(out.dtype == DType::float32, "ERR_DTYPE", "randomUniform: ", name_of(out.dtype), " is not supported");
  const float last = std::nextafter(float(high), float(low));  // rounding must not reach `high`
  return [=](const Frame& frame) { launch_words(frame, state, out.size(), draw_uniform, frame.at<float>(out), low, span, last); };
}

KERNEL(cuda, randomNormal) { return bind_normal(call, false); }
KERNEL(cuda, truncatedNormal) { return bind_normal(call, true); }

KERNEL(cuda, randomInteger) {
  const View state = call.in[0], out = call.out[0];
  const int64_t low = call.attrs.integer("low"), high = call.attrs.integer("high");
  const uint64_t range = high > low ? uint64_t(high - low) : 1;
  return [=](const Frame& frame) { launch_words(frame, state, out.size(), draw_integer, frame.at<int32_t>(out), low, range); };
}

KERNEL(cuda, bernoulli) {
  const View state = call.in[0], out = call.out[0];
  const uint32_t bound = uniform_bound(call.attrs.number("p"));
  return [=](const Frame& frame) { launch_words(frame, state, out.size(), flip_coins, frame.at<uint8_t>(out), bound); };
}

}  // namespace
}  // namespace weft::cuda
