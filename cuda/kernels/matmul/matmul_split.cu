// Sums over k that several blocks share: each stores its part, and a second kernel adds the parts in order, adds the
// bias and applies the activation. One thread per four results: the parts come from the second-level cache, and the
// order of addition is that of the parts, whichever block was first.
#include "matmul.h"

namespace weft::cuda {
namespace {

template <class T> __global__ void __launch_bounds__(256) add_parts(Output<T> out, int64_t size, int columns, int splits) {
  const int64_t i = (int64_t(blockIdx.x) * blockDim.x + threadIdx.x) * 4;
  if (i >= size) return;
  if (size % 4 == 0) {
    Pack<float, 4> sum = load_pack<4>(out.partial + i);
    for (int split = 1; split < splits; split++) {
      const Pack<float, 4> part = load_pack<4>(out.partial + split * size + i);
      for (int e = 0; e < 4; e++) sum.at[e] += part.at[e];
    }
    Pack<T, 4> result;
    for (int e = 0; e < 4; e++) result.at[e] = narrow<T>(out.finish(sum.at[e], int((i + e) % columns)));
    store_pack(out.c + i, result);
    return;
  }
  for (int64_t j = i; j < i + 4 && j < size; j++) {
    float sum = 0;
    for (int split = 0; split < splits; split++) sum += out.partial[split * size + j];
    out.c[j] = narrow<T>(out.finish(sum, int(j % columns)));
  }
}

}  // namespace

void split_sum(Extents& p, int64_t tiles, int64_t blocks, int64_t least, int64_t grain) {
  constexpr int64_t most_parts = 32, most_bytes = 64 << 20;
  const int64_t bytes = p.batch.count * p.m * p.n * int64_t(sizeof(float));
  int64_t splits = std::min({blocks / std::max<int64_t>(tiles, 1), p.k / least, most_parts, most_bytes / bytes});
  splits = std::max<int64_t>(splits, 1);
  const int64_t share = divide_up(divide_up(p.k, splits), grain) * grain;
  p.k_per_split = int(std::min<int64_t>(share, INT32_MAX));
  p.splits = p.k == 0 ? 1 : int(divide_up(p.k, share));
}

SplitSum::SplitSum(Call& call, const Product& p, bool finishes) : product(p) {
  const bool curved = p.activation == Activation::sigmoid || p.activation == Activation::tanh;
  if (p.splits > 1 || (curved && !finishes)) scratch = call.scratch(size_t(p.splits * p.batch.count * p.m) * size_t(p.n) * sizeof(float));
}

void SplitSum::finish(const Frame& frame) const {
  if (!scratch.used()) return;
  const int64_t size = product.batch.count * product.m * product.n;
  const unsigned threads = size >= 1024 ? 256 : unsigned(divide_up(size, 128) * 32);
  dispatch<float, BFloat16, Float16>(product.c.dtype, [&]<class T>() {
    launch(frame, {.grid = dim3(unsigned(divide_up(size, 4 * threads))), .block = dim3(threads)}, add_parts<T>,
           output_of<T>(frame, product, *this), size, product.n, product.splits);
    return true;
  });
}

}  // namespace weft::cuda
