// gather along an axis and gatherAlong along the last one. A thread copies one unit of a row, as wide (up to 16 bytes)
// as the rows allow; neighbouring threads copy neighbouring units. An index out of range is a fault and counts as 0.
#include "strided.cuh"

namespace weft::cuda {
namespace {

/** A unit of zero bits. */
template <class T> __device__ __forceinline__ T nothing() {
  T zero;
  memset(&zero, 0, sizeof zero);
  return zero;
}

/** Where a launch works: rows of the output from `first` on, which it counts with 32 bits. */
struct GatherRows {
  int64_t first, n, count;  // n: rows to choose from; count: indices
  Divider width;            // units of a row
  uint32_t units;           // of the launch
};

/** [outer, n, width] and indices [count] to [outer, count, width], in units of T. */
template <class T>
__global__ void __launch_bounds__(256)
    gather_rows(const T* from, const int32_t* indices, T* to, GatherRows rows, Fault* fault, int32_t call) {
  uint32_t column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= rows.units) return;
  const int64_t row = rows.first + rows.width.split(column), outer = row < rows.count ? 0 : row / rows.count;
  int64_t index = indices[row - outer * rows.count];
  if (uint64_t(index) >= uint64_t(rows.n)) {
    if (column == 0) raise(fault, call, index);
    index = 0;
  }
  const int64_t width = rows.width.divisor;
  to[row * width + column] = rows.n == 0 ? nothing<T>() : from[(outer * rows.n + index) * width + column];
}

/** Rows of n and of `count` elements. */
template <class T>
__global__ void __launch_bounds__(256)
    gather_along(const T* from, const int32_t* indices, T* to, int64_t n, int64_t count, int64_t size, Fault* fault, int32_t call) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= size) return;
  const int64_t row = size < (int64_t(1) << 31) ? uint32_t(i) / uint32_t(count) : i / count;
  int64_t index = indices[i];
  if (uint64_t(index) >= uint64_t(n)) {
    raise(fault, call, index);
    index = 0;
  }
  to[i] = n == 0 ? nothing<T>() : from[row * n + index];
}

template <class T> Step bind_gather(const View& x, const View& indices, const View& out, int64_t outer, int64_t n, int64_t width) {
  const int64_t count = indices.size(), rows = outer * count, most = std::max<int64_t>(1, most_elements / std::max<int64_t>(1, width));
  require(width < most_elements, "ERR_SHAPE", "gather: a row is too large");
  return [=](const Frame& frame) {
    if (width == 0) return;
    for (int64_t first = 0; first < rows; first += most) {
      const int64_t units = std::min(most, rows - first) * width;
      const unsigned block = block_for(units);
      launch(frame, {.grid = dim3(unsigned(divide_up(units, block))), .block = dim3(block)}, gather_rows<T>, frame.at<T>(x),
             frame.at<int32_t>(indices), frame.at<T>(out), GatherRows{first, n, count, Divider(width), uint32_t(units)}, frame.fault,
             frame.call);
    }
  };
}

KERNEL(cuda, gather) {
  call.raises = true;
  const View x = call.in[0], indices = call.in[1], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis);
  const int64_t bytes = product(x.dims, size_t(axis) + 1) * int64_t(size_of(x.dtype));
  int64_t unit = 16;
  while (bytes % unit != 0) unit /= 2;
  switch (unit) {
    case 1: return bind_gather<uint8_t>(x, indices, out, outer, n, bytes);
    case 2: return bind_gather<uint16_t>(x, indices, out, outer, n, bytes / 2);
    case 4: return bind_gather<uint32_t>(x, indices, out, outer, n, bytes / 4);
    case 8: return bind_gather<uint64_t>(x, indices, out, outer, n, bytes / 8);
    default: return bind_gather<Pack<uint64_t, 2>>(x, indices, out, outer, n, bytes / 16);
  }
}

KERNEL(cuda, gatherAlong) {
  call.raises = true;
  const View x = call.in[0], indices = call.in[1], out = call.out[0];
  return by_size(x.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      const unsigned block = block_for(out.size());
      launch(frame, {.grid = dim3(unsigned(divide_up(out.size(), block))), .block = dim3(block)}, gather_along<T>, frame.at<T>(x),
             frame.at<int32_t>(indices), frame.at<T>(out), x.dim(-1), out.dim(-1), out.size(), frame.fault, frame.call);
    };
  });
}

}  // namespace
}  // namespace weft::cuda
