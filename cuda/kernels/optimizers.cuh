// One step of an optimizer over all its parameters in one launch: the addresses and sizes of the tensors are a kernel
// parameter, which holds some tens of parameters (more take more launches), and blocks are shared out by chunks of the
// tensors. A thread updates four neighbouring elements as packs: an update reads and writes each tensor once, at the
// speed of memory.
#pragma once
#include "strided.cuh"

namespace weft::cuda {

constexpr int update_chunk = 4096;  // elements of a block
constexpr size_t parameter_bytes = 3600;

/** What a step reads at run time. */
struct Moment {
  double learning_rate;
  int32_t step;  // 1 at the first
};

/** base^exponent for a whole exponent: in double precision, without the cost of a general power. */
__device__ inline double whole_power(double base, int32_t exponent) {
  double power = 1;
  for (; exponent > 0; exponent >>= 1, base *= base)
    if (exponent & 1) power *= base;
  return power;
}

/**
 * The tensors of one parameter with so many slots. Results may be written over what they are computed from; null:
 * nobody reads them.
 */
template <int slots> struct Parameter {
  const float *w, *g, *slot[slots > 0 ? slots : 1];
  float *new_w, *new_slot[slots > 0 ? slots : 1];
  double decay;
  int64_t n;
  uint32_t end;  // the first block after those of this parameter
};

template <int slots> struct Parameters {
  static constexpr int most = int(parameter_bytes / sizeof(Parameter<slots>));
  int count = 0;
  Parameter<slots> at[most];
};

/**
 * Rule: the optimizer's constants, with prepare(moment, shared), which makes from them what an element needs, once per
 * block, and update(w, g, slot, keep) with the prepared numbers: w and slot are read and written, keep is what weight
 * decay leaves of w.
 * shared: a further input of the optimizer, or null.
 */
template <class Rule>
__global__ void __launch_bounds__(256, 4) update_parameters(Parameters<Rule::slots> parameters, Rule rule, const float* learning_rate,
                                                            const int32_t* iteration, const float* shared, const Fault* fault) {
  constexpr int slots = Rule::slots;
  WEFT_SHARED(typename Rule::Prepared, prepared_once, [1]);
  if (raised(fault)) return;
  const Moment moment{double(*learning_rate), *iteration + 1};
  if (threadIdx.x == 0) prepared_once[0] = rule.prepare(moment, shared);
  int p = 0;
  uint32_t begin = 0;
  for (int high = parameters.count - 1; p < high;) {  // the first parameter that ends after this block
    const int middle = (p + high) / 2;
    if (blockIdx.x < parameters.at[middle].end) high = middle;
    else p = middle + 1;
  }
  if (p > 0) begin = parameters.at[p - 1].end;
  const Parameter<slots>& parameter = parameters.at[p];
  const float keep = float(1 - moment.learning_rate * parameter.decay);
  const int64_t first = int64_t(blockIdx.x - begin) * update_chunk;
  const int count = int(parameter.n - first < update_chunk ? parameter.n - first : update_chunk);
  bool packed = aligned(parameter.w, 16) && aligned(parameter.g, 16) && aligned(parameter.new_w, 16);
#pragma unroll
  for (int k = 0; k < slots; k++) packed = packed && aligned(parameter.slot[k], 16) && aligned(parameter.new_slot[k], 16);
  __syncthreads();
  const typename Rule::Prepared prepared = prepared_once[0];
  const int packs = packed ? count / 4 : 0;
  for (int i = threadIdx.x; i < packs; i += blockDim.x) {
    const int64_t at = first + int64_t(i) * 4;
    Pack<float, 4> w = load_pack<4>(parameter.w + at), slot[slots > 0 ? slots : 1];
    const Pack<float, 4> g = load_pack<4>(parameter.g + at);
#pragma unroll
    for (int k = 0; k < slots; k++) slot[k] = load_pack<4>(parameter.slot[k] + at);
#pragma unroll
    for (int e = 0; e < 4; e++) {
      float s[slots > 0 ? slots : 1];
#pragma unroll
      for (int k = 0; k < slots; k++) s[k] = slot[k].at[e];
      prepared.update(w.at[e], g.at[e], s, keep);
#pragma unroll
      for (int k = 0; k < slots; k++) slot[k].at[e] = s[k];
    }
    if (parameter.new_w) store_pack(parameter.new_w + at, w);
#pragma unroll
    for (int k = 0; k < slots; k++)
      if (parameter.new_slot[k]) store_pack(parameter.new_slot[k] + at, slot[k]);
  }
  for (int i = packs * 4 + int(threadIdx.x); i < count; i += blockDim.x) {
    const int64_t at = first + i;
    float w = parameter.w[at], s[slots > 0 ? slots : 1];
#pragma unroll
    for (int k = 0; k < slots; k++) s[k] = parameter.slot[k][at];
    prepared.update(w, parameter.g[at], s, keep);
    if (parameter.new_w) parameter.new_w[at] = w;
#pragma unroll
    for (int k = 0; k < slots; k++)
      if (parameter.new_slot[k]) parameter.new_slot[k][at] = s[k];
  }
}

/**
 * Binds an optimizer. After the two scalars come `shared_values` further inputs, and as many outputs come before those
 * of the parameters.
 */
template <class Rule> Step bind_update(Call& call, const Rule& rule, size_t shared_values = 0) {
  constexpr int slots = Rule::slots;
  constexpr size_t tensors = 2 + slots;
  const View learning_rate = call.in[0], iteration = call.in[1];
  const View shared = shared_values > 0 ? call.in[2] : View();
  const std::vector<double> decay = call.attrs.numbers("decay");
  const size_t first = 2 + shared_values, count = decay.size();
  require(first + count * tensors == call.in.size() && shared_values + count * (tensors - 1) == call.out.size(), "ERR_ARGUMENT", call.op,
          ": the tensors do not match `decay`");
  call.guarded = true;
  struct Tensors {
    std::array<View, tensors> in;
    std::array<View, tensors - 1> out;
    double decay;
  };
  std::vector<Tensors> list;
  for (size_t p = 0; p < count; p++) {
    Tensors one;
    one.decay = decay[p];
    for (size_t k = 0; k < tensors; k++) one.in[k] = call.in[first + p * tensors + k];
    for (size_t k = 0; k + 1 < tensors; k++) {
      one.out[k] = call.out[shared_values + p * (tensors - 1) + k];
      if (one.out[k].used()) call.in_place(first + p * tensors + (k == 0 ? 0 : k + 1), shared_values + p * (tensors - 1) + k);
    }
    require(one.in[0].dtype == DType::float32, "ERR_DTYPE", call.op, ": ", name_of(one.in[0].dtype), " is not supported");
    if (one.in[0].size() > 0) list.push_back(one);
  }
  return [=](const Frame& frame) {
    auto address = [&](const View& view) { return view.used() ? frame.at<float>(view) : nullptr; };
    for (size_t done = 0; done < list.size();) {
      Parameters<Rule::slots> parameters;
      uint32_t blocks = 0;
      int64_t longest = 0;
      for (; done < list.size() && parameters.count < parameters.most; done++) {
        const Tensors& from = list[done];
        Parameter<Rule::slots>& to = parameters.at[parameters.count++];
        to.w = address(from.in[0]);
        to.g = address(from.in[1]);
        to.new_w = address(from.out[0]);
        for (int k = 0; k < slots; k++) {
          to.slot[k] = address(from.in[size_t(2 + k)]);
          to.new_slot[k] = address(from.out[size_t(1 + k)]);
        }
        to.decay = from.decay;
        to.n = from.in[0].size();
        to.end = blocks += uint32_t(divide_up(to.n, update_chunk));
        longest = std::max(longest, to.n);
      }
      const unsigned block = block_for(divide_up(longest, 4));
      launch(frame, {.grid = dim3(blocks), .block = dim3(block)}, update_parameters<Rule>, parameters, rule, frame.at<float>(learning_rate),
             frame.at<int32_t>(iteration), shared.used() ? frame.at<float>(shared) : nullptr, frame.fault);
    }
  };
}

}  // namespace weft::cuda
