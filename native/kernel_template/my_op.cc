// my_op: scale · x³ for every element of x.
#include "kernel_library.h"

WEFT_KERNEL_LIBRARY

namespace weft {

/** What runs at every call. It allocates nothing, and may run on any thread. */
template <class T> Step cubes(View x, View y, T scale) {
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    T* to = frame.at<T>(y);
    for (int64_t i = 0; i < x.size(); i++) to[i] = scale * from[i] * from[i] * from[i];
  };
}

// This part runs once for each program: it reads shapes, dtypes and attributes.
KERNEL(cpu, my_op) {
  const View x = call.in[0], y = call.out[0];
  const double scale = call.attrs.number("scale");
  call.in_place(0, 0);  // y may lie where x lies, if nobody reads x afterwards
  if (x.dtype == DType::float64) return cubes<double>(x, y, scale);
  return cubes<float>(x, y, float(scale));
}

}  // namespace weft
