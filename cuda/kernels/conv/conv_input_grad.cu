// conv2dInputGrad, also the transposed convolution: gathers over g with the kernel turned around, a part of the product
// for each remainder of pixels modulo the strides (conv_shape.cuh).
#include "conv_choose.cuh"
#include "conv_steps.cuh"

namespace weft::cuda {

Step conv_input_grad(Call& call, const ConvShape& s, View g, View kernel, View dx) {
  call.flops += s.flops();
  if (dx.size() == 0) return [](const Frame&) {};
  if (s.depthwise()) return depthwise_input_grad(call, s, g, kernel, dx);
  return dispatch<float, BFloat16, Float16>(g.dtype, [&]<class T>() -> Step {
    const int64_t taps = divide_up(s.kh, axis_y(s).tap_step) * divide_up(s.kw, axis_x(s).tap_step);
    const auto [run, p] = choose_product<true, T>(call, s, taps * s.group_o(), [&](int pack) { return turned_product<T>(s, pack); });
    return [=, run = run, p = p](const Frame& frame) {
      ConvProduct<T> here = p;
      here.source = frame.at<const T>(g), here.weights = frame.at<const T>(kernel), here.out = frame.at<T>(dx);
      run(frame, here);
    };
  });
}

KERNEL(cuda, conv2dInputGrad) {
  const View g = call.in[0], kernel = call.in[1], dx = call.out[0];
  return conv_input_grad(call, conv_shape(call, dx.dims, kernel.dims, g.dim(1), g.dim(2)), g, kernel, dx);
}

}  // namespace weft::cuda
