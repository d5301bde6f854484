// sgd, rmsprop, adagrad, adadelta and lion. Formulas follow Keras 3.
#include "optimizers.cuh"

namespace weft::cuda {
namespace {

struct Sgd {
  static constexpr int slots = 0;
  struct Prepared {
    float rate;
    __device__ __forceinline__ void update(float& w, float g, float*, float keep) const { w = w * keep - rate * g; }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const { return {float(moment.learning_rate)}; }
};

struct Momentum {
  static constexpr int slots = 1;
  float momentum;
  bool nesterov;
  struct Prepared {
    float rate, momentum;
    bool nesterov;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      const float velocity = momentum * slot[0] - rate * g;
      w = w * keep + (nesterov ? momentum * velocity - rate * g : velocity);
      slot[0] = velocity;
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const { return {float(moment.learning_rate), momentum, nesterov}; }
};

KERNEL(cuda, sgd) {
  const double momentum = call.attrs.number("momentum");
  const bool nesterov = call.attrs.flag("nesterov"), plain = call.in.size() < 2 + call.attrs.numbers("decay").size() * 3;
  return plain ? bind_update(call, Sgd{}) : bind_update(call, Momentum{float(momentum), nesterov});
}

/** Slots: the mean square; with momentum its buffer; when centered the mean. */
template <bool heavy, bool centered> struct RmsProp {
  static constexpr int slots = 1 + heavy + centered;
  float momentum, rho, rest, epsilon;
  struct Prepared {
    float rate, momentum, rho, rest, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] = rho * slot[0] + rest * g * g;
      float variance = slot[0];
      if constexpr (centered) {
        float& mean = slot[slots - 1];
        mean = rho * mean + rest * g;
        variance -= mean * mean;
        variance = variance < 0 ? 0.0f : variance;  // rounding may leave less than nothing; NaN stays NaN
      }
      float step = rate * g / sqrtf(variance + epsilon);
      if constexpr (heavy) slot[1] = step += momentum * slot[1];
      w = w * keep - step;
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const {
    return {float(moment.learning_rate), momentum, rho, rest, epsilon};
  }
};

KERNEL(cuda, rmsprop) {
  const double rho = call.attrs.number("rho"), momentum = call.attrs.number("momentum"), epsilon = call.attrs.number("epsilon");
  const bool centered = call.attrs.flag("centered"), heavy = momentum > 0;
  auto bind = [&]<bool Heavy, bool Centered>() {
    return bind_update(call, RmsProp<Heavy, Centered>{float(momentum), float(rho), float(1 - rho), float(epsilon)});
  };
  if (heavy) return centered ? bind.template operator()<true, true>() : bind.template operator()<true, false>();
  return centered ? bind.template operator()<false, true>() : bind.template operator()<false, false>();
}

struct Adagrad {
  static constexpr int slots = 1;
  float epsilon;
  struct Prepared {
    float rate, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] += g * g;
      w = w * keep - rate * g / sqrtf(slot[0] + epsilon);
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const { return {float(moment.learning_rate), epsilon}; }
};

KERNEL(cuda, adagrad) { return bind_update(call, Adagrad{float(call.attrs.number("epsilon"))}); }

/** Slots: the mean square of the gradients, that of the steps. */
struct Adadelta {
  static constexpr int slots = 2;
  float rho, rest, epsilon;
  struct Prepared {
    float rate, rho, rest, epsilon;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      slot[0] = rho * slot[0] + rest * g * g;
      const float step = sqrtf(slot[1] + epsilon) / sqrtf(slot[0] + epsilon) * g;
      w = w * keep - rate * step;
      slot[1] = rho * slot[1] + rest * step * step;
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const { return {float(moment.learning_rate), rho, rest, epsilon}; }
};

KERNEL(cuda, adadelta) {
  const double rho = call.attrs.number("rho"), epsilon = call.attrs.number("epsilon");
  return bind_update(call, Adadelta{float(rho), float(1 - rho), float(epsilon)});
}

struct Lion {
  static constexpr int slots = 1;
  float beta1, rest1, beta2, rest2;
  struct Prepared {
    float rate, beta1, rest1, beta2, rest2;
    __device__ __forceinline__ void update(float& w, float g, float* slot, float keep) const {
      const float direction = beta1 * slot[0] + rest1 * g;
      const float sign = direction > 0 ? 1.0f : direction < 0 ? -1.0f : direction;  // NaN stays NaN
      w = w * keep - rate * sign;
      slot[0] = beta2 * slot[0] + rest2 * g;
    }
  };
  __device__ Prepared prepare(const Moment& moment, const float*) const {
    return {float(moment.learning_rate), beta1, rest1, beta2, rest2};
  }
};

KERNEL(cuda, lion) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2");
  return bind_update(call, Lion{float(beta1), float(1 - beta1), float(beta2), float(1 - beta2)});
}

}  // namespace
}  // namespace weft::cuda
