// Max pooling of uint8 images, whose channels lie side by side in bytes.
#pragma once
#include <algorithm>

#include "chunks.h"

namespace weft::cpu::WEFT_ISA {

/** Windows that have no place inside the image give 0. */
WEFT_BINDER inline Step bind_max_pool_of_bytes(Call& call) {
  const View x = call.in[0], y = call.out[0], index = call.out[1];
  const Dims size = call.attrs.integers("poolSize"), strides = call.attrs.integers("strides"), padding = call.attrs.integers("padding");
  if (y.size() == 0) return [](const Frame&) {};
  const int64_t h = x.dim(1), w = x.dim(2), c = x.dim(3), oh = y.dim(1), ow = y.dim(2);
  const View values = y.used() ? View{} : call.scratch(size_t(y.size()));
  const int64_t grain = std::max<int64_t>(1, (1 << 19) / std::max<int64_t>(1, ow * c * size[0] * size[1]));
  typedef uint8_t Bytes __attribute__((vector_size(16)));
  return [=](const Frame& frame) {
    // nobody may want the values: the places are found with them
    uint8_t* bytes = frame.at<uint8_t>(y.used() ? y : values);
    parallel_range(x.dim(0) * oh, grain, [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        const uint8_t* image = frame.at<const uint8_t>(x) + unit / oh * h * w * c;
        const int64_t y0 = unit % oh * strides[0] - padding[0];
        for (int64_t ox = 0; ox < ow; ox++) {
          const int64_t x0 = ox * strides[1] - padding[2];
          const int64_t at = (unit * ow + ox) * c;
          uint8_t* out = bytes + at;
          const auto place = [&](int64_t j, int64_t value) {
            if (index.dtype == DType::int32) frame.at<int32_t>(index)[at + j] = int32_t(value);
            else frame.at<uint8_t>(index)[at + j] = uint8_t(value);
          };
          const int64_t r0 = std::max<int64_t>(0, y0), r1 = std::min(h, y0 + size[0]);
          const int64_t t0 = std::max<int64_t>(0, x0), t1 = std::min(w, x0 + size[1]);
          if (r0 >= r1 || t0 >= t1) {
            std::fill(out, out + c, uint8_t(0));
            if (index.used())
              for (int64_t j = 0; j < c; j++) place(j, 0);
            continue;
          }
          int64_t j = 0;
          for (; !index.used() && j + 16 <= c; j += 16) {
            Bytes most{};
            for (int64_t r = r0; r < r1; r++)
              for (int64_t t = t0; t < t1; t++) {
                Bytes v;
                std::memcpy(&v, image + (r * w + t) * c + j, sizeof v);
                most = v > most ? v : most;
              }
            std::memcpy(out + j, &most, sizeof most);
          }
          for (; j < c; j++) {
            int most = -1;
            for (int64_t r = r0; r < r1; r++)
              for (int64_t t = t0; t < t1; t++) {
                const int v = image[(r * w + t) * c + j];
                if (v <= most) continue;
                most = v;
                if (index.used()) place(j, (r - y0) * size[1] + t - x0);
              }
            out[j] = uint8_t(most);
          }
        }
      }
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA
