// layerNorm over the rows of [r, c] and its gradient.
#include "row_norm.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Σ (x - mean)² of a row. */
inline float row_deviation(const float* x, float mean, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec d = keep_lanes(load_lanes(x + i, m) - mean, m, zero());
        total.add(d * d);
      });
  return total.total();
}
inline double row_deviation(const double* x, double mean, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i++) total += (x[i] - mean) * (x[i] - mean);
  return total;
}

/** Σ g·gamma and Σ g·gamma·(x - mean)·rstd of a row. */
inline void row_gradient_sums(const float* g, const float* x, const float* gamma, float mean, float rstd, int64_t n, float& plain,
                              float& weighted) {
  RowSum first, second;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec a = load_lanes(g + i, m) * load_lanes(gamma + i, m);
        first.add(a);
        second.add(a * ((load_lanes(x + i, m) - mean) * rstd));  // a is 0 in the lanes behind the end of the row
      });
  plain = first.total();
  weighted = second.total();
}
inline void row_gradient_sums(const double* g, const double* x, const double* gamma, double mean, double rstd, int64_t n, double& plain,
                              double& weighted) {
  plain = weighted = 0;
  for (int64_t i = 0; i < n; i++) {
    plain += g[i] * gamma[i];
    weighted += g[i] * gamma[i] * ((x[i] - mean) * rstd);
  }
}

struct LayerNorm {
  static constexpr bool centred = true;

  template <class T> static RowScale<T> scale(const T* x, int64_t n, double epsilon) {
    const T mean = T(row_sum(x, n) / T(n));
    return {mean, T(1 / std::sqrt(double(row_deviation(x, mean, n)) / double(n) + epsilon))};
  }
  template <class T> static void gradient_row(const T* g, const T* x, const T* gamma, RowScale<T> scale, int64_t n, T* dx) {
    const auto [mean, rstd] = scale;
    T plain, weighted;
    row_gradient_sums(g, x, gamma, mean, rstd, n, plain, weighted);
    plain /= T(n);
    weighted /= T(n);
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) dx[i] = rstd * (g[i] * gamma[i] - plain - (x[i] - mean) * rstd * weighted);
  }
  template <class V, class T> static WEFT_INLINE V term(V g, V x, RowScale<T> scale) { return g * ((x - scale.mean) * scale.rstd); }
};

}  // namespace

KERNEL(cpu, layerNorm) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_row_norm<LayerNorm, T>(of); });
}
KERNEL(cpu, layerNormGrad) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_row_norm_gradient<LayerNorm, T>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
