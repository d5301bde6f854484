// concat: tensors joined along one axis, each copied into its stretch of the output.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, concat) {
  const View out = call.out[0];
  const int64_t axis = call.attrs.integer("axis");
  const Dims target_strides = dense_strides(out.dims);
  struct Part {
    View x;
    StridedCopy copy;
    int64_t offset;
  };
  std::vector<Part> parts;
  int64_t offset = 0;
  for (const View& x : call.in) {
    if (x.size() > 0) parts.push_back({x, StridedCopy(x.dims, dense_strides(x.dims), target_strides, size_of(x.dtype)), offset});
    offset += x.dim(axis) * target_strides[size_t(axis < 0 ? axis + out.rank() : axis)] * int64_t(size_of(out.dtype));
  }
  return [=](const Frame& frame) {
    for (const Part& part : parts) part.copy(frame.at<void>(part.x), frame.at<char>(out) + part.offset);
  };
}

}  // namespace weft::cpu::WEFT_ISA
