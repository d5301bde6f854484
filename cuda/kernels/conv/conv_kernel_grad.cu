// conv2dKernelGrad: the product of conv_kernel_product.cuh in pieces, and the sum of the pieces. On tensor cores where
// channels come in packs of 16 bytes; on float units a small tile serves the few rows of a first layer.
#include "architectures.h"
#include "conv_kernel_choose.cuh"
#include "conv_steps.cuh"

namespace weft::cuda {
namespace {

template <class T> struct AddParts {
  const float* parts = nullptr;
  T* to = nullptr;
  int64_t count = 0, elements = 0;
  unsigned blocks = 0;
};

/**
 * Block: 32 elements x slices of the parts; each slice in order, then slice after slice. The first blocks work on `a`,
 * the others on `b`.
 */
template <class T> __global__ void __launch_bounds__(1024) add_all_parts(const AddParts<T> a, const AddParts<T> b) {
  WEFT_SHARED(float, slices, [32][32]);
  const bool first = blockIdx.x < a.blocks;
  const AddParts<T> job = first ? a : b;
  const int64_t element = int64_t(blockIdx.x - (first ? 0 : a.blocks)) * 32 + threadIdx.x;
  float sum = 0;
  if (element < job.elements)
#pragma unroll 4
    for (int64_t c = threadIdx.y; c < job.count; c += blockDim.y) sum += job.parts[c * job.elements + element];
  slices[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y > 0 || element >= job.elements) return;
  for (unsigned i = 1; i < blockDim.y; i++) sum += slices[i][threadIdx.x];
  job.to[element] = narrow<T>(sum);
}

template <class Tile, class T> KernelVariant<T> float_variant() {
  return {[](const Frame& frame, KernelProduct<T> p, int64_t pieces) {
            run_kernel_product<Tile>(frame, p, pieces, Tile::shared, kernel_float_tiles<T, Tile>);
          },
          Tile::rows,
          Tile::columns,
          4,
          128,
          528};
}
template <class Tile, class T> KernelVariant<T> matrix_variant() {
  return {[](const Frame& frame, KernelProduct<T> p, int64_t pieces) {
            run_kernel_product<Tile>(frame, p, pieces, Tile::shared(kernel_stage<Tile>), kernel_matrix_tiles<Tile>);
          },
          Tile::rows,
          Tile::columns,
          Tile::pack,
          512,
          528};
}
template <class Math, class T> KernelVariant<T> choose_matrix(const Call& call, const ConvShape& s) {
  using Large = MatrixTile<Math, 128, 128, 64, 32>;
  if constexpr (sizeof(T) == 2)
    if (s.depth() >= 512 && s.group_o() >= 128 && call.target.shared_memory >= Large::shared(kernel_stage<Large>))
      return matrix_variant<Large, T>();
  return matrix_variant<MatrixTile<Math, 64, 64, 32, 32>, T>();
}

template <class T> KernelVariant<T> choose(const Call& call, const ConvShape& s) {
  constexpr int pack = 16 / int(sizeof(T));
  constexpr int least_split_pixels = 256;  // below, the split of float32 operands would be less exact than float32 arithmetic
  const bool packs = packs_fit(s.c, s.group_c(), pack) && packs_fit(s.o, s.group_o(), pack),
             ampere = code_for(call.target.capability) >= 80;
  if constexpr (sizeof(T) == 2)
    if (packs)
      if (const KernelVariant<T> variant = choose_kernel_group(call, s, T()); variant.run) return variant;
  if constexpr (std::is_same_v<T, Float16>) {
    if (packs) return choose_matrix<Float16Math, T>(call, s);
  } else if constexpr (std::is_same_v<T, BFloat16>) {
    if (packs && ampere) return choose_matrix<BFloat16Math, T>(call, s);
  } else {
    if (packs && ampere && call.precision != Precision::float32) return choose_matrix<Tf32Math, T>(call, s);
    if (packs && ampere && s.depth() > 16 && s.pixels() >= least_split_pixels) return choose_matrix<Float32Math, T>(call, s);
  }
  if (s.depth() > 32 && s.group_o() > 32) return float_variant<FloatTile<64, 64, 8, 4>, T>();
  return float_variant<FloatTile<16, 32, 4, 4>, T>();
}

}  // namespace

Step add_parts(const std::vector<PartSum>& sums) {
  if (sums.empty()) return [](const Frame&) {};
  return dispatch<float, BFloat16, Float16>(sums[0].to.dtype, [&]<class T>() -> Step {
    const PartSum first = sums[0], second = sums.size() > 1 ? sums[1] : PartSum();
    const unsigned slices = unsigned(std::clamp<int64_t>(std::max(first.count, second.count) / 4, 1, 32));
    return [=](const Frame& frame) {
      const auto job = [&](const PartSum& sum) -> AddParts<T> {
        if (sum.count == 0) return {};
        return {frame.at<const float>(sum.parts), frame.at<T>(sum.to), sum.count, sum.elements, unsigned(divide_up(sum.elements, 32))};
      };
      const AddParts<T> a = job(first), b = job(second);
      launch(frame, {.grid = dim3(a.blocks + b.blocks), .block = dim3(32, slices)}, add_all_parts<T>, a, b);
    };
  });
}

Step conv_kernel_parts(Call& call, const ConvShape& s, View x, View g, View dk, std::vector<PartSum>& sums) {
  call.flops += s.flops();
  if (dk.size() == 0) return [](const Frame&) {};
  if (s.depthwise()) return depthwise_kernel_parts(call, s, x, g, dk, sums);
  return dispatch<float, BFloat16, Float16>(x.dtype, [&]<class T>() -> Step {
    const KernelVariant<T> variant = choose<T>(call, s);
    const int64_t tiles = divide_up(s.depth(), variant.rows) * divide_up(s.group_o(), variant.columns) * s.groups;
    KernelProduct<T> p = kernel_product<T>(s, variant.pack);
    p.piece = int(divide_up(s.pixels(), pieces_of_sum(s.pixels(), tiles, variant.fewest_pixels, variant.blocks)));
    const int64_t pieces = divide_up(s.pixels(), p.piece), elements = int64_t(s.depth()) * s.o;
    const View parts = pieces > 1 ? call.scratch(size_t(pieces * elements) * sizeof(float)) : View();
    if (pieces > 1) sums.push_back({parts, dk, pieces, elements});
    return [=](const Frame& frame) {
      KernelProduct<T> here = p;
      here.x = frame.at<const T>(x), here.g = frame.at<const T>(g);
      if (parts.used()) here.parts = frame.at<float>(parts);
      else here.out = frame.at<T>(dk);
      variant.run(frame, here, pieces);
    };
  });
}

KERNEL(cuda, conv2dKernelGrad) {
  const View x = call.in[0], g = call.in[1], dk = call.out[0];
  const ConvShape s = conv_shape(call, x.dims, dk.dims, g.dim(1), g.dim(2));
  if (s.empty()) return clear_outputs(call);
  std::vector<PartSum> sums;
  const Step parts = conv_kernel_parts(call, s, x, g, dk, sums);
  return in_order({parts, add_parts(sums)});
}

}  // namespace weft::cuda
