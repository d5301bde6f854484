// int8Conv2d: direct. A thread owns a channel of a pixel of the result; the threads of a warp read neighbouring
// channels of the weights and the same bytes of the input. Images of floats become bytes in scratch memory first.
#include "quantized.cuh"

namespace weft::cuda {
namespace {

struct Convolution {
  int64_t h, w, c, oh, ow, o, kh, kw, group_c, group_o;
  int64_t stride_h, stride_w, top, left, dilation_h, dilation_w;
};

__global__ void __launch_bounds__(256) make_bytes(const float* x, uint8_t* q, int64_t n, QuantizedRange range) {
  const int64_t i = own_element();
  if (i < n) q[i] = uint8_t(quantized(x[i], range.scale, range.zero, 0));
}

__global__ void __launch_bounds__(256)
    convolve_bytes(const uint8_t* x, const int8_t* weights, void* y, int64_t n, Convolution s, ByteFinish finish) {
  const int64_t i = own_element();
  if (i >= n) return;
  const int64_t j = i % s.o, pixel = i / s.o, ox = pixel % s.ow, oy = pixel / s.ow % s.oh, image = pixel / s.ow / s.oh;
  const int64_t channel = j / s.group_o * s.group_c;
  int32_t sum = 0;
  for (int64_t r = 0; r < s.kh; r++) {
    const int64_t row = oy * s.stride_h - s.top + r * s.dilation_h;
    if (row < 0 || row >= s.h) continue;  // the border is the zero point, which adds nothing
    for (int64_t t = 0; t < s.kw; t++) {
      const int64_t column = ox * s.stride_w - s.left + t * s.dilation_w;
      if (column < 0 || column >= s.w) continue;
      const uint8_t* from = x + ((image * s.h + row) * s.w + column) * s.c + channel;
      const int8_t* own = weights + (r * s.kw + t) * s.group_c * s.o + j;
      for (int64_t c = 0; c < s.group_c; c++) sum += (int32_t(from[c]) - finish.input.zero) * int32_t(own[c * s.o]);
    }
  }
  finish.store(sum, finish.input.scale, j, y, i);
}

KERNEL(cuda, int8Conv2d) {
  const View x = call.in[0], w = call.in[1], scale = call.in[2], y = call.out[0];
  const View bias = call.in.size() > 3 ? call.in[3] : View{};
  const Dims strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding"),
             dilations = call.attrs.integers("dilations");
  const int64_t groups = call.attrs.integer("groups");
  const Convolution s{.h = x.dim(1),
                      .w = x.dim(2),
                      .c = x.dim(3),
                      .oh = y.dim(1),
                      .ow = y.dim(2),
                      .o = y.dim(3),
                      .kh = w.dim(0),
                      .kw = w.dim(1),
                      .group_c = w.dim(2),
                      .group_o = y.dim(3) / std::max<int64_t>(1, groups),
                      .stride_h = strides[0],
                      .stride_w = strides[1],
                      .top = padding[0],
                      .left = padding[2],
                      .dilation_h = dilations[0],
                      .dilation_w = dilations[1]};
  const ByteFinish finish(call);
  call.flops = 2.0 * double(y.size()) * double(s.kh * s.kw * s.group_c);
  if (y.size() == 0) return [](const Frame&) {};
  const bool of_bytes = x.dtype == DType::uint8;
  const View bytes = of_bytes ? x : call.scratch(size_t(x.size()));
  return [=](const Frame& frame) {
    if (!of_bytes)
      launch(frame, shape_for(x.size()), make_bytes, frame.at<const float>(x), frame.at<uint8_t>(bytes), x.size(), finish.input);
    launch(frame, shape_for(y.size()), convolve_bytes, frame.at<const uint8_t>(bytes), frame.at<const int8_t>(w), frame.at<void>(y),
           y.size(), s, finish.at(frame, scale, bias));
  };
}

}  // namespace
}  // namespace weft::cuda
