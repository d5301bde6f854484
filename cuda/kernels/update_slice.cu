// updateSlice and dynamicSlice: a part of one axis that begins where a number in the device's memory says. Tensors are
// seen as [outer, chunk], chunk being the axis and all after it; a thread moves one unit, as wide (up to 16 bytes) as
// the axes after it allow. An update in place touches only the part.
#include "strided.cuh"

namespace weft::cuda {
namespace {

/**
 * [outer, whole] and [outer, part] in units; the part may begin at 0 ... last along the axis, whose elements are
 * `width` units.
 */
struct Part {
  int64_t whole, part, width, last;
  Divider divider;  // of the extent that the launch counts, where 32 bits are enough for it
  int64_t units;    // of the launch
};

/** Splits a unit of a launch into its row, which is returned, and its place there. */
__device__ __forceinline__ int64_t split(const Part& part, int64_t extent, int64_t& unit) {
  const int64_t row = part.units < (int64_t(1) << 31) ? part.divider.divide(uint32_t(unit)) : unit / extent;
  unit -= row * extent;
  return row;
}

/** Where the part begins, in units; the nearest legal place for a start that is none. */
__device__ __forceinline__ int64_t begin_of(const Part& part, int64_t start) {
  return (start < 0 ? 0 : start > part.last ? part.last : start) * part.width;
}
__device__ __forceinline__ bool legal(const Part& part, int64_t start) { return start >= 0 && start <= part.last; }

/** A thread per unit of the whole. */
template <class T>
__global__ void __launch_bounds__(256)
    replace_part(const T* x, const T* update, const int32_t* start, T* out, Part part, Fault* fault, int32_t call) {
  const int64_t unit = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (unit >= part.units) return;
  if (unit == 0 && !legal(part, *start)) raise(fault, call, *start);
  int64_t place = unit;
  const int64_t row = split(part, part.whole, place);
  place -= begin_of(part, *start);
  out[unit] = place >= 0 && place < part.part ? update[row * part.part + place] : x[unit];
}

/**
 * A thread per unit of the part. Since `out` may be state, a bad start leaves it as it is, and so does an earlier
 * fault.
 */
template <class T>
__global__ void __launch_bounds__(256) write_part(const T* update, const int32_t* start, T* out, Part part, Fault* fault, int32_t call) {
  const int64_t unit = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (unit >= part.units) return;
  if (!legal(part, *start)) {
    if (unit == 0) raise(fault, call, *start);
    return;
  }
  if (raised(fault)) return;
  int64_t place = unit;
  const int64_t row = split(part, part.part, place);
  out[row * part.whole + begin_of(part, *start) + place] = update[unit];
}

/** A thread per unit of the part. */
template <class T>
__global__ void __launch_bounds__(256) read_part(const T* x, const int32_t* start, T* out, Part part, Fault* fault, int32_t call) {
  const int64_t unit = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (unit >= part.units) return;
  if (unit == 0 && !legal(part, *start)) raise(fault, call, *start);
  int64_t place = unit;
  const int64_t row = split(part, part.part, place);
  out[unit] = x[row * part.whole + begin_of(part, *start) + place];
}

/** Launches a kernel with a thread per unit of all rows' wholes or parts. */
template <class... P, class... A> void launch_units(const Frame& frame, const Part& part, void (*kernel)(P...), A... arguments) {
  const unsigned block = block_for(part.units);
  launch(frame, {.grid = dim3(unsigned(divide_up(part.units, block))), .block = dim3(block)}, kernel, arguments..., part, frame.fault,
         frame.call);
}

/**
 * The views of the whole and of the part along an axis, and calls f with the unit's type and both launches' extents.
 */
template <class F> Step with_units(const View& whole, const View& part, int64_t given, F&& f) {
  const int64_t axis = given < 0 ? given + whole.rank() : given;
  require(axis >= 0 && axis < whole.rank() && part.rank() == whole.rank() && part.dim(axis) <= whole.dim(axis), "ERR_SHAPE",
          "the part does not lie within the axis");
  const int64_t bytes = product(whole.dims, size_t(axis) + 1) * int64_t(size_of(whole.dtype));
  int64_t unit = 16;
  while (bytes % unit != 0) unit /= 2;
  const int64_t outer = product(whole.dims, 0, size_t(axis)), width = bytes / unit;
  const auto extent = [&](int64_t counted) {
    Part result{whole.dim(axis) * width, part.dim(axis) * width, width, whole.dim(axis) - part.dim(axis), {}, outer * counted};
    if (result.units < (int64_t(1) << 31)) result.divider = Divider(std::max<int64_t>(1, counted));
    return result;
  };
  const Part wholes = extent(whole.dim(axis) * width), parts = extent(part.dim(axis) * width);
  switch (unit) {
    case 1: return f.template operator()<uint8_t>(wholes, parts);
    case 2: return f.template operator()<uint16_t>(wholes, parts);
    case 4: return f.template operator()<uint32_t>(wholes, parts);
    case 8: return f.template operator()<uint64_t>(wholes, parts);
    default: return f.template operator()<Pack<uint64_t, 2>>(wholes, parts);
  }
}

KERNEL(cuda, updateSlice) {
  call.raises = call.guarded = true;
  call.in_place(0, 0);
  const View x = call.in[0], update = call.in[1], start = call.in[2], out = call.out[0];
  return with_units(x, update, call.attrs.integer("axis"), [&]<class T>(const Part& wholes, const Part& parts) -> Step {
    return [=](const Frame& frame) {
      const T *from = frame.at<T>(x), *part = frame.at<T>(update);
      T* to = frame.at<T>(out);
      if (from == to) launch_units(frame, parts, write_part<T>, part, frame.at<int32_t>(start), to);
      else launch_units(frame, wholes, replace_part<T>, from, part, frame.at<int32_t>(start), to);
    };
  });
}

KERNEL(cuda, dynamicSlice) {
  call.raises = true;
  const View x = call.in[0], start = call.in[1], out = call.out[0];
  return with_units(x, out, call.attrs.integer("axis"), [&]<class T>(const Part&, const Part& parts) -> Step {
    return
        [=](const Frame& frame) { launch_units(frame, parts, read_part<T>, frame.at<T>(x), frame.at<int32_t>(start), frame.at<T>(out)); };
  });
}

}  // namespace
}  // namespace weft::cuda
