// pad: a constant border around a tensor; the same as writing a slice back into a tensor of that constant (slice.cu).
#include "strided.cuh"

namespace weft::cuda {

KERNEL(cuda, pad) {
  const Dims before = call.attrs.integers("before");
  const double value = call.attrs.number("value");
  return place(call.in[0], call.out[0], before, Dims(before.size(), 1), value);
}

}  // namespace weft::cuda
