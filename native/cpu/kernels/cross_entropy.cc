// The cross-entropy of softmax(logits) against distributions or labels, row by row. The gradients use the probabilities
// that the forward pass has computed.
#include "numbers.h"
#include "pointwise.h"
#include "short_rows.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Σ targets · (x - shift). Elements whose target is 0 are left out: their logit may be -infinity. */
template <class T> T target_dot(const T* targets, const T* x, T shift, int64_t n) {
  T total = 0;
  for (int64_t i = 0; i < n; i++) total += targets[i] == 0 ? T(0) : targets[i] * (x[i] - shift);
  return total;
}
template <> float target_dot(const float* targets, const float* x, float shift, int64_t n) {
  RowSum total;
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) {
        const Vec t = load_lanes(targets + i, m);
        total.add(select(equal(t, zero()), zero(), t * (load_lanes(x + i, m) - shift)));
      });
  return total.total();
}

template <class T> void scale_row(T* y, T factor, int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] *= factor;
}
template <> void scale_row(float* y, float factor, int64_t n) {
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { store_lanes(y + i, load_lanes(y + i, m) * factor, m); });
}

template <class T> WEFT_BINDER Step bind_dense(Call& call) {
  const View logits = call.in[0], targets = call.in[1], loss = call.out[0], probabilities = call.out[1];
  const int64_t n = logits.dim(-1), rows = product(logits.dims, 0, logits.dims.size() - 1);
  if (probabilities.used()) call.in_place(0, 1);
  return [=](const Frame& frame) {
    for_rows(rows, n, function_grain, [&](int64_t r) {
      const T *x = frame.at<T>(logits) + r * n, *t = frame.at<T>(targets) + r * n;
      T* p = probabilities.used() ? frame.at<T>(probabilities) + r * n : nullptr;
      // first, since p may overwrite x
      const T most = row_max(x, n), dot = loss.used() ? target_dot(t, x, most, n) : T(0);
      const T total = row_exp(x, most, p, n);
      if (loss.used()) frame.at<T>(loss)[r] = row_sum(t, n) * log_total(total, x, most, static_cast<const T*>(p), n) - dot;
      if (p) scale_row(p, T(1) / total, n);
    });
  };
}

/** The labels of up to `width` rows, and which of them are classes. The others are reported. */
struct TurnedLabels {
  IVec labels{}, good{};
  TurnedLabels(const Frame& frame, const int32_t* given, int64_t n, int rows) {
    for (int r = 0; r < rows; r++) {
      labels[r] = given[r];
      good[r] = given[r] >= 0 && given[r] < n ? -1 : 0;
      if (!good[r]) frame.raise(given[r]);
    }
  }
  /** v where the label is good, else 0. */
  WEFT_INLINE Vec keep(Vec v) const { return float_of(bits_of(v) & good); }
};

WEFT_BINDER Step bind_sparse_short(View logits, View labels, View loss, View probabilities) {
  const int64_t n = logits.dim(-1), rows = product(logits.dims, 0, logits.dims.size() - 1);
  return [=](const Frame& frame) {
    for_short_rows(rows, n, function_grain, [&](int64_t first, int count) {
      const float* x = frame.at<float>(logits) + first * n;
      const TurnedLabels label(frame, frame.at<int32_t>(labels) + first, n, count);
      Vec chosen{}, most;
      for (int r = 0; r < count; r++)
        if (label.good[r]) chosen[r] = x[r * n + label.labels[r]];
      TurnedRows turned(x, n, count);
      const Vec total = turned.take_powers(most);
      if (loss.used()) {
        // of a sum next to 1 the others keep the digits (log_sum.h)
        const Vec near_one = log1p(Lanes(turned.sum_of_others())).v;
        const Vec log_total = select(less(total, broadcast(end_of_near_one)), near_one, log(total));
        store_lanes(frame.at<float>(loss) + first, label.keep(log_total - (chosen - most)), count);
      }
      if (!probabilities.used()) return;
      turned.scale(broadcast(1.0f) / total);
      turned.store(frame.at<float>(probabilities) + first * n);
    });
  };
}

WEFT_BINDER Step bind_sparse_gradient_short(View g, View probabilities, View labels, View dx) {
  const int64_t n = probabilities.dim(-1), rows = product(probabilities.dims, 0, probabilities.dims.size() - 1);
  return [=](const Frame& frame) {
    for_short_rows(rows, n, function_grain, [&](int64_t first, int count) {
      const TurnedLabels label(frame, frame.at<int32_t>(labels) + first, n, count);
      TurnedRows turned(frame.at<float>(probabilities) + first * n, n, count);
      const Vec factor = label.keep(load_lanes(frame.at<float>(g) + first, count)), places = to_float(label.labels);
      const Vec sure = negate(turned.sum_of_others()), half = broadcast(0.5f);
      for (int64_t j = 0; j < n; j++) {
        const Vec p = turned.columns[j], at_label = select(greater(p, half), sure, p - 1.0f);
        turned.columns[j] = label.keep(factor * select(equal(places, broadcast(float(j))), at_label, p));
      }
      turned.store(frame.at<float>(dx) + first * n);
    });
  };
}

/**
 * Turns exp(x - max) of a row, whose sum is `total`, into the gradient of its loss times `factor`, with the roundings
 * of probabilities that lie in memory.
 */
__attribute__((noinline)) void sparse_gradient_row(float* p, float total, float factor, int64_t label, int64_t n) {
  const float scale = 1 / total, chosen = p[label] * scale;
  const bool sure = chosen > 0.5f;
  if (sure) scale_row(p, scale, n);
  const float first = sure ? 1 : scale, at_label = factor * (sure ? -sum_of_others(p, n) : chosen - 1);
  for_lanes(
      n, [&](int64_t i, int m) __attribute__((always_inline)) { store_lanes(p + i, load_lanes(p + i, m) * first * factor, m); });
  p[label] = at_label;
}

/** With a third input, the gradient of each loss, the second output is that of the logits and not the probabilities. */
template <class T> WEFT_BINDER Step bind_sparse(Call& call) {
  const View logits = call.in[0], labels = call.in[1], g = call.in.size() > 2 ? call.in[2] : View(), loss = call.out[0],
             probabilities = call.out[1];
  const int64_t n = logits.dim(-1), rows = product(logits.dims, 0, logits.dims.size() - 1);
  if (probabilities.used()) call.in_place(0, 1);
  if constexpr (std::is_same_v<T, float>)
    if (n > 0 && n <= most_short_columns) return bind_sparse_short(logits, labels, loss, probabilities);
  return [=](const Frame& frame) {
    for_rows(rows, n, function_grain, [&](int64_t r) {
      const T* x = frame.at<T>(logits) + r * n;
      T* p = probabilities.used() ? frame.at<T>(probabilities) + r * n : nullptr;
      const int64_t label = frame.at<int32_t>(labels)[r];
      const bool good = label >= 0 && label < n;
      if (!good) frame.raise(label);
      const T most = row_max(x, n), chosen = good ? x[label] - most : T(0);  // first, since p may overwrite x
      const T total = row_exp(x, most, p, n);
      if (loss.used()) frame.at<T>(loss)[r] = good ? log_total(total, x, most, static_cast<const T*>(p), n) - chosen : T(0);
      if constexpr (std::is_same_v<T, float>)
        if (g.used()) return good ? sparse_gradient_row(p, total, frame.at<T>(g)[r], label, n) : void(std::fill_n(p, n, 0.0f));
      if (p) scale_row(p, T(1) / total, n);
    });
  };
}

template <class T> WEFT_BINDER Step bind_dense_gradient(Call& call) {
  const View g = call.in[0], probabilities = call.in[1], targets = call.in[2], dx = call.out[0];
  const int64_t n = probabilities.dim(-1), rows = product(probabilities.dims, 0, probabilities.dims.size() - 1);
  call.in_place(1, 0);
  call.in_place(2, 0);
  return [=](const Frame& frame) {
    for_rows(rows, n, function_grain, [&](int64_t r) {
      const T *p = frame.at<T>(probabilities) + r * n, *t = frame.at<T>(targets) + r * n, factor = frame.at<T>(g)[r];
      T* to = frame.at<T>(dx) + r * n;
      const T total = row_sum(t, n), most = row_max(p, n), others = most > T(0.5) ? sum_of_others(p, n) : T(0);
      int64_t sure = -1;  // the class with a probability above ½
      T at_sure = 0;      // its gradient, computed before dx overwrites p or t
      for (int64_t i = 0; most > T(0.5) && sure < 0; i++)
        if (p[i] == most) sure = i, at_sure = factor * (p[i] * (total - t[i]) - t[i] * others);
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) to[i] = factor * (p[i] * total - t[i]);
      if (sure >= 0) to[sure] = at_sure;
    });
  };
}

template <class T> WEFT_BINDER Step bind_sparse_gradient(Call& call) {
  const View g = call.in[0], probabilities = call.in[1], labels = call.in[2], dx = call.out[0];
  const int64_t n = probabilities.dim(-1), rows = product(probabilities.dims, 0, probabilities.dims.size() - 1);
  call.in_place(1, 0);
  if constexpr (std::is_same_v<T, float>)
    if (n > 0 && n <= most_short_columns) return bind_sparse_gradient_short(g, probabilities, labels, dx);
  return [=](const Frame& frame) {
    for_rows(rows, n, function_grain, [&](int64_t r) {
      const T* p = frame.at<T>(probabilities) + r * n;
      T* to = frame.at<T>(dx) + r * n;
      const int64_t label = frame.at<int32_t>(labels)[r];
      const bool good = label >= 0 && label < n;
      if (!good) frame.raise(label);
      const T factor = good ? frame.at<T>(g)[r] : T(0), chosen = good ? p[label] : T(0);
      // first, since dx may overwrite p
      const T at_label = factor * (chosen > T(0.5) ? -sum_of_others(p, n) : chosen - T(1));
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) to[i] = good ? factor * p[i] : T(0);
      if (good) to[label] = at_label;
    });
  };
}

}  // namespace

KERNEL(cpu, softmaxCrossEntropy) {
  return bind_widened(call, [](Call& wide) { return by_computed_float(wide.in[0].dtype, [&]<class T>() { return bind_dense<T>(wide); }); });
}
KERNEL(cpu, sparseSoftmaxCrossEntropy) {
  return bind_widened(call,
                      [](Call& wide) { return by_computed_float(wide.in[0].dtype, [&]<class T>() { return bind_sparse<T>(wide); }); });
}
/** The gradient of long rows is made with their loss: their probabilities are not written for another pass over all. */
JOIN(cpu, sparseSoftmaxCrossEntropy) {
  constexpr int64_t long_row = 4096;  // shorter ones stay near between two passes over all of them
  const Call& call = *neighbours.call;
  if (neighbours.readers[1].size() != 1 || call.in[0].dtype != DType::float32 || call.in[0].dim(-1) < long_row) return {};
  const Call& gradient = *neighbours.readers[1][0];
  if (gradient.op != "sparseSoftmaxCrossEntropyGrad" || gradient.in[1].slot != call.out[1].slot || gradient.in[2].slot != call.in[1].slot)
    return {};
  joined.op = call.op + "+gradient";
  joined.attrs = call.attrs;
  joined.in = call.in;
  joined.in.push_back(gradient.in[0]);
  joined.out = call.out;
  joined.out[1] = gradient.out[0];
  taken.push_back(&gradient);
  return bind_sparse<float>(joined);
}
KERNEL(cpu, softmaxCrossEntropyGrad) {
  return bind_widened(
      call, [](Call& wide) { return by_computed_float(wide.in[0].dtype, [&]<class T>() { return bind_dense_gradient<T>(wide); }); });
}
KERNEL(cpu, sparseSoftmaxCrossEntropyGrad) {
  return bind_widened(
      call, [](Call& wide) { return by_computed_float(wide.in[0].dtype, [&]<class T>() { return bind_sparse_gradient<T>(wide); }); });
}

}  // namespace weft::cpu::WEFT_ISA
