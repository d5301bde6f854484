// broadcastTo: a tensor repeated along axes of extent 1 and along new leading axes.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, broadcastTo) {
  const View x = call.in[0], out = call.out[0];
  const StridedCopy copy(out.dims, broadcast_strides(x.dims, out.dims.size()), dense_strides(out.dims), size_of(x.dtype));
  return [=](const Frame& frame) { copy(frame.at<void>(x), frame.at<void>(out)); };
}

}  // namespace weft::cpu::WEFT_ISA
