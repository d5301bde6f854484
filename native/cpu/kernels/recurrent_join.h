// A recurrence and the products around it, bound as one (Join in kernel.h): forward the projection of its input, backward the gradient of that
// projection. What passes between them, as large as all gates of all steps, never lies in memory.
#pragma once
#include <utility>
#include <vector>

#include "recurrent.h"

namespace weft::cpu::WEFT_ISA {

/** Bytes of weights that may be walked through at each step: they stay in the second-level cache beside what the steps read and write. */
constexpr int64_t joined_weights = 1 << 20;

/** Whether a call is x [places, features] * kernel [features, n] (+ bias), as the projection of a sequence is. */
inline bool is_projection(const Call& call, int64_t n) {
  if (call.op == "dense") return call.in[1].dim(1) == n && call.attrs.text("activation") == "linear";
  return call.op == "matMul" && call.in[0].rank() == 2 && call.in[1].rank() == 2 && call.in[1].dim(1) == n &&
         !call.attrs.flag("transposeA") && !call.attrs.flag("transposeB");
}

/**
 * The gradient of a projection x * kernel + bias, from its slopes: what is joined with the gradient of a recurrence. Views that nobody
 * wants are unused.
 */
struct ProjectionGradient {
  int64_t features = 0;
  View x, kernel, dx, dkernel, dbias;

  ProjectionGradient() = default;
  /** As join() has put it into a call whose op has so many outputs of its own. */
  ProjectionGradient(const Call& call, size_t outputs) {
    if (!call.attrs.has("features")) return;
    features = call.attrs.integer("features");
    dx = call.out[outputs], dkernel = call.out[outputs + 1], dbias = call.out[outputs + 2];
    size_t input = call.in.size();
    if (dx.used()) kernel = call.in[--input];
    if (dkernel.used()) x = call.in[--input];
  }

  /** Whether all that is done with the slopes, [places, n] in memory, is to take this gradient of them. */
  bool is_all(const std::vector<const Call*>& readers, const View& slopes, int64_t n) {
    for (const Call* reader : readers) {
      const View &a = reader->in[0], &b = reader->in.back(), &result = reader->out[0];
      const bool first = a.slot == slopes.slot, second = b.slot == slopes.slot;
      if (reader->op == "sum") {
        reader->attrs.flag("keepDims");  // the output's shape tells
        if (dbias.used() || a.rank() != 2 || a.dim(1) != n || reader->attrs.integers("axes") != Dims{0}) return false;
        dbias = result;
        continue;
      }
      if (reader->op != "matMul" || first == second || a.rank() != 2 || b.rank() != 2) return false;
      if (reader->attrs.flag("transposeA") == first || reader->attrs.flag("transposeB") == second) return false;
      View& own = first ? dx : dkernel;
      if (own.used() || (first ? a : b).dim(1) != n) return false;
      own = result;
      (first ? kernel : x) = first ? b : a;
    }
    if (dx.used() && dkernel.used() && dx.dim(1) != dkernel.dim(0)) return false;
    features = dx.used() ? dx.dim(1) : dkernel.used() ? dkernel.dim(0) : 0;
    return !readers.empty();
  }

  /** The call with these readers of its first output. */
  void join(const Call& call, Call& joined) const {
    joined.op = call.op + "+products";
    joined.attrs = call.attrs;
    joined.attrs.set("features", double(features));
    joined.in = call.in;
    if (dkernel.used()) joined.in.push_back(x);
    if (dx.used()) joined.in.push_back(kernel);
    joined.out = call.out;
    joined.out[0].slot = -1;
    joined.out.insert(joined.out.end(), {dx, dkernel, dbias});
  }
};

/** The gradient of a recurrence as it is bound. */
struct BackwardViews {
  explicit BackwardViews(Cell cell) : cell(cell) {}

  Cell cell;
  StepOptions options;
  View of_h, of_last, of_cell;  // gradients of the results; unused: there is none
  View recurrent, h0, c0, h;
  View gates, kept;        // kept: cells of lstm, inner of gru
  size_t gates_input = 0;  // index of gates among the inputs
  View projected, weights, bias, dh0, dc0;
  size_t outputs = 0;  // of the op, without those of joined products

  /** Takes the gradients of the results from the first inputs; returns how many there are. */
  size_t take_gradients(const Call& call) {
    size_t count = 0;
    if (call.attrs.flag("sequence")) of_h = call.in[count++];
    if (call.attrs.flag("last")) of_last = call.in[count++];
    if (cell == Cell::lstm && call.attrs.flag("cell")) of_cell = call.in[count++];
    return count;
  }
};
/** float and double. */
template <class T> Step bind_backward(Call& call, const BackwardViews& views);

/**
 * Binds the gradient of a recurrence, whose second output is that of [units, n] weights, with the products that take its slopes, where
 * nothing else reads them.
 */
template <class F> Step join_gradient(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, F bind) {
  const Call& call = *neighbours.call;
  const int64_t u = call.out[1].dim(0), n = call.out[1].dim(1);
  ProjectionGradient gradient;
  if (u == 0 || !gradient.is_all(neighbours.readers[0], call.out[0], n)) return {};
  if ((gradient.features + u) * n * int64_t(size_of(call.out[0].dtype)) > joined_weights) return {};
  gradient.join(call, joined);
  taken = neighbours.readers[0];
  return bind_float(joined, call.out[0].dtype, bind);
}

}  // namespace weft::cpu::WEFT_ISA
