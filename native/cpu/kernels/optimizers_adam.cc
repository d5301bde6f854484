// adam (Kingma & Ba 2015), adamax and nadam. Formulas follow Keras 3; bias corrections are computed in double.
#include <cmath>
#include <type_traits>

#include "lanes.h"
#include "optimizers.h"

namespace weft::cpu::WEFT_ISA {

namespace {

/** What a step of adam has in common for all elements. */
template <class T> struct AdamStep { T rate, b1, c1, b2, c2, epsilon; };

/**
 * By whole vectors, and the last one by a mask. Root and quotient share a unit of the processor, and would take longer
 * than all the rest.
 */
template <class T, bool amsgrad> void update_by_adam(const Stretch<T>& s, const AdamStep<T>& step) {
  using V = Vector<T>;
  constexpr int lanes = lanes_of<T>;
  const auto update = [&](int64_t i, auto&& load_at, auto&& store_at) __attribute__((always_inline)) {
    const V gradient = load_at(s.in[1] + i);
    const V mean = fma(splat(step.b1), load_at(s.in[2] + i), splat(step.c1) * gradient);
    const V square = fma(splat(step.b2), load_at(s.in[3] + i), splat(step.c2) * (gradient * gradient));
    V scale = square;
    if constexpr (amsgrad) {
      const V most = load_at(s.in[4] + i);
      scale = select(greater(most, square), most, square);
      store_at(s.out[3] + i, scale);
    }
    const V by = splat(step.rate) * mean / (multiplied_root(scale) + splat(step.epsilon));
    store_at(s.out[1] + i, mean);
    store_at(s.out[2] + i, square);
    store_at(s.out[0] + i, load_at(s.in[0] + i) * splat(s.keep) - by);
  };
  int64_t i = 0;
  for (; i + lanes <= s.n; i += lanes)
    update(
        i, [](const T* from) __attribute__((always_inline)) { return load(from); },
        [](T * to, V v) __attribute__((always_inline)) { store(to, v); });
  if (i == s.n) return;
  const MaskOf<T> rest = lanes_below<T>(int(s.n - i));
  update(
      i, [&](const T* from) __attribute__((always_inline)) { return load_masked(from, rest); },
      [&](T * to, V v) __attribute__((always_inline)) { store_masked(to, v, rest); });
}

}  // namespace

KERNEL(cpu, adam) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2"), epsilon = call.attrs.number("epsilon");
  const bool amsgrad = call.attrs.flag("amsgrad");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    using Gradients = std::conditional_t<sizeof(T) == sizeof(float), MadeGradients, GivenGradients>;
    return bind_update<T, Gradients>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate * std::sqrt(1 - std::pow(beta2, moment.step)) / (1 - std::pow(beta1, moment.step)));
      const AdamStep<T> step{rate, T(beta1), T(1 - beta1), T(beta2), T(1 - beta2), T(epsilon)};
      return [=](const Stretch<T>& s) { amsgrad ? update_by_adam<T, true>(s, step) : update_by_adam<T, false>(s, step); };
    });
  });
}

JOIN(cpu, adam) { return join_gradients(neighbours, joined, taken, bind_adam); }

KERNEL(cpu, adamax) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2"), epsilon = call.attrs.number("epsilon");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate / (1 - std::pow(beta1, moment.step)));
      const T b1 = T(beta1), c1 = T(1 - beta1), b2 = T(beta2), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *m = s.in[2], *u = s.in[3], keep = s.keep;
        T *new_w = s.out[0], *new_m = s.out[1], *new_u = s.out[2];
        WEFT_INDEPENDENT
        for (int64_t i = 0; i < s.n; i++) {
          const T gradient = g[i], mean = b1 * m[i] + c1 * gradient, size = std::fabs(gradient), old = b2 * u[i];
          const T most = old > size ? old : size;
          new_w[i] = w[i] * keep - rate * mean / (most + eps);
          new_m[i] = mean;
          new_u[i] = most;
        }
      };
    });
  });
}

/** The momentum of nadam at a step, as Keras 3 has it (Dozat 2016). */
static double nadam_momentum(double beta1, double step) { return beta1 * (1 - 0.5 * std::pow(0.96, step)); }

KERNEL(cpu, nadam) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2"), epsilon = call.attrs.number("epsilon");
  const View product = call.in[2], new_product = call.out[0];
  if (new_product.used()) call.in_place(2, 0);
  return by_parameter_dtype(call, 1, [&]<class T>() {
    auto prepare = [=](const Frame& frame, const Moment& moment) {
      const double now = nadam_momentum(beta1, moment.step), next = nadam_momentum(beta1, moment.step + 1);
      const double so_far = double(*frame.at<float>(product)) * now;
      const T by_mean = T(moment.learning_rate * next / (1 - so_far * next)),
              by_gradient = T(moment.learning_rate * (1 - now) / (1 - so_far));
      const T correction = T(1 / (1 - std::pow(beta2, moment.step)));
      const T b1 = T(beta1), c1 = T(1 - beta1), b2 = T(beta2), c2 = T(1 - beta2), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *m = s.in[2], *v = s.in[3], keep = s.keep;
        T *new_w = s.out[0], *new_m = s.out[1], *new_v = s.out[2];
        WEFT_INDEPENDENT
        for (int64_t i = 0; i < s.n; i++) {
          const T gradient = g[i], mean = b1 * m[i] + c1 * gradient, square = b2 * v[i] + c2 * (gradient * gradient);
          new_w[i] = w[i] * keep - (by_mean * mean + by_gradient * gradient) / (std::sqrt(square * correction) + eps);
          new_m[i] = mean;
          new_v[i] = square;
        }
      };
    };
    auto finish = [=](const Frame& frame, const Moment& moment) {
      if (new_product.used()) *frame.at<float>(new_product) = float(double(*frame.at<float>(product)) * nadam_momentum(beta1, moment.step));
    };
    return bind_update<T>(call, 1, prepare, finish);
  });
}

}  // namespace weft::cpu::WEFT_ISA
