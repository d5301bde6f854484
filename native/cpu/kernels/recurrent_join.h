// A recurrence and the products around it, bound as one (Join in kernel.h): forward the projection of its input,
// backward the gradient of that projection. What passes between them, as large as all gates of all steps, never lies in
// memory.
#pragma once
#include <utility>
#include <vector>

#include "recurrent.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Bytes of weights that may be walked through at each step: they stay in the second-level cache together with what the
 * steps read and write.
 */
constexpr int64_t joined_weights = 1 << 20;

/**
 * The gradient of a projection x * kernel + bias, from its slopes: what is joined with the gradient of a recurrence.
 * Views that nobody wants are unused.
 */
struct ProjectionGradient {
  int64_t features = 0;
  View x, kernel, dx, dkernel, dbias;

  ProjectionGradient() = default;
  /** Reads the products that join() has put into a call. The call's op has `outputs` outputs of its own. */
  WEFT_BINDER ProjectionGradient(const Call& call, size_t outputs);

  /** Whether all that is done with the slopes, [places, n] in memory, is to take this gradient of them. */
  bool is_all(const std::vector<const Call*>& readers, const View& slopes, int64_t n);

  /** The call with these readers of its first output. */
  void join(const Call& call, Call& joined) const;
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
  size_t outputs = 0;    // of the op, without those of joined products
  bool rounded = false;  // what the forward pass left are 16-bit floats

  /** Takes the gradients of the results from the first inputs. Returns their number. */
  size_t take_gradients(const Call& call) {
    size_t count = 0;
    if (call.attrs.flag("sequence")) of_h = call.in[count++];
    if (call.attrs.flag("last")) of_last = call.in[count++];
    if (cell == Cell::lstm && call.attrs.flag("cell")) of_cell = call.in[count++];
    return count;
  }
};
/** float and double. */
template <class T> WEFT_BINDER Step bind_backward(Call& call, const BackwardViews& views);

/**
 * Binds the gradient of a recurrence, whose second output is that of [units, n] weights, with the products that take
 * its slopes, where nothing else reads them.
 */
WEFT_BINDER Step join_gradient(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, Bind of_float, Bind of_double);
template <class F> WEFT_BINDER Step join_gradient(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, F) {
  return join_gradient(
      neighbours, joined, taken, [](Call& of) { return F().template operator()<float>(of); },
      [](Call& of) { return F().template operator()<double>(of); });
}

/** Binds a recurrence of so many gates with the product that projects its input, where nothing else reads that. */
WEFT_BINDER Step join_projection(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, int64_t gates, Bind of_float,
                                 Bind of_double);
template <class F>
WEFT_BINDER Step join_projection(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, int64_t gates, F) {
  return join_projection(
      neighbours, joined, taken, gates, [](Call& of) { return F().template operator()<float>(of); },
      [](Call& of) { return F().template operator()<double>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
