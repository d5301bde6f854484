// slice and its gradient: every steps-th element from `begin` on, per axis; steps may be negative.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** Where a slice lies in the dense tensor that holds it: strides in elements, and the offset of its first element. */
static Dims slice_strides(const Call& call, const Dims& whole, int64_t& offset) {
  const Dims begin = call.attrs.integers("begin"), steps = call.attrs.integers("steps");
  require(begin.size() == whole.size() && steps.size() == whole.size(), "ERR_SHAPE", "slice: begin and steps need one number per axis");
  Dims strides = dense_strides(whole);
  offset = 0;
  for (size_t i = 0; i < whole.size(); i++) {
    offset += begin[i] * strides[i];
    strides[i] *= steps[i];
  }
  return strides;
}

KERNEL(cpu, slice) {
  const View x = call.in[0], out = call.out[0];
  int64_t offset = 0;
  const Dims strides = slice_strides(call, x.dims, offset);
  const StridedCopy copy(out.dims, strides, dense_strides(out.dims), size_of(x.dtype));
  const int64_t skipped = offset * int64_t(size_of(x.dtype));
  return [=](const Frame& frame) { copy(frame.at<char>(x) + skipped, frame.at<void>(out)); };
}

KERNEL(cpu, sliceGrad) {
  const View g = call.in[0], out = call.out[0];
  int64_t offset = 0;
  const Dims strides = slice_strides(call, out.dims, offset);
  const StridedCopy copy(g.dims, dense_strides(g.dims), strides, size_of(g.dtype));
  const int64_t skipped = offset * int64_t(size_of(g.dtype));
  return [=](const Frame& frame) {
    if (out.size() > g.size()) fill(out.dtype, frame.at<void>(out), out.size(), 0);
    copy(frame.at<void>(g), frame.at<char>(out) + skipped);
  };
}

}  // namespace weft::cpu::WEFT_ISA
