// sgd, rmsprop, adagrad, adadelta and lion. Formulas follow Keras 3.
#include "optimizers.h"

#include <cmath>

namespace weft::cpu::WEFT_ISA {

KERNEL(cpu, sgd) {
  const double momentum = call.attrs.number("momentum");
  const bool nesterov = call.attrs.flag("nesterov"), plain = call.in.size() < 2 + call.attrs.numbers("decay").size() * 3;
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate), mu = T(momentum);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *v = s.in[2], keep = s.keep;
        T *new_w = s.out[0], *new_v = s.out[1];
        if (plain) {
          WEFT_INDEPENDENT
          for (int64_t i = 0; i < s.n; i++) new_w[i] = w[i] * keep - rate * g[i];
        } else if (nesterov) {
          WEFT_INDEPENDENT
          for (int64_t i = 0; i < s.n; i++) {
            const T gradient = g[i], velocity = mu * v[i] - rate * gradient;
            new_w[i] = w[i] * keep + (mu * velocity - rate * gradient);
            new_v[i] = velocity;
          }
        } else {
          WEFT_INDEPENDENT
          for (int64_t i = 0; i < s.n; i++) {
            const T velocity = mu * v[i] - rate * g[i];
            new_w[i] = w[i] * keep + velocity;
            new_v[i] = velocity;
          }
        }
      };
    });
  });
}

KERNEL(cpu, rmsprop) {
  const double rho = call.attrs.number("rho"), momentum = call.attrs.number("momentum"), epsilon = call.attrs.number("epsilon");
  const bool centered = call.attrs.flag("centered"), heavy = momentum > 0;
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate), mu = T(momentum), decay = T(rho), rest = T(1 - rho), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *v = s.in[2], keep = s.keep;
        T *new_w = s.out[0], *new_v = s.out[1];
        const size_t average = heavy ? 4 : 3;
        const T* m = s.in[3];
        T* new_m = s.out[2];
        const T* a = s.in[average];
        T* new_a = s.out[average - 1];
        auto loop = [=, n = s.n]<bool Heavy, bool Centered>() {
          WEFT_INDEPENDENT
          for (int64_t i = 0; i < n; i++) {
            const T gradient = g[i], square = decay * v[i] + rest * gradient * gradient;
            T variance = square;
            if constexpr (Centered) {
              const T mean = decay * a[i] + rest * gradient;
              variance -= mean * mean;
              variance = variance < 0 ? T(0) : variance;  // rounding may have made it negative; NaN stays NaN
              new_a[i] = mean;
            }
            T step = rate * gradient / std::sqrt(variance + eps);
            if constexpr (Heavy) {
              step += mu * m[i];
              new_m[i] = step;
            }
            new_v[i] = square;
            new_w[i] = w[i] * keep - step;
          }
        };
        if (heavy) centered ? loop.template operator()<true, true>() : loop.template operator()<true, false>();
        else centered ? loop.template operator()<false, true>() : loop.template operator()<false, false>();
      };
    });
  });
}

KERNEL(cpu, adagrad) {
  const double epsilon = call.attrs.number("epsilon");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *a = s.in[2], keep = s.keep;
        T *new_w = s.out[0], *new_a = s.out[1];
        WEFT_INDEPENDENT
        for (int64_t i = 0; i < s.n; i++) {
          const T gradient = g[i], total = a[i] + gradient * gradient;
          new_w[i] = w[i] * keep - rate * gradient / std::sqrt(total + eps);
          new_a[i] = total;
        }
      };
    });
  });
}

KERNEL(cpu, adadelta) {
  const double rho = call.attrs.number("rho"), epsilon = call.attrs.number("epsilon");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate), decay = T(rho), rest = T(1 - rho), eps = T(epsilon);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *a = s.in[2], *u = s.in[3], keep = s.keep;
        T *new_w = s.out[0], *new_a = s.out[1], *new_u = s.out[2];
        WEFT_INDEPENDENT
        for (int64_t i = 0; i < s.n; i++) {
          const T gradient = g[i], square = decay * a[i] + rest * gradient * gradient;
          const T step = std::sqrt(u[i] + eps) / std::sqrt(square + eps) * gradient;
          new_w[i] = w[i] * keep - rate * step;
          new_u[i] = decay * u[i] + rest * step * step;
          new_a[i] = square;
        }
      };
    });
  });
}

KERNEL(cpu, lion) {
  const double beta1 = call.attrs.number("beta1"), beta2 = call.attrs.number("beta2");
  return by_parameter_dtype(call, 0, [&]<class T>() {
    return bind_update<T>(call, [=](const Frame&, const Moment& moment) {
      const T rate = T(moment.learning_rate), b1 = T(beta1), c1 = T(1 - beta1), b2 = T(beta2), c2 = T(1 - beta2);
      return [=](const Stretch<T>& s) {
        const T *w = s.in[0], *g = s.in[1], *m = s.in[2], keep = s.keep;
        T *new_w = s.out[0], *new_m = s.out[1];
        WEFT_INDEPENDENT
        for (int64_t i = 0; i < s.n; i++) {
          const T gradient = g[i], mean = m[i], direction = b1 * mean + c1 * gradient;
          const T sign = direction > 0 ? T(1) : direction < 0 ? T(-1) : direction;  // NaN stays NaN
          new_w[i] = w[i] * keep - rate * sign;
          new_m[i] = b2 * mean + c2 * gradient;
        }
      };
    });
  });
}

}  // namespace weft::cpu::WEFT_ISA
