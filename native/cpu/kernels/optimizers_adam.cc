// adam (Kingma & Ba 2015), adamax and nadam. Formulas follow Keras 3; bias corrections are computed in double.
#include <cmath>

#include "optimizers.h"

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, adam) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2"), epsilon = call.attrs.number("epsilon");
  const bool amsgrad = call.attrs.flag("amsgrad");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate * std::sqrt(1 - std::pow(beta2, moment.step)) / (1 - std::pow(beta1, moment.step)));
      const T b1 = T(beta1), c1 = T(1 - beta1), b2 = T(beta2), c2 = T(1 - beta2), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *m = s.in[2], *v = s.in[3], *most = s.in[4], keep = s.keep;
        T *new_w = s.out[0], *new_m = s.out[1], *new_v = s.out[2], *new_most = s.out[3];
        auto loop = [=, n = s.n]<bool Amsgrad>() {
          WEFT_INDEPENDENT
          for (int64_t i = 0; i < n; i++) {
            const T gradient = g[i], mean = b1 * m[i] + c1 * gradient, square = b2 * v[i] + c2 * (gradient * gradient);
            T scale = square;
            if constexpr (Amsgrad) {
              scale = most[i] > square ? most[i] : square;
              new_most[i] = scale;
            }
            new_m[i] = mean;
            new_v[i] = square;
            new_w[i] = w[i] * keep - rate * mean / (std::sqrt(scale) + eps);
          }
        };
        if (amsgrad) loop.template operator()<true>();
        else loop.template operator()<false>();
      };
    });
  });
}

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
