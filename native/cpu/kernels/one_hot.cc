// oneHot: a row of `off` with `on` at the index; an index out of range gives a row of `off`.
#include "strided.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, oneHot) {
  const View indices = call.in[0], out = call.out[0];
  const double on = call.attrs.number("on"), off = call.attrs.number("off");
  const int64_t depth = out.dim(-1), rows = indices.size();
  const size_t bytes = size_of(out.dtype);
  return [=](const Frame& frame) {
    const int32_t* index = frame.at<int32_t>(indices);
    char* y = frame.at<char>(out);
    fill(out.dtype, y, rows * depth, off);
    char element[8];
    fill(out.dtype, element, 1, on);
    for (int64_t r = 0; r < rows; r++)
      if (index[r] >= 0 && index[r] < depth) std::memcpy(y + size_t(r * depth + index[r]) * bytes, element, bytes);
  };
}

}  // namespace weft::cpu::WEFT_ISA
