// fill, arange and eye. A thread writes packs of four neighbouring elements.
#include "creation.cuh"

#include "strided.cuh"

namespace weft::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(256) set_units(T* to, int64_t units, T value) {
  const int64_t first = int64_t(blockIdx.x) * blockDim.x * 4 + threadIdx.x;
#pragma unroll
  for (int u = 0; u < 4; u++) {
    const int64_t i = first + int64_t(u) * blockDim.x;
    if (i < units) to[i] = value;
  }
}

template <class T> void set(const Frame& frame, void* to, int64_t units, const void* pattern) {
  T value;
  std::memcpy(&value, pattern, sizeof value);
  const int64_t threads = divide_up(units, 4);
  const unsigned block = block_for(threads);
  launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, set_units<T>, static_cast<T*>(to), units, value);
}

template <class T> __global__ void __launch_bounds__(256) count_up(T* to, int64_t n, double start, double step) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) to[i] = saturated<T>(start + double(i) * step);
}

template <class T>
__global__ void __launch_bounds__(256) set_diagonal(T* to, int64_t rows, int64_t columns, int64_t offset, T one, T zero) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= rows * columns) return;
  const int64_t row = i / columns;
  to[i] = i - row * columns == row + offset ? one : zero;
}

}  // namespace

void fill(const Frame& frame, DType dtype, void* to, int64_t n, double value) {
  const size_t element = size_of(dtype), bytes = size_t(n) * element;
  Pack<uint64_t, 2> pattern;
  for (size_t at = 0; at < 16; at += element) write_element(dtype, value, reinterpret_cast<char*>(&pattern) + at);
  if (pattern.at[0] == 0 && pattern.at[1] == 0) return clear(frame, to, bytes);
  if (aligned(to, 16)) {
    set<Pack<uint64_t, 2>>(frame, to, int64_t(bytes / 16), &pattern);
    to = static_cast<char*>(to) + bytes / 16 * 16;
    n = int64_t(bytes % 16 / element);
  }
  switch (element) {
    case 1: return set<uint8_t>(frame, to, n, &pattern);
    case 2: return set<uint16_t>(frame, to, n, &pattern);
    case 4: return set<uint32_t>(frame, to, n, &pattern);
    default: return set<uint64_t>(frame, to, n, &pattern);
  }
}

KERNEL(cuda, fill) {
  const View out = call.out[0];
  const double value = call.attrs.number("value");
  char element[8];
  write_element(out.dtype, value, element);  // an unsupported dtype is an error here, not in the Step
  return [=](const Frame& frame) { fill(frame, out.dtype, frame.at<void>(out), out.size(), value); };
}

KERNEL(cuda, arange) {
  const View out = call.out[0];
  const double start = call.attrs.number("start"), step = call.attrs.number("step");
  return dispatch<uint8_t, int32_t, Float16, BFloat16, float>(out.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      const unsigned block = block_for(out.size());
      launch(frame, {.grid = dim3(unsigned(divide_up(out.size(), block))), .block = dim3(block)}, count_up<T>, frame.at<T>(out), out.size(),
             start, step);
    };
  });
}

KERNEL(cuda, eye) {
  const View out = call.out[0];
  const int64_t offset = call.attrs.integer("offset"), rows = out.dim(0), columns = out.dim(1);
  uint64_t one = 0;
  require(out.dtype != DType::boolean, "ERR_DTYPE", "eye: bool is not supported");
  write_element(out.dtype, 1, &one);
  return by_size(out.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      const unsigned block = block_for(out.size());
      launch(frame, {.grid = dim3(unsigned(divide_up(out.size(), block))), .block = dim3(block)}, set_diagonal<T>, frame.at<T>(out), rows,
             columns, offset, T(one), T(0));
    };
  });
}

}  // namespace weft::cuda
