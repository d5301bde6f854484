// pad: a constant border around a tensor.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, pad) {
  const View x = call.in[0], out = call.out[0];
  const Dims before = call.attrs.integers("before"), strides = dense_strides(out.dims);
  const double value = call.attrs.number("value");
  require(before.size() == out.dims.size(), "ERR_SHAPE", "pad: `before` needs one number per axis");
  int64_t offset = 0;
  for (size_t i = 0; i < before.size(); i++) offset += before[i] * strides[i];
  offset *= int64_t(size_of(x.dtype));
  const StridedCopy copy(x.dims, dense_strides(x.dims), strides, size_of(x.dtype));
  return [=](const Frame& frame) {
    if (out.size() > x.size()) fill(out.dtype, frame.at<void>(out), out.size(), value);
    copy(frame.at<void>(x), frame.at<char>(out) + offset);
  };
}

}  // namespace weft::cpu::WEFT_ISA
