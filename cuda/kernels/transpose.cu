// transpose: axes permuted into a new dense tensor. See strided.cu for the kernels.
#include "strided.cuh"

namespace weft::cuda {

KERNEL(cuda, transpose) {
  const View x = call.in[0], out = call.out[0];
  const Dims permutation = call.attrs.integers("permutation"), strides = dense_strides(x.dims);
  require(permutation.size() == x.dims.size(), "ERR_SHAPE", "transpose: the permutation has the wrong length");
  Dims source_strides(permutation.size());
  for (size_t i = 0; i < permutation.size(); i++) source_strides[i] = strides[size_t(permutation[i])];
  return copy_strided(x, out, out.dims, source_strides, dense_strides(out.dims));
}

}  // namespace weft::cuda
