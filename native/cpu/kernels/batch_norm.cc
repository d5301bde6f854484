// batchNorm over the rows of [r, c] and its gradient. The rows are cut into segments that stay in the cache. Each
// segment gives the means and the sums of squared deviations of its columns. These are combined in the order of the
// segments, as in Chan et al. 1979. Then the rows are read once more, and the output is written.
#include "pointwise.h"
#include "reduce.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t panel = 512;  // columns that are handled at the same time

/** The means and the sums of squared deviations of the columns of one segment. */
template <class T> void segment_moments(const T* x, int64_t rows, int64_t columns, double* mean, double* deviation) {
  for (int64_t first = 0; first < columns; first += panel) {
    const int64_t count = std::min(panel, columns - first);
    const T* p = x + first;
    double total[panel];
    T middle[panel];
    reduce_columns<Sum<T>>(rows, count, total, [=]<class V>(int64_t i, int64_t j) { return load_as<V>(p + i * columns + j); });
    for (int64_t j = 0; j < count; j++) {
      mean[first + j] = total[j] / double(rows);
      middle[j] = T(mean[first + j]);
    }
    const T* m = middle;
    reduce_columns<Sum<T>>(rows, count, total, [=]<class V>(int64_t i, int64_t j) {
      const V d = load_as<V>(p + i * columns + j) - load_as<V>(m + j);
      return d * d;
    });
    for (int64_t j = 0; j < count; j++) {
      const double lost = mean[first + j] - double(middle[j]);  // what rounding the mean to T lost
      deviation[first + j] = total[j] - lost * lost * double(rows);
    }
  }
}

template <class T> WEFT_BINDER Step bind_forward(Call& call) {
  const View x = call.in[0], gamma = call.in[1], beta = call.in[2], y = call.out[0], mean = call.out[1], variance = call.out[2];
  const double epsilon = call.attrs.number("epsilon");
  const int64_t columns = x.dim(-1), rows = x.dim(0);
  const RowSegments segments(rows, columns);
  const View moments = call.scratch(size_t(std::max<int64_t>(1, segments.count) * columns * 2) * sizeof(double));
  const View coefficients = call.scratch(size_t(columns * 3) * sizeof(T));  // mean, scale, shift
  if (y.used()) call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    double* moment = frame.at<double>(moments);
    T *middle = frame.at<T>(coefficients), *scale = middle + columns, *shift = scale + columns;
    parallel(segments.count, [&](int64_t s, int) {
      double* m = moment + s * columns * 2;
      segment_moments(from + segments.begin(s) * columns, segments.size(s), columns, m, m + columns);
    });
    for (int64_t j = 0; j < columns; j++) {
      double n = 0, average = 0, deviation = 0;
      for (int64_t s = 0; s < segments.count; s++) {
        const double k = double(segments.size(s)), difference = moment[s * columns * 2 + j] - average;
        average += difference * (k / (n + k));
        deviation += moment[s * columns * 2 + columns + j] + difference * difference * (n * k / (n + k));
        n += k;
      }
      const double v = rows == 0 ? std::numeric_limits<double>::quiet_NaN() : std::max(0.0, deviation) / double(rows);
      const double v_or_nan = deviation != deviation ? deviation : v;
      if (mean.used()) frame.at<T>(mean)[j] = T(rows == 0 ? v : average);
      if (variance.used()) frame.at<T>(variance)[j] = T(v_or_nan);
      middle[j] = T(average);
      scale[j] = T(double(frame.at<T>(gamma)[j]) / std::sqrt(v_or_nan + epsilon));
      shift[j] = frame.at<T>(beta)[j];
    }
    if (!y.used()) return;
    T* to = frame.at<T>(y);
    parallel_range(rows, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, columns)), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        WEFT_INDEPENDENT
        for (int64_t j = 0; j < columns; j++) to[i * columns + j] = (from[i * columns + j] - middle[j]) * scale[j] + shift[j];
      }
    });
  };
}

/** The sums of g and of g·(x - mean) over the rows of one segment, for each column. */
template <class T>
void segment_gradients(const T* g, const T* x, const T* mean, int64_t rows, int64_t columns, double* sums, double* products) {
  for (int64_t first = 0; first < columns; first += panel) {
    const int64_t count = std::min(panel, columns - first);
    const T *p = g + first, *q = x + first, *m = mean + first;
    reduce_columns<Sum<T>>(rows, count, sums + first, [=]<class V>(int64_t i, int64_t j) { return load_as<V>(p + i * columns + j); });
    reduce_columns<Sum<T>>(rows, count, products + first, [=]<class V>(int64_t i, int64_t j) {
      return load_as<V>(p + i * columns + j) * (load_as<V>(q + i * columns + j) - load_as<V>(m + j));
    });
  }
}

template <class T> WEFT_BINDER Step bind_gradient(Call& call) {
  const View g = call.in[0], x = call.in[1], gamma = call.in[2], mean = call.in[3], variance = call.in[4];
  const View dx = call.out[0], dgamma = call.out[1], dbeta = call.out[2];
  const double epsilon = call.attrs.number("epsilon");
  const int64_t columns = x.dim(-1), rows = x.dim(0);
  const RowSegments segments(rows, columns);
  const View partials = call.scratch(size_t(std::max<int64_t>(1, segments.count) * columns * 2) * sizeof(double));
  const View coefficients = call.scratch(size_t(columns * 3) * sizeof(T));
  if (dx.used()) {
    call.in_place(0, 0);
    call.in_place(1, 0);
  }
  return [=](const Frame& frame) {
    const T *gradient = frame.at<T>(g), *value = frame.at<T>(x), *middle = frame.at<T>(mean);
    double* partial = frame.at<double>(partials);
    T *by_g = frame.at<T>(coefficients), *by_x = by_g + columns, *constant = by_x + columns;  // dx = by_g·g + by_x·(x - mean) + constant
    parallel(segments.count, [&](int64_t s, int) {
      const int64_t offset = segments.begin(s) * columns;
      double* p = partial + s * columns * 2;
      segment_gradients(gradient + offset, value + offset, middle, segments.size(s), columns, p, p + columns);
    });
    for (int64_t j = 0; j < columns; j++) {
      double sum = 0, products = 0;
      for (int64_t s = 0; s < segments.count; s++) {
        sum += partial[s * columns * 2 + j];
        products += partial[s * columns * 2 + columns + j];
      }
      const double rstd = 1 / std::sqrt(double(frame.at<T>(variance)[j]) + epsilon), factor = double(frame.at<T>(gamma)[j]) * rstd;
      if (dgamma.used()) frame.at<T>(dgamma)[j] = T(products * rstd);
      if (dbeta.used()) frame.at<T>(dbeta)[j] = T(sum);
      by_g[j] = T(factor);
      by_x[j] = T(-factor * rstd * rstd * products / double(rows));
      constant[j] = T(-factor * sum / double(rows));
    }
    if (!dx.used()) return;
    T* to = frame.at<T>(dx);
    parallel_range(rows, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, columns)), [=](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        WEFT_INDEPENDENT
        for (int64_t j = 0; j < columns; j++) {
          const int64_t k = i * columns + j;
          to[k] = by_g[j] * gradient[k] + (by_x[j] * (value[k] - middle[j]) + constant[j]);
        }
      }
    });
  };
}

}  // namespace

KERNEL(cpu, batchNorm) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_forward<T>(of); });
}
KERNEL(cpu, batchNormGrad) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_gradient<T>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
