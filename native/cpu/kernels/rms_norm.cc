// rmsNorm over the rows of [r, c] and its gradient.
#include "row_norm.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Σ g·gamma·x of a row. */
inline float row_product(const float* g, const float* gamma, const float* x, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m)
             __attribute__((always_inline)) { total.add(load_lanes(g + i, m) * load_lanes(gamma + i, m) * load_lanes(x + i, m)); });
  return total.total();
}
inline double row_product(const double* g, const double* gamma, const double* x, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += g[i] * gamma[i] * x[i];
  return total;
}

struct RmsNorm {
  static constexpr bool centred = false;

  template <class T> static RowScale<T> scale(const T* x, int64_t n, double epsilon) {
    return {T(0), T(1 / std::sqrt(double(row_dot(x, x, n)) / double(n) + epsilon))};
  }
  template <class T> static void gradient_row(const T* g, const T* x, const T* gamma, RowScale<T> scale, int64_t n, T* dx) {
    const T rstd = scale.rstd, slope = row_product(g, gamma, x, n) / T(n) * rstd * rstd;
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dx[i] = rstd * (g[i] * gamma[i] - x[i] * slope);
  }
  template <class V, class T> static WEFT_INLINE V term(V g, V x, RowScale<T> scale) { return g * (x * scale.rstd); }
};

}  // namespace

KERNEL(cpu, rmsNorm) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_row_norm<RmsNorm, T>(of); });
}
KERNEL(cpu, rmsNormGrad) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_row_norm_gradient<RmsNorm, T>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
