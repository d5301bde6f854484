// softmax, logSoftmax and their gradients over the last axis, row by row. The first pass over a row reads it from
// memory, the later ones from the cache.
#include "pointwise.h"
#include "short_rows.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

inline void softmax_row(const float* x, float* y, int64_t n) {
  const Vec scale = broadcast(1.0f / row_exp(x, row_max(x, n), y, n));
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { store_lanes(y + i, load_lanes(y + i, m) * scale, m); });
}
inline void softmax_row(const double* x, double* y, int64_t n) {
  const double total = row_exp(x, row_max(x, n), y, n);
  for (int64_t i = 0; i < n; i++) y[i] /= total;
}

template <class T> void log_softmax_row(const T* x, T* y, int64_t n) {
  T* const unkept = nullptr;
  const T most = row_max(x, n), shift = log_total(row_exp(x, most, unkept, n), x, most, static_cast<const T*>(unkept), n);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; i++) y[i] = (x[i] - most) - shift;
}

template <class T> void softmax_gradient_row(const T* g, const T* y, T* dx, int64_t n) {
  const T dot = row_dot(g, y, n);
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (g[i] - dot);
}

inline void log_softmax_gradient_row(const float* g, const float* y, float* dx, int64_t n) {
  const Vec total = broadcast(row_sum(g, n));
  for_lanes(
      n, [&](int64_t i, int m)
             __attribute__((always_inline)) { store_lanes(dx + i, load_lanes(g + i, m) - exp(load_lanes(y + i, m)) * total, m); });
}
inline void log_softmax_gradient_row(const double* g, const double* y, double* dx, int64_t n) {
  const double total = row_sum(g, n);
  for (int64_t i = 0; i < n; i++) dx[i] = g[i] - std::exp(y[i]) * total;
}

template <class T> WEFT_BINDER Step bind_rows(Call& call, void (*row)(const T*, T*, int64_t)) {
  const View x = call.in[0], y = call.out[0];
  const int64_t n = x.dim(-1), rows = n == 0 ? 0 : x.size() / n;
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    T* to = frame.at<T>(y);
    for_rows(rows, n, function_grain, [&](int64_t r) { row(from + r * n, to + r * n, n); });
  };
}

WEFT_BINDER Step bind_softmax_short(Call& call) {
  const View x = call.in[0], y = call.out[0];
  const int64_t n = x.dim(-1), rows = x.size() / n;
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    for_short_rows(rows, n, function_grain, [&](int64_t first, int count) {
      TurnedRows turned(frame.at<float>(x) + first * n, n, count);
      Vec most;
      const Vec total = turned.take_powers(most);
      turned.scale(broadcast(1.0f) / total);
      turned.store(frame.at<float>(y) + first * n);
    });
  };
}

template <class T> WEFT_BINDER Step bind_gradient_rows(Call& call, void (*row)(const T*, const T*, T*, int64_t)) {
  const View g = call.in[0], y = call.in[1], dx = call.out[0];
  const int64_t n = y.dim(-1), rows = n == 0 ? 0 : y.size() / n;
  call.in_place(0, 0);
  call.in_place(1, 0);
  return [=](const Frame& frame) {
    const T *gradient = frame.at<T>(g), *value = frame.at<T>(y);
    T* to = frame.at<T>(dx);
    for_rows(rows, n, function_grain, [&](int64_t r) { row(gradient + r * n, value + r * n, to + r * n, n); });
  };
}

}  // namespace

KERNEL(cpu, softmax) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) {
    const int64_t n = of.in[0].dim(-1);
    if (std::is_same_v<T, float> && n > 0 && n <= most_short_columns) return bind_softmax_short(of);
    return bind_rows<T>(of, softmax_row);
  });
}
KERNEL(cpu, logSoftmax) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_rows<T>(of, log_softmax_row); });
}
KERNEL(cpu, softmaxGrad) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_gradient_rows<T>(of, softmax_gradient_row); });
}
KERNEL(cpu, logSoftmaxGrad) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_gradient_rows<T>(of, log_softmax_gradient_row); });
}

}  // namespace weft::cpu::WEFT_ISA
