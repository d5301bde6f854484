// slice and its gradient: every steps-th element from `begin` on, per axis; steps may be negative. A slice is a strided
// copy; its gradient is written in one pass over the target, each thread finding out whether its unit (as wide as the
// shape allows) has a source.
#include "creation.cuh"
#include "strided.cuh"

namespace weft::cuda {
namespace {

/** One axis of a target: its element begin + i·step is the source's element i. */
struct PlacedAxis {
  Divider extent;             // of the target
  int32_t begin, step, size;  // size: of the source
  int64_t stride;             // of the source
};
struct Placed {
  int axes = 0;
  PlacedAxis axis[most_axes];  // innermost first
};

/** T: an unsigned integer or a pack of them, the unit of all axes. */
template <class T> __global__ void __launch_bounds__(256) place_units(const T* from, T* to, uint32_t units, Placed placed, T value) {
  const uint32_t unit = blockIdx.x * blockDim.x + threadIdx.x;
  if (unit >= units) return;
  uint32_t rest = unit;
  int64_t offset = 0;
  bool inside = true;
#pragma unroll 1
  for (int i = 0; i < placed.axes; i++) {
    const PlacedAxis& axis = placed.axis[i];
    const uint32_t outer = axis.extent.divide(rest);
    int32_t place = int32_t(rest - outer * axis.extent.divisor) - axis.begin;
    rest = outer;
    if (axis.step != 1) {
      const int32_t quotient = place / axis.step;
      inside = inside && quotient * axis.step == place;
      place = quotient;
    }
    inside = inside && place >= 0 && place < axis.size;
    offset += int64_t(place) * axis.stride;
  }
  to[unit] = inside ? from[offset] : value;
}

template <class T> Step place_as(const View& source, const View& target, Placed placed, int64_t factor, T value) {
  const int64_t units = target.size() / factor;
  return [=](const Frame& frame) {
    const unsigned block = block_for(units);
    launch(frame, {.grid = dim3(unsigned(divide_up(units, block))), .block = dim3(block)}, place_units<T>, frame.at<T>(source),
           frame.at<T>(target), uint32_t(units), placed, value);
  };
}

/** An axis as the binder merges and widens it. */
struct Axis {
  int64_t target, begin, step, size;
};

}  // namespace

Step place(const View& source, const View& target, const Dims& begin, const Dims& steps, double value) {
  require(begin.size() == target.dims.size() && steps.size() == target.dims.size(), "ERR_SHAPE",
          "slice: begin and steps need one number per axis");
  if (target.size() >= (int64_t(1) << 31)) {  // more than a launch counts: in two passes
    Dims strides = dense_strides(target.dims);
    int64_t offset = 0;
    for (size_t i = 0; i < strides.size(); i++) {
      offset += begin[i] * strides[i];
      strides[i] *= steps[i];
    }
    return [=, copy = copy_strided(source, target, source.dims, dense_strides(source.dims), strides, 0, offset)](const Frame& frame) {
      fill(frame, target.dtype, frame.at<void>(target), target.size(), value);
      copy(frame);
    };
  }
  std::vector<Axis> axes;  // outermost first; an axis that the source fills is merged into the one before
  for (size_t i = 0; i < target.dims.size(); i++) {
    const Axis axis{target.dims[i], begin[i], steps[i], source.dims[i]};
    const bool whole = axis.begin == 0 && axis.step == 1 && axis.size == axis.target;
    if (whole && !axes.empty() && axes.back().step == 1) {
      axes.back().target *= axis.target;
      axes.back().begin *= axis.target;
      axes.back().size *= axis.target;
    } else {
      axes.push_back(axis);
    }
  }
  if (axes.empty()) axes.push_back({1, 0, 1, 1});
  require(axes.size() <= most_axes, "ERR_SHAPE", "at most ", most_axes, " axes that do not merge are supported");
  const int64_t element = int64_t(size_of(target.dtype));
  int64_t factor = 16 / element;
  Axis& inner = axes.back();
  while (factor > 1 && !(inner.step == 1 && inner.target % factor == 0 && inner.begin % factor == 0 && inner.size % factor == 0))
    factor /= 2;
  inner.target /= factor;
  inner.begin /= factor;
  inner.size /= factor;
  Placed placed;
  int64_t stride = 1;
  for (size_t i = axes.size(); i-- > 0;) {
    placed.axis[placed.axes++] = {Divider(axes[i].target), int32_t(axes[i].begin), int32_t(axes[i].step), int32_t(axes[i].size), stride};
    stride *= axes[i].size;
  }
  Pack<uint64_t, 2> bits{};  // the value, repeated over a unit
  for (int64_t at = 0; at < 16; at += element) write_element(target.dtype, value, reinterpret_cast<char*>(&bits) + at);
  auto start = [&]<class T>() {
    T unit;
    std::memcpy(&unit, &bits, sizeof unit);
    return place_as<T>(source, target, placed, factor, unit);
  };
  switch (element * factor) {
    case 1: return start.template operator()<uint8_t>();
    case 2: return start.template operator()<uint16_t>();
    case 4: return start.template operator()<uint32_t>();
    case 8: return start.template operator()<uint64_t>();
    default: return start.template operator()<Pack<uint64_t, 2>>();
  }
}

KERNEL(cuda, slice) {
  const View x = call.in[0], out = call.out[0];
  const Dims begin = call.attrs.integers("begin"), steps = call.attrs.integers("steps");
  require(begin.size() == x.dims.size() && steps.size() == x.dims.size(), "ERR_SHAPE", "slice: begin and steps need one number per axis");
  Dims strides = dense_strides(x.dims);
  int64_t offset = 0;
  for (size_t i = 0; i < strides.size(); i++) {
    offset += begin[i] * strides[i];
    strides[i] *= steps[i];
  }
  return copy_strided(x, out, out.dims, strides, dense_strides(out.dims), offset);
}

KERNEL(cuda, sliceGrad) { return place(call.in[0], call.out[0], call.attrs.integers("begin"), call.attrs.integers("steps"), 0); }

}  // namespace weft::cuda
