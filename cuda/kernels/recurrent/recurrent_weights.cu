// The gradients of recurrent weights and bias, after all steps of a run: products over batch and time of the states
// before each step and the slopes of each step; the bias' gradient is the product with ones. Sums are cut by shape
// alone, as those of every product.
#include "kernels/matmul/matmul.h"
#include "recurrent.h"

namespace weft::cuda {
namespace {

/** before [batch, steps, units]: the scaled state that each step met, at the position of that step. */
template <class T> __global__ void __launch_bounds__(256) states_before(Backward<T> run, T* before, Sequence s) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int64_t place = i / s.units;
  if (place >= int64_t(s.batch) * s.steps) return;
  const int unit = int(i - place * s.units), row = int(place / s.steps),
            k = s.time(int(place - int64_t(row) * s.steps));  // its own inverse
  const T state = k == 0 ? run.h0[int64_t(row) * s.units + unit] : run.h[s.at(row, k - 1, unit)];
  before[i] = narrow<T>(scale_of(run, s, row, unit) * widen(state));
}

template <class T> __global__ void __launch_bounds__(256) fill_ones(T* ones, int64_t n) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) ones[i] = narrow<T>(1);
}

/** to [rows, columns] from column `first` on becomes `from`. */
template <class T> __global__ void __launch_bounds__(256) copy_columns(const T* from, T* to, int rows, int columns, int first) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const int width = columns - first;
  const int64_t row = i / width;
  if (row < rows) to[row * columns + first + i % width] = from[row * columns + first + i % width];
}

/** result [rows, gates · units] = statesᵀ · slopes over batch and time. */
Step product_over_time(Call& call, const Recurrence& run, const View& states, int64_t rows, const View& slopes, const View& result) {
  Product p;
  p.a_view = states, p.b_view = slopes, p.c = result;
  p.a_k_major = rows == 1;  // ones are a row as they are a column
  p.precision = run.precision;
  p.set_extents(call.op.c_str(), rows, int64_t(run.s.units) * run.s.gates(), int64_t(run.s.batch) * run.s.steps);
  return bind_product(call, p);
}

}  // namespace

Step bind_weight_gradient(Call& call, const Recurrence& run) {
  const Sequence s = run.s;
  const int64_t places = int64_t(s.batch) * s.steps;
  const size_t size = size_of(run.dtype);
  const bool nothing = places == 0, twice = s.cell == Cell::gruBefore;
  const View slopes = s.cell == Cell::gru ? run.dsum : run.dprojected;
  Step weights, candidate, biases;
  View before, other, ones;
  if (run.drecurrent.used() && !nothing) {
    before = scratch_matrix(call, places, s.units, run.dtype);
    weights = product_over_time(call, run, before, s.units, slopes, run.drecurrent);
    if (twice) {  // the candidate's weights met other states
      other = scratch_matrix(call, s.units, int64_t(s.units) * s.gates(), run.dtype);
      candidate = product_over_time(call, run, run.kept, s.units, slopes, other);
    }
  }
  if (run.dbias.used() && !nothing && !twice) {
    ones = scratch_matrix(call, 1, places, run.dtype);
    biases = product_over_time(call, run, ones, 1, slopes, run.dbias);
  }
  return dispatch<float, BFloat16, Float16>(run.dtype, [&]<class T>() -> Step {
    return [=](const Frame& frame) {
      if (weights) {
        launch(frame, one_thread_each(places * s.units), states_before<T>, run.backward<T>(frame), frame.at<T>(before), s);
        weights(frame);
        if (candidate) {
          candidate(frame);
          launch(frame, one_thread_each(int64_t(s.units) * s.units), copy_columns<T>, frame.at<const T>(other), frame.at<T>(run.drecurrent),
                 s.units, s.units * s.gates(), 2 * s.units);
        }
      } else if (run.drecurrent.used()) clear(frame, frame.at<T>(run.drecurrent), size_t(run.drecurrent.size()) * size);
      if (biases) {
        launch(frame, one_thread_each(places), fill_ones<T>, frame.at<T>(ones), places);
        biases(frame);
      } else if (run.dbias.used()) clear(frame, frame.at<T>(run.dbias), size_t(run.dbias.size()) * size);
    };
  });
}

}  // namespace weft::cuda
