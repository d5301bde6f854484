// One step of an optimizer over all its parameters. The tensors are cut into pieces by their sizes alone.
#pragma once
#include <algorithm>

#include "bfloat16_products.h"
#include "matmul_rows.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

/** What a step reads when it runs. */
struct Moment {
  double learning_rate;
  double step;  // the number of the step, from 1 on
};

/**
 * A stretch of one parameter. `in` points to w, g and the slots, `out` to w and the slots. An output may lie in the
 * memory of its input.
 */
template <class T> struct Stretch {
  const T* in[6] = {};
  T* out[5] = {};
  int64_t n = 0;
  T keep = 1;  // the factor that weight decay multiplies w by
};

/** Gradients that are inputs. */
struct GivenGradients {
  size_t inputs;
  WEFT_BINDER explicit GivenGradients(const Call& call) : inputs(call.in.size()) {}
  static constexpr int64_t piece(size_t) { return 0; }
  static void prepare(const Frame&) {}
  static const void* make(const Frame&, int, size_t, int64_t, int64_t) { return nullptr; }
};

/**
 * Gradients that the step makes itself, where it is joined with the products of which they are the results: some rows
 * at a time, which are in the first-level cache when the update takes them.
 */
class MadeGradients {
 public:
  size_t inputs;  // of the optimizer: behind them come the second factors of the products

  WEFT_BINDER explicit MadeGradients(Call& call);
  /** Elements of the parameter's gradient that are made at a time; 0: it is an input. */
  int64_t piece(size_t parameter) const {
    return parameter < made_.size() ? made_[parameter].product.height() * made_[parameter].columns : 0;
  }
  /** Once for each run. */
  void prepare(const Frame& frame) const;
  /** The elements [begin, end) of a gradient, which are whole rows, until the thread makes others. */
  const void* make(const Frame& frame, int thread, size_t parameter, int64_t begin, int64_t end) const;

 private:
  struct Made {
    View a, b;
    int64_t columns = 0;
    RowsOfProduct product;
  };
  std::vector<Made> made_;
  ThreadScratch rows_;
};

/**
 * Binds an optimizer of float32 with products that make its gradients for nobody else (Join in kernel.h). `bind` takes
 * MadeGradients.
 */
WEFT_BINDER Step join_gradients(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, Bind bind);

/**
 * Binds an optimizer. The inputs begin with two scalars. The next `shared` inputs, and the first `shared` outputs,
 * belong to all parameters together. A step calls prepare(frame, moment) once, which returns the function that updates
 * a Stretch<T>. It calls finish(frame, moment) when all stretches are done.
 */
template <class T, class Gradients = GivenGradients, class Prepare, class Finish>
WEFT_BINDER Step bind_update(Call& call, size_t shared, Prepare prepare, Finish finish) {
  constexpr int64_t piece_elements = 16384, chunk_elements = 32768;
  struct Piece {
    size_t parameter;
    int64_t begin, end;
  };
  const View learning_rate = call.in[0], iteration = call.in[1];
  const std::vector<double> decay = call.attrs.numbers("decay");
  const Gradients gradients(call);
  const size_t inputs = gradients.inputs;
  const size_t first = 2 + shared, parameters = decay.size(), tensors = parameters == 0 ? 0 : (inputs - first) / parameters;
  require(first + parameters * tensors == inputs && tensors <= 6, "ERR_ARGUMENT", call.op, ": the inputs do not match `decay`");
  std::vector<View> in(call.in.begin() + int64_t(first), call.in.end()), out(call.out.begin() + int64_t(shared), call.out.end());
  for (size_t p = 0; p < parameters; p++)
    for (size_t k = 0; k + 1 < tensors; k++) {
      View& view = out[p * (tensors - 1) + k];
      if (view.used()) call.in_place(first + p * tensors + (k == 0 ? 0 : k + 1), shared + p * (tensors - 1) + k);
      else view.slot = call.scratch(view.bytes()).slot;
    }
  std::vector<Piece> pieces;
  std::vector<size_t> chunks{0};  // the first piece of each chunk, and the number of pieces at the end
  int64_t gathered = 0;
  for (size_t p = 0; p < parameters; p++) {
    const int64_t n = in[p * tensors].size(), step = gradients.piece(p) > 0 ? gradients.piece(p) : piece_elements;
    for (int64_t i = 0; i < n; i += step) {
      pieces.push_back({p, i, std::min(n, i + step)});
      gathered += pieces.back().end - i;
      if (gathered < chunk_elements) continue;
      chunks.push_back(pieces.size());
      gathered = 0;
    }
  }
  if (chunks.back() != pieces.size()) chunks.push_back(pieces.size());
  return [=](const Frame& frame) {
    const Moment moment{double(*frame.at<float>(learning_rate)), double(*frame.at<int32_t>(iteration)) + 1};
    const auto update = prepare(frame, moment);
    gradients.prepare(frame);
    parallel(int64_t(chunks.size()) - 1, [&](int64_t chunk, int thread) {
      for (size_t i = chunks[size_t(chunk)]; i < chunks[size_t(chunk) + 1]; i++) {
        const Piece& piece = pieces[i];
        Stretch<T> stretch;
        for (size_t k = 0; k < tensors; k++) stretch.in[k] = frame.at<T>(in[piece.parameter * tensors + k]) + piece.begin;
        for (size_t k = 0; k + 1 < tensors; k++) stretch.out[k] = frame.at<T>(out[piece.parameter * (tensors - 1) + k]) + piece.begin;
        if (gradients.piece(piece.parameter) > 0)
          stretch.in[1] = static_cast<const T*>(gradients.make(frame, thread, piece.parameter, piece.begin, piece.end));
        stretch.n = piece.end - piece.begin;
        stretch.keep = T(1 - moment.learning_rate * decay[piece.parameter]);
        update(stretch);
      }
    });
    finish(frame, moment);
  };
}

template <class T, class Gradients = GivenGradients, class Prepare> WEFT_BINDER Step bind_update(Call& call, Prepare prepare) {
  return bind_update<T, Gradients>(call, 0, prepare, [](const Frame&, const Moment&) {});
}

/** Binds by the dtype of the parameters, which is float32 or float64. */
template <class F> WEFT_BINDER Step by_parameter_dtype(const Call& call, size_t shared, F&& bind) {
  if (call.in.size() <= 2 + shared) return bind.template operator()<float>();
  return by_computed_float(call.in[2 + shared].dtype, bind);
}

}  // namespace weft::cpu::WEFT_ISA
