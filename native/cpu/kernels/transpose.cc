// transpose: copies a tensor with its axes permuted into a new dense one.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, transpose) {
  const View x = call.in[0], out = call.out[0];
  const Dims permutation = call.attrs.integers("permutation"), strides = dense_strides(x.dims);
  require(permutation.size() == x.dims.size(), "ERR_SHAPE", "transpose: the permutation has the wrong length");
  Dims source_strides(permutation.size());
  for (size_t i = 0; i < permutation.size(); i++) source_strides[i] = strides[size_t(permutation[i])];
  const StridedCopy copy(out.dims, source_strides, dense_strides(out.dims), size_of(x.dtype));
  return [=](const Frame& frame) { copy(frame.at<void>(x), frame.at<void>(out)); };
}

}  // namespace weft::cpu::WEFT_ISA
