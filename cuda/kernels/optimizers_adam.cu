// adam (Kingma & Ba 2015), adamax and nadam. Formulas follow Keras 3; bias corrections are computed in double
// precision, once per block.
#include "optimizers.cuh"

namespace weft::cuda {
namespace {

/** Slots: mean, mean square; with amsgrad also its largest value. */
template <bool amsgrad> struct Adam {
  static constexpr int slots = amsgrad ? 3 : 2;
  double beta1, beta2;
  float epsilon;
  struct Prepared {
    float rate, beta1, rest1, beta2, rest2, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] = beta1 * slot[0] + rest1 * g;
      slot[1] = beta2 * slot[1] + rest2 * (g * g);
      float scale = slot[1];
      if constexpr (amsgrad) slot[2] = scale = slot[2] > scale ? slot[2] : scale;
      w = w * keep - rate * slot[0] / (sqrtf(scale) + epsilon);
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const {
    const double rate = moment.learning_rate * ::sqrt(1 - whole_power(beta2, moment.step)) / (1 - whole_power(beta1, moment.step));
    return {float(rate), float(beta1), float(1 - beta1), float(beta2), float(1 - beta2), epsilon};
  }
};

KERNEL(cuda, adam) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2");
  const float epsilon = float(call.attrs.number("epsilon"));
  if (call.attrs.flag("amsgrad")) return bind_update(call, Adam<true>{beta1, beta2, epsilon});
  return bind_update(call, Adam<false>{beta1, beta2, epsilon});
}

/** Slots: mean, largest decayed gradient. */
struct Adamax {
  static constexpr int slots = 2;
  double beta1, beta2;
  float epsilon;
  struct Prepared {
    float rate, beta1, rest1, beta2, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] = beta1 * slot[0] + rest1 * g;
      const float size = fabsf(g), old = beta2 * slot[1];
      slot[1] = old > size ? old : size;
      w = w * keep - rate * slot[0] / (slot[1] + epsilon);
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const {
    const double rate = moment.learning_rate / (1 - whole_power(beta1, moment.step));
    return {float(rate), float(beta1), float(1 - beta1), float(beta2), epsilon};
  }
};

KERNEL(cuda, adamax) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2");
  return bind_update(call, Adamax{beta1, beta2, float(call.attrs.number("epsilon"))});
}

/** Keras 3's momentum schedule (Dozat 2016). */
__device__ inline double nadam_momentum(double beta1, int32_t step) { return beta1 * (1 - 0.5 * whole_power(0.96, step)); }

/** Slots: mean, mean square. Shared: the product of the momenta so far. */
struct Nadam {
  static constexpr int slots = 2;
  double beta1, beta2;
  float epsilon;
  struct Prepared {
    float by_mean, by_gradient, correction, beta1, rest1, beta2, rest2, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] = beta1 * slot[0] + rest1 * g;
      slot[1] = beta2 * slot[1] + rest2 * (g * g);
      w = w * keep - (by_mean * slot[0] + by_gradient * g) / (sqrtf(slot[1] * correction) + epsilon);
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float* product) const {
    const double now = nadam_momentum(beta1, moment.step), next = nadam_momentum(beta1, moment.step + 1);
    const double so_far = double(*product) * now;
    return {float(moment.learning_rate * next / (1 - so_far * next)),
            float(moment.learning_rate * (1 - now) / (1 - so_far)),
            float(1 / (1 - whole_power(beta2, moment.step))),
            float(beta1),
            float(1 - beta1),
            float(beta2),
            float(1 - beta2),
            epsilon};
  }
};

/** After all updates, which read the old product. */
__global__ void update_product(const float* product, float* new_product, const int32_t* iteration, double beta1, const Fault* fault) {
  if (!raised(fault)) *new_product = float(double(*product) * nadam_momentum(beta1, *iteration + 1));
}

KERNEL(cuda, nadam) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2");
  const View iteration = call.in[1], product = call.in[2], new_product = call.out[0];
  if (new_product.used()) call.in_place(2, 0);
  const Step update = bind_update(call, Nadam{beta1, beta2, float(call.attrs.number("epsilon"))}, 1);
  return [=](const Frame& frame) {
    update(frame);
    if (new_product.used())
      launch(frame, {.grid = dim3(1), .block = dim3(1)}, update_product, frame.at<float>(product), frame.at<float>(new_product),
             frame.at<int32_t>(iteration), beta1, frame.fault);
  };
}

}  // namespace
}  // namespace weft::cuda
