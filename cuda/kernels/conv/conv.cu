// conv2d and conv2dBias: the choice among kernels of the forward pass. Few channels: direct; a group per channel:
// depthwise; else an implicit product on tensor cores or float units.
#include "conv_choose.cuh"
#include "conv_direct.cuh"
#include "conv_steps.cuh"

namespace weft::cuda {

bool pools_as_it_goes(const ConvShape& s, int area) {
  constexpr int smallest_tile = 32;
  return !s.depthwise() && (fits_direct(s, area) || (area <= smallest_tile && smallest_tile % area * 4 <= smallest_tile));
}

Step conv_forward(Call& call, const ConvShape& s, View x, View kernel, View bias, Activation activation, const ConvResult& result) {
  call.flops = s.flops();
  if (s.empty()) return [](const Frame&) {};
  if (s.depthwise()) return depthwise_forward(call, s, x, kernel, bias, activation, result.y);
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() -> Step {
    const auto product = [&](int pack) { return forward_product<T>(s, activation, pack, result.pool_h, result.pool_w); };
    const auto [run, p] = fits_direct(s, result.area()) ? std::pair(RunProduct<T>(run_direct<T>), product(4))
                                                        : choose_product<false, T>(call, s, s.depth(), product);
    return [=, run = run, p = p](const Frame& frame) {
      ConvProduct<T> here = p;
      here.source = frame.at<const T>(x), here.weights = frame.at<const T>(kernel), here.out = frame.at<T>(result.y);
      if (bias.used()) here.bias = frame.at<const T>(bias);
      if (result.index.used()) here.index = frame.at<uint8_t>(result.index);
      run(frame, here);
    };
  });
}

KERNEL(cuda, conv2d) {
  const View x = call.in[0], kernel = call.in[1], y = call.out[0];
  const ConvShape s = conv_shape(call, x.dims, kernel.dims, y.dim(1), y.dim(2));
  return conv_forward(call, s, x, kernel, View(), Activation::linear, {y, View()});
}

KERNEL(cuda, conv2dBias) {
  const View x = call.in[0], kernel = call.in[1], y = call.out[0];
  const ConvShape s = conv_shape(call, x.dims, kernel.dims, y.dim(1), y.dim(2));
  return conv_forward(call, s, x, kernel, call.in[2], activation_named(call.attrs.text("activation")), {y, View()});
}

}  // namespace weft::cuda
