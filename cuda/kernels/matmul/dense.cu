// dense: activation(x * w + b): a matrix product whose results get bias and activation before they are stored.
#include "matmul.h"

namespace weft::cuda {

KERNEL(cuda, dense) {
  Product p;
  p.a_view = call.in[0], p.b_view = call.in[1], p.bias = call.in[2], p.c = call.out[0];
  p.activation = activation_named(call.attrs.text("activation"));
  p.precision = call.precision;
  p.set_extents("dense", p.a_view.dim(0), p.b_view.dim(1), p.a_view.dim(1));
  return bind_product(call, p);
}

}  // namespace weft::cuda
