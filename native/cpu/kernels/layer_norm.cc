// layerNorm over the rows of [r, c] and its gradient: row by row for the output and dx; dgamma and dbeta are column sums over segments of
// rows, taken while the segment is in the cache and added in order.
#include "pointwise.h"
#include "reduce.h"
#include "row_math.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t panel = 512;  // columns whose totals are kept at once

/** Σ (x - mean)². */
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

template <class T> Step bind_forward(Call& call) {
  const View x = call.in[0], gamma = call.in[1], beta = call.in[2], y = call.out[0], mean = call.out[1], rstd = call.out[2];
  const double epsilon = call.attrs.number("epsilon");
  const int64_t n = x.dim(-1), rows = x.dim(0);
  if (y.used()) call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T *scale = frame.at<T>(gamma), *shift = frame.at<T>(beta);
    for_rows(rows, n, function_grain * 2, [&](int64_t r) {
      const T* from = frame.at<T>(x) + r * n;
      const T average = T(row_sum(from, n) / T(n)),
              inverse = T(1 / std::sqrt(double(row_deviation(from, average, n)) / double(n) + epsilon));
      if (mean.used()) frame.at<T>(mean)[r] = average;
      if (rstd.used()) frame.at<T>(rstd)[r] = inverse;
      if (!y.used()) return;
      T* to = frame.at<T>(y) + r * n;
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) to[i] = (from[i] - average) * inverse * scale[i] + shift[i];
    });
  };
}

/** Σ g·gamma and Σ g·gamma·(x - mean)·rstd of a row. */
inline void row_gradient_sums(const float* g, const float* x, const float* gamma, float mean, float rstd, int64_t n, float& plain,
                              float& weighted) {
  RowSum first, second;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec a = load_lanes(g + i, m) * load_lanes(gamma + i, m);
        first.add(a);
        second.add(a * ((load_lanes(x + i, m) - mean) * rstd));  // beyond the end a is 0
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

template <class T> void gradient_row(const T* g, const T* x, const T* gamma, T mean, T rstd, int64_t n, T* dx) {
  T plain, weighted;
  row_gradient_sums(g, x, gamma, mean, rstd, n, plain, weighted);
  plain /= T(n);
  weighted /= T(n);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; i++) dx[i] = rstd * (g[i] * gamma[i] - plain - (x[i] - mean) * rstd * weighted);
}

/** Column sums of g·(x - mean)·rstd and of g over one segment. */
template <class T>
void segment_sums(const T* g, const T* x, const T* mean, const T* rstd, int64_t rows, int64_t n, double* dgamma, double* dbeta) {
  for (int64_t first = 0; first < n; first += panel) {
    const int64_t count = std::min(panel, n - first);
    const T *p = g + first, *q = x + first;
    reduce_columns<Sum<T>>(rows, count, dbeta + first, [=]<class V>(int64_t i, int64_t j) { return load_as<V>(p + i * n + j); });
    reduce_columns<Sum<T>>(rows, count, dgamma + first, [=]<class V>(int64_t i, int64_t j) {
      return load_as<V>(p + i * n + j) * ((load_as<V>(q + i * n + j) - mean[i]) * rstd[i]);
    });
  }
}

template <class T> Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], mean = call.in[3], rstd = call.in[4];
  const View dx = call.out[0], dgamma = call.out[1], dbeta = call.out[2];
  const int64_t n = x.dim(-1), rows = x.dim(0);
  const RowSegments segments(rows, n);
  const bool totals = dgamma.used() || dbeta.used();
  const View partials = totals ? call.scratch(size_t(std::max<int64_t>(1, segments.count) * n * 2) * sizeof(double)) : View();
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  return [=](const Frame& frame) {
    const T *gradient = frame.at<T>(g), *value = frame.at<T>(x), *average = frame.at<T>(mean), *inverse = frame.at<T>(rstd);
    double* partial = totals ? frame.at<double>(partials) : nullptr;
    parallel(segments.count, [&](int64_t s, int) {
      const int64_t begin = segments.begin(s), count = segments.size(s);
      double* p = partial + s * n * 2;
      if (totals)
        segment_sums(gradient + begin * n, value + begin * n, average + begin, inverse + begin, count, n, p,
                     p + n);  // before dx overwrites g or x
      if (!dx.used()) return;
      for (int64_t r = begin; r < begin + count; r++)
        gradient_row(gradient + r * n, value + r * n, frame.at<T>(gamma), average[r], inverse[r], n, frame.at<T>(dx) + r * n);
    });
    if (!totals) return;
    for (int64_t j = 0; j < n; j++) {
      double weighted = 0, plain = 0;
      for (int64_t s = 0; s < segments.count; s++) {
        weighted += partial[s * n * 2 + j];
        plain += partial[s * n * 2 + n + j];
      }
      if (dgamma.used()) frame.at<T>(dgamma)[j] = T(weighted);
      if (dbeta.used()) frame.at<T>(dbeta)[j] = T(plain);
    }
  };
}

}  // namespace

KERNEL(cpu, layerNorm) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double>(wide.in[0].dtype, [&]<class T>() { return bind_forward<T>(wide); }); });
}
KERNEL(cpu, layerNormGrad) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double>(wide.in[0].dtype, [&]<class T>() { return bind_gradient<T>(wide); }); });
}

}  // namespace weft::cpu::WEFT_ISA
