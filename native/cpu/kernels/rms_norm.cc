// rmsNorm over the rows of [r, c] and its gradient: row by row for the output and dx; dgamma is a column sum over segments of rows,
// taken while the segment is in the cache and added in order.
#include "pointwise.h"
#include "reduce.h"
#include "row_math.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T> Step bind_forward(Call& call) {
  const View x = call.in[0], gamma = call.in[1], y = call.out[0], rstd = call.out[1];
  const double epsilon = call.attrs.number("epsilon");
  const int64_t n = x.dim(-1), rows = x.dim(0);
  if (y.used()) call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T* scale = frame.at<T>(gamma);
    for_rows(rows, n, function_grain * 2, [&](int64_t r) {
      const T* from = frame.at<T>(x) + r * n;
      const T inverse = T(1 / std::sqrt(double(row_dot(from, from, n)) / double(n) + epsilon));
      if (rstd.used()) frame.at<T>(rstd)[r] = inverse;
      if (!y.used()) return;
      T* to = frame.at<T>(y) + r * n;
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) to[i] = from[i] * inverse * scale[i];
    });
  };
}

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

template <class T> void gradient_row(const T* g, const T* x, const T* gamma, T rstd, int64_t n, T* dx) {
  const T slope = row_product(g, gamma, x, n) / T(n) * rstd * rstd;
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; i++) dx[i] = rstd * (g[i] * gamma[i] - x[i] * slope);
}

template <class T> Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], rstd = call.in[3];
  const View dx = call.out[0], dgamma = call.out[1];
  const int64_t n = x.dim(-1), rows = x.dim(0);
  const RowSegments segments(rows, n);
  const bool totals = dgamma.used();
  const View partials = totals ? call.scratch(size_t(std::max<int64_t>(1, segments.count) * n) * sizeof(double)) : View();
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  return [=](const Frame& frame) {
    const T *gradient = frame.at<T>(g), *value = frame.at<T>(x), *inverse = frame.at<T>(rstd);
    double* partial = totals ? frame.at<double>(partials) : nullptr;
    parallel(segments.count, [&](int64_t s, int) {
      const int64_t begin = segments.begin(s), count = segments.size(s);
      if (totals) {  // before dx overwrites g or x
        const T *p = gradient + begin * n, *q = value + begin * n, *scale = inverse + begin;
        reduce_columns<Sum<T>>(count, n, partial + s * n, [=]<class V>(int64_t i, int64_t j) {
          return load_as<V>(p + i * n + j) * (load_as<V>(q + i * n + j) * scale[i]);
        });
      }
      if (!dx.used()) return;
      for (int64_t r = begin; r < begin + count; r++)
        gradient_row(gradient + r * n, value + r * n, frame.at<T>(gamma), inverse[r], n, frame.at<T>(dx) + r * n);
    });
    if (!totals) return;
    for (int64_t j = 0; j < n; j++) {
      double total = 0;
      for (int64_t s = 0; s < segments.count; s++) total += partial[s * n + j];
      frame.at<T>(dgamma)[j] = T(total);
    }
  };
}

}  // namespace

KERNEL(cpu, rmsNorm) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double>(wide.in[0].dtype, [&]<class T>() { return bind_forward<T>(wide); }); });
}
KERNEL(cpu, rmsNormGrad) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double>(wide.in[0].dtype, [&]<class T>() { return bind_gradient<T>(wide); }); });
}

}  // namespace weft::cpu::WEFT_ISA
