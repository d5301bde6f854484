// The parts that convolution ops are made of, as Steps over views: each is defined in the .cu file of its name and
// picks its own variant.
#pragma once
#include "conv_shape.cuh"

namespace weft::cuda {

/** Where the results of a forward pass go. */
struct ConvResult {
  View y;      // pooled, where pool_h x pool_w > 1
  View index;  // places of maxima, uint8; may be unused
  int pool_h = 1, pool_w = 1;

  int area() const { return pool_h * pool_w; }
};

/** y = activation(conv(x, kernel) + bias); bias may be unused. conv.cu */
Step conv_forward(Call& call, const ConvShape& s, View x, View kernel, View bias, Activation activation, const ConvResult& result);
/** Whether conv_forward can pool as it goes. */
bool pools_as_it_goes(const ConvShape& s, int area);

/** dx from g. conv_input_grad.cu */
Step conv_input_grad(Call& call, const ConvShape& s, View g, View kernel, View dx);
/** to[i] = the sum over c of parts[c * elements + i], float32. */
struct PartSum {
  View parts, to;
  int64_t count = 0, elements = 0;  // none: nothing to add
};
/**
 * The gradient of the kernel from x and g, but for the sum of its parts, which is added to `sums`. conv_kernel_grad.cu
 */
Step conv_kernel_parts(Call& call, const ConvShape& s, View x, View g, View dk, std::vector<PartSum>& sums);
/**
 * Adds the parts of all sums, at most two, in one launch; in an order that their counts alone decide.
 * conv_kernel_grad.cu
 */
Step add_parts(const std::vector<PartSum>& sums);

/** The same where each input channel is a group of its own. depthwise.cu */
Step depthwise_forward(Call& call, const ConvShape& s, View x, View kernel, View bias, Activation activation, View y);
Step depthwise_input_grad(Call& call, const ConvShape& s, View g, View kernel, View dx);
Step depthwise_kernel_parts(Call& call, const ConvShape& s, View x, View g, View dk, std::vector<PartSum>& sums);

/**
 * How many pieces a sum over `terms` is cut into, of at least so many, so that tiles x pieces fill a GPU of so many
 * blocks. By shape alone.
 */
inline int64_t pieces_of_sum(int64_t terms, int64_t tiles, int64_t fewest_terms, int64_t blocks = 528) {
  return std::max<int64_t>(1, std::min(blocks / std::max<int64_t>(1, tiles), divide_up(terms, fewest_terms)));
}

}  // namespace weft::cuda
