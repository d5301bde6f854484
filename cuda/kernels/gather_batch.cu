// takeBatch: the rows of the next batch, found through a permutation and converted to the dtype of the model's input on
// the way. A thread copies one unit of a row, up to 16 bytes, or converts four neighbouring elements.
#include "convert.cuh"
#include "strided.cuh"

namespace weft::cuda {
namespace {

/** The batch: which rows, of how many units. */
struct Batch {
  const int32_t *permutation, *cursor;
  int64_t rows, places;
  Divider width;   // units of a row
  uint32_t units;  // of the batch
};

/** The row of x that an element of the batch comes from; a place or row out of range is a fault and counts as row 0. */
__device__ __forceinline__ int64_t source_row(const Batch& batch, uint32_t i, bool reports, Fault* fault, int32_t call) {
  const int64_t place = int64_t(*batch.cursor) + i;
  const bool known = place >= 0 && place < batch.places;
  const int64_t row = known ? batch.permutation[place] : -1;
  if (row >= 0 && row < batch.rows) return row;
  if (reports) raise(fault, call, known ? row : place);
  return 0;
}

template <class T> __global__ void __launch_bounds__(256) take_rows(const T* from, T* to, Batch batch, Fault* fault, int32_t call) {
  uint32_t column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= batch.units) return;
  const uint32_t i = batch.width.split(column);
  const int64_t row = source_row(batch, i, column == 0, fault, call), width = batch.width.divisor;
  T value;
  if (batch.rows == 0) memset(&value, 0, sizeof value);
  else value = from[row * width + column];
  to[i * width + column] = value;
}

/** n: elements of a row; a unit is four of them, the last one of a row what is left. */
template <class P>
__global__ void __launch_bounds__(256)
    convert_rows(const void* from, DType source, void* to, DType target, int64_t n, bool packed, Batch batch, Fault* fault, int32_t call) {
  uint32_t column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= batch.units) return;
  const uint32_t i = batch.width.split(column);
  const int64_t row = source_row(batch, i, column == 0, fault, call), first = int64_t(column) * 4;
  const int count = n - first < 4 ? int(n - first) : 4;
  if (batch.rows > 0) {
    convert_four<P>(from, row * n + first, source, to, i * n + first, target, count, packed);
  } else {
    with_target<P>(target, [&]<class To>(To) {
      for (int e = 0; e < count; e++) static_cast<To*>(to)[i * n + first + e] = converted<To>(P(0));
    });
  }
}

Batch batch_of(const View& x, const View& permutation, const View& out, int64_t width) {
  const int64_t units = out.dim(0) * width;
  require(units < (int64_t(1) << 31), "ERR_SHAPE", "takeBatch: the batch is too large");
  return {nullptr, nullptr, x.dim(0), permutation.size(), Divider(width), uint32_t(units)};
}

template <class T> Step bind_copy(const Call& call, int64_t width) {
  const View x = call.in[0], permutation = call.in[1], cursor = call.in[2], out = call.out[0];
  return [=, batch = batch_of(x, permutation, out, width)](const Frame& frame) mutable {
    batch.permutation = frame.at<int32_t>(permutation);
    batch.cursor = frame.at<int32_t>(cursor);
    const unsigned block = block_for(batch.units);
    launch(frame, {.grid = dim3(unsigned(divide_up(batch.units, block))), .block = dim3(block)}, take_rows<T>, frame.at<T>(x),
           frame.at<T>(out), batch, frame.fault, frame.call);
  };
}

KERNEL(cuda, takeBatch) {
  call.raises = true;
  const View x = call.in[0], permutation = call.in[1], cursor = call.in[2], out = call.out[0];
  const int64_t n = product(x.dims, 1), bytes = n * int64_t(size_of(x.dtype));
  if (x.dtype == out.dtype) {
    int64_t unit = 16;
    while (bytes % unit != 0) unit /= 2;
    switch (unit) {
      case 1: return bind_copy<uint8_t>(call, bytes);
      case 2: return bind_copy<uint16_t>(call, bytes / 2);
      case 4: return bind_copy<uint32_t>(call, bytes / 4);
      case 8: return bind_copy<uint64_t>(call, bytes / 8);
      default: return bind_copy<Pack<uint64_t, 2>>(call, bytes / 16);
    }
  }
  require(out.dtype != DType::float64, "ERR_DTYPE", "takeBatch: float64 is not supported");
  return by_passage(x.dtype, [&]<class P>() -> Step {
    return [=, batch = batch_of(x, permutation, out, divide_up(n, 4))](const Frame& frame) mutable {
      batch.permutation = frame.at<int32_t>(permutation);
      batch.cursor = frame.at<int32_t>(cursor);
      const void* from = frame.at<void>(x);
      void* to = frame.at<void>(out);
      const bool packed = n % 4 == 0 && aligned(from, 4 * size_of(x.dtype)) && aligned(to, 4 * size_of(out.dtype));
      const unsigned block = block_for(batch.units);
      launch(frame, {.grid = dim3(unsigned(divide_up(batch.units, block))), .block = dim3(block)}, convert_rows<P>, from, x.dtype, to,
             out.dtype, n, packed, batch, frame.fault, frame.call);
    };
  });
}

}  // namespace
}  // namespace weft::cuda
