// The largest and smallest of floats over the ranks. NCCL says nothing of NaN among them, and of -0 beside 0; so what
// it compares are keys: int32 numbers in the order of the floats, at whose ends NaN stands, which wins on every rank. A
// thread takes every so many elements. Made for a few values, as the states of metrics are.
#include <bit>
#include <limits>

#include "nccl_collectives.cuh"

namespace weft::cuda {
namespace {

constexpr unsigned threads = 256;

/** Negative floats have the bits of their size: turned over, they are in order. */
__device__ int32_t in_order(int32_t bits) { return bits < 0 ? bits ^ 0x7fffffff : bits; }

template <class T> __global__ void __launch_bounds__(threads) keys_of(const T* values, int32_t* keys, int64_t count, int32_t nan) {
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < count; i += int64_t(gridDim.x) * threads) {
    const float x = widen(values[i]);
    keys[i] = x != x ? nan : in_order(std::bit_cast<int32_t>(x));
  }
}

template <class T> __global__ void __launch_bounds__(threads) values_of(const int32_t* keys, T* values, int64_t count, int32_t nan) {
  for (int64_t i = int64_t(blockIdx.x) * threads + threadIdx.x; i < count; i += int64_t(gridDim.x) * threads)
    values[i] = narrow<T>(std::bit_cast<float>(keys[i] == nan ? 0x7fc00000 : in_order(keys[i])));
}

dim3 blocks_for(int64_t count) { return dim3(unsigned(std::min<int64_t>(divide_up(count, threads), 1024))); }

}  // namespace

bool needs_keys(const std::string& reduce, DType dtype) {
  return reduce != "sum" && (dtype == DType::float32 || dtype == DType::bfloat16 || dtype == DType::float16);
}

Step reduced_by_keys(Call& call, const std::string& what, const std::string& reduce, Reduction reduction) {
  const View in = call.in[0], out = call.out[0];
  const View given = call.scratch(size_t(in.size()) * sizeof(int32_t)), taken = call.scratch(size_t(out.size()) * sizeof(int32_t));
  const int32_t nan = reduce == "max" ? std::numeric_limits<int32_t>::max() : std::numeric_limits<int32_t>::min();
  return dispatch<float, BFloat16, Float16>(in.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      NcclWorld& world = nccl_world();
      int32_t* const mine = frame.at<int32_t>(given);
      int32_t* const all = frame.at<int32_t>(taken);
      launch(frame, {.grid = blocks_for(in.size()), .block = dim3(threads)}, keys_of<T>, frame.at<T>(in), mine, in.size(), nan);
      world.enqueue(stream_of(frame), what, [&](cudaStream_t stream) { reduction(mine, all, nccl_type(DType::int32), stream); });
      world.join(stream_of(frame));
      look_for_loss(frame);
      launch(frame, {.grid = blocks_for(out.size()), .block = dim3(threads)}, values_of<T>, all, frame.at<T>(out), out.size(), nan);
    };
  });
}

}  // namespace weft::cuda
