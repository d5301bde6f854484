// Norms of the rows of [r, c] and their gradients. A rule says which norm it is. The output and dx are computed row by
// row. The gradients of the parameters are sums of columns. Each segment of rows gives its sums while it is in the
// cache, and the sums of the segments are added in order.
#pragma once
#include "pointwise.h"
#include "reduce.h"
#include "row_math.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

/** What a row is normalized with: its mean and 1 / its deviation. The mean is zero for a rule that does not centre. */
template <class T> struct RowScale { T mean, rstd; };

/**
 * Binds the norm of a rule. Its constant `centred` says whether the mean is taken off. Where it is, the op has beta,
 * mean and dbeta too. A rule has three functions. scale(x, n, epsilon) gives the RowScale of a row. gradient_row(g, x,
 * gamma, scale, n, dx) writes a row of dx. term(g, x, scale) is what one element adds to dgamma.
 */
template <class Rule, class T> WEFT_BINDER Step bind_row_norm(Call& call) {
  constexpr bool centred = Rule::centred;
  const View x = call.in[0], gamma = call.in[1], beta = centred ? call.in[2] : View();
  const View y = call.out[0], mean = centred ? call.out[1] : View(), rstd = call.out[centred ? 2 : 1];
  const double epsilon = call.attrs.number("epsilon");
  const int64_t n = x.dim(-1), rows = x.dim(0);
  if (y.used()) call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T *factor = frame.at<T>(gamma), *shift = centred ? frame.at<T>(beta) : nullptr;
    for_rows(rows, n, function_grain * 2, [&](int64_t r) {
      const T* from = frame.at<T>(x) + r * n;
      const auto [average, inverse] = Rule::scale(from, n, epsilon);
      if (centred && mean.used()) frame.at<T>(mean)[r] = average;
      if (rstd.used()) frame.at<T>(rstd)[r] = inverse;
      if (!y.used()) return;
      T* to = frame.at<T>(y) + r * n;
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) {
        if constexpr (centred) to[i] = (from[i] - average) * inverse * factor[i] + shift[i];
        else to[i] = from[i] * inverse * factor[i];
      }
    });
  };
}

template <class Rule, class T> WEFT_BINDER Step bind_row_norm_gradient(Call& call) {
  constexpr bool centred = Rule::centred;
  constexpr int64_t panel = 512;  // columns whose totals are kept at the same time
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], mean = centred ? call.in[3] : View(), rstd = call.in[centred ? 4 : 3];
  const View dx = call.out[0], dgamma = call.out[1], dbeta = centred ? call.out[2] : View();
  const int64_t n = x.dim(-1), rows = x.dim(0), wide = centred ? 2 * n : n;  // how many totals a segment has
  const RowSegments segments(rows, n);
  const bool totals = dgamma.used() || dbeta.used();
  const View partials = totals ? call.scratch(size_t(std::max<int64_t>(1, segments.count) * wide) * sizeof(double)) : View();
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  return [=](const Frame& frame) {
    const T *inverse = frame.at<T>(rstd), *average = centred ? frame.at<T>(mean) : nullptr;
    double* partial = totals ? frame.at<double>(partials) : nullptr;
    parallel(segments.count, [&](int64_t s, int) {
      const int64_t begin = segments.begin(s), count = segments.size(s);
      const T *gradient = frame.at<T>(g) + begin * n, *value = frame.at<T>(x) + begin * n;
      const auto scale_of = [=](int64_t i) { return RowScale<T>{centred ? average[begin + i] : T(0), inverse[begin + i]}; };
      for (int64_t first = 0; totals && first < n; first += panel) {  // first, since dx may overwrite g or x
        const int64_t columns = std::min(panel, n - first);
        const T *p = gradient + first, *q = value + first;
        double* to = partial + s * wide + first;
        if (centred)
          reduce_columns<Sum<T>>(count, columns, to + n, [=]<class V>(int64_t i, int64_t j) { return load_as<V>(p + i * n + j); });
        reduce_columns<Sum<T>>(count, columns, to, [=]<class V>(int64_t i, int64_t j) {
          return Rule::term(load_as<V>(p + i * n + j), load_as<V>(q + i * n + j), scale_of(i));
        });
      }
      if (!dx.used()) return;
      for (int64_t r = 0; r < count; r++)
        Rule::gradient_row(gradient + r * n, value + r * n, frame.at<T>(gamma), scale_of(r), n, frame.at<T>(dx) + (begin + r) * n);
    });
    const auto add_segments = [&](const View& to, int64_t offset) {
      for (int64_t j = 0; to.used() && j < n; j++) {
        double total = 0;
        for (int64_t s = 0; s < segments.count; s++) total += partial[s * wide + offset + j];
        frame.at<T>(to)[j] = T(total);
      }
    };
    add_segments(dgamma, 0);
    if (centred) add_segments(dbeta, n);
  };
}

}  // namespace weft::cpu::WEFT_ISA
