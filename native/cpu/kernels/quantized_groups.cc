// groupedDense: floats times weights of 4 or 8 bits, which have a scale for each group of rows.
#include "quantized.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <int bits> WEFT_BINDER Step bind(Call& call) {
  const View x = call.in[0], w = call.in[1], scale = call.in[2], y = call.out[0];
  const View bias = call.in.size() > 3 ? call.in[3] : View{};
  const int64_t m = x.dim(0), k = x.dim(1), n = call.attrs.integer("units"), group = call.attrs.integer("groupSize");
  call.flops = 2.0 * double(m) * double(n) * double(k);
  if (m * n == 0) return [](const Frame&) {};
  const int64_t chunks = std::min((n + 63) / 64, pieces_of_work(double(m) * double(n) * double(k)));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int) {
      const uint8_t* weights = frame.at<const uint8_t>(w);
      for (int64_t j = n * chunk / chunks; j < n * (chunk + 1) / chunks; j++)
        for (int64_t i = 0; i < m; i++) {
          const float* row = frame.at<const float>(x) + i * k;
          float total = bias.used() ? frame.at<const float>(bias)[j] : 0.0f;
          for (int64_t begin = 0; begin < k; begin += group) {
            float sum = 0;
            for (int64_t p = begin; p < std::min(k, begin + group); p++) {
              const int value = bits == 8 ? int(int8_t(weights[p * n + j])) : (weights[p / 2 * n + j] >> (p % 2 * 4) & 15) - 8;
              sum += row[p] * float(value);
            }
            total += sum * frame.at<const float>(scale)[begin / group * n + j];
          }
          frame.at<float>(y)[i * n + j] = total;
        }
    });
  };
}

KERNEL(cpu, groupedDense) { return call.attrs.integer("bits") == 4 ? bind<4>(call) : bind<8>(call); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
