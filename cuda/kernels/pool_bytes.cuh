// Max pooling of uint8 images. A thread owns a channel of a pixel of the result.
#pragma once
#include "strided.cuh"

namespace weft::cuda {

struct BytePool {
  int64_t h, w, c, oh, ow, window_h, window_w, stride_h, stride_w, top, left;
};

template <class Index>
__global__ void __launch_bounds__(256) max_of_bytes(BytePool p, const uint8_t* x, uint8_t* y, Index* places, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const int64_t j = i % p.c, pixel = i / p.c, ox = pixel % p.ow, oy = pixel / p.ow % p.oh, image = pixel / p.ow / p.oh;
  int32_t most = -1, place = 0;
  for (int64_t r = 0; r < p.window_h; r++)
    for (int64_t t = 0; t < p.window_w; t++) {
      const int64_t row = oy * p.stride_h - p.top + r, column = ox * p.stride_w - p.left + t;
      if (row < 0 || row >= p.h || column < 0 || column >= p.w) continue;
      const int32_t v = x[((image * p.h + row) * p.w + column) * p.c + j];
      if (v > most) most = v, place = int32_t(r * p.window_w + t);
    }
  if (y) y[i] = uint8_t(most < 0 ? 0 : most);
  if (places) places[i] = Index(place);
}

inline Step bind_max_pool_of_bytes(Call& call) {
  const View x = call.in[0], y = call.out[0], index = call.out[1];
  const Dims size = call.attrs.integers("poolSize"), strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  const BytePool p{x.dim(1), x.dim(2), x.dim(3), y.dim(1), y.dim(2), size[0], size[1], strides[0], strides[1], padding[0], padding[2]};
  return dispatch<uint8_t, int32_t>(index.dtype, [&]<class Index>() -> Step {
    return [=](const Frame& frame) {
      const int64_t n = y.size();
      const unsigned block = block_for(n);
      launch(frame, {.grid = dim3(unsigned(divide_up(n, block))), .block = dim3(block)}, max_of_bytes<Index>, p, frame.at<const uint8_t>(x),
             y.used() ? frame.at<uint8_t>(y) : nullptr, index.used() ? frame.at<Index>(index) : nullptr, n);
    };
  });
}

}  // namespace weft::cuda
