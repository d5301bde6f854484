// int8Dense and int8Conv2d: sums of products of uint8 and int8, exact in int32.
#include "conv_shape.h"
#include "quantized.h"

namespace weft::cpu::WEFT_ISA {
namespace {

View optional_input(const Call& call, size_t i) { return i < call.in.size() ? call.in[i] : View{}; }

KERNEL(cpu, int8Dense) {
  const View x = call.in[0], w = call.in[1], y = call.out[0];
  const int64_t m = x.dim(0), k = x.dim(1), n = call.attrs.integer("units");
  const bool packed = w.rank() == 4, quantized = x.dtype == DType::uint8;
  const Finish finish(call, call.in[2], optional_input(call, 3), n);
  call.flops = 2.0 * double(m) * double(n) * double(k);
  if (m * n == 0) return [](const Frame&) {};
  const int64_t chunks = std::min(m, pieces_of_work(double(m) * double(n) * double(k)));
  const ThreadScratch sums(call, size_t(n) * sizeof(int32_t)), row(call, size_t(k));
  const int64_t quads = (k + 3) / 4;
  return [=](const Frame& frame) {
    finish.prepare(frame);
    parallel(chunks, [&](int64_t chunk, int thread) {
      int32_t* sum = sums.at<int32_t>(frame, thread);
      const int8_t* weights = frame.at<const int8_t>(w);
      for (int64_t i = m * chunk / chunks; i < m * (chunk + 1) / chunks; i++) {
        QuantizedRange range = finish.input();
        const uint8_t* q = frame.at<const uint8_t>(x) + i * k;
        if (!quantized) {
          const float* from = frame.at<const float>(x) + i * k;
          if (!range) range = range_of_row(from, k);
          uint8_t* to = row.at<uint8_t>(frame, thread);
          quantize_row(from, range, to, k);
          q = to;
        }
        std::fill_n(sum, n, 0);
        for (int64_t p = 0; p < k; p++) {
          const int32_t value = int32_t(q[p]) - range.zero;
          for (int64_t j = 0; j < n; j++)
            sum[j] += value * int32_t(packed ? weights[((j / 16 * quads + p / 4) * 16 + j % 16) * 4 + p % 4] : weights[p * n + j]);
        }
        void* to = finish.bytes() ? static_cast<void*>(frame.at<uint8_t>(y) + i * n) : frame.at<float>(y) + i * n;
        finish.row(frame, sum, 0, n, range.scale, to);
      }
    });
  };
}

KERNEL(cpu, int8Conv2d) {
  const View x = call.in[0], w = call.in[1], y = call.out[0];
  const ConvShape s = conv_shape(call, x.dims, w.dims, y.dim(1), y.dim(2));
  const Finish finish(call, call.in[2], optional_input(call, 3), s.o);
  if (s.empty()) return [](const Frame&) {};
  const bool quantized = x.dtype == DType::uint8;
  const ThreadScratch sums(call, size_t(s.o) * sizeof(int32_t));
  const View bytes = quantized ? View{} : call.scratch(size_t(x.size()));
  return [=](const Frame& frame) {
    finish.prepare(frame);
    const QuantizedRange range = finish.input();
    const uint8_t* q = quantized ? frame.at<const uint8_t>(x) : frame.at<const uint8_t>(bytes);
    if (!quantized)
      parallel_range(x.size(), 1 << 15, [&](int64_t begin, int64_t end) {
        quantize_row(frame.at<const float>(x) + begin, range, frame.at<uint8_t>(bytes) + begin, end - begin);
      });
    parallel(s.n * s.oh, [&](int64_t unit, int thread) {
      int32_t* sum = sums.at<int32_t>(frame, thread);
      const int8_t* weights = frame.at<const int8_t>(w);
      const int64_t image = unit / s.oh, oy = unit % s.oh, per_group = s.group_o();
      for (int64_t ox = 0; ox < s.ow; ox++) {
        std::fill_n(sum, s.o, 0);
        for (int64_t r = 0; r < s.kh; r++)
          for (int64_t t = 0; t < s.kw; t++) {
            const int64_t row = oy * s.stride_h - s.top + r * s.dilation_h, column = ox * s.stride_w - s.left + t * s.dilation_w;
            if (row < 0 || row >= s.h || column < 0 || column >= s.w) continue;
            const uint8_t* pixel = q + ((image * s.h + row) * s.w + column) * s.c;
            for (int64_t group = 0; group < s.groups; group++)
              for (int64_t c = 0; c < s.group_c(); c++) {
                const int32_t value = int32_t(pixel[group * s.group_c() + c]) - range.zero;
                const int8_t* from = weights + ((r * s.kw + t) * s.group_c() + c) * s.o + group * per_group;
                for (int64_t j = 0; j < per_group; j++) sum[group * per_group + j] += value * from[j];
              }
          }
        const int64_t at = (unit * s.ow + ox) * s.o;
        finish.row(frame, sum, 0, s.o, 1.0f, finish.bytes() ? static_cast<void*>(frame.at<uint8_t>(y) + at) : frame.at<float>(y) + at);
      }
    });
  };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
