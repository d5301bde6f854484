// A run of a recurrent layer as binders see it, and the ways to compute it.
#pragma once
#include "recurrent.cuh"
#include "vocabulary.cuh"

namespace weft::cuda {

/** The tensors of a run; slot -1: not there, or nobody reads it. */
struct Recurrence {
  Sequence s;
  DType dtype;
  View recurrent, bias, h0, c0, mask, scale;           // inputs of both directions
  View projected, h, h_last, c_last, gates, kept;      // forward; h, gates and kept are inputs of the gradient
  View g, g_last, g_cell;                              // the gradient's inputs
  View dprojected, drecurrent, dbias, dh0, dc0, dsum;  // its outputs; dsum: scratch
  Precision precision;

  template <class T> Forward<T> forward(const Frame& frame) const;
  template <class T> Backward<T> backward(const Frame& frame) const;
  /** Units of all rows. */
  int64_t states() const { return int64_t(s.batch) * s.units; }
};

/** Null where a tensor is not there. */
template <class T> T* pointer(const Frame& frame, const View& view) { return view.used() ? frame.at<T>(view) : nullptr; }

template <class T> Forward<T> Recurrence::forward(const Frame& frame) const {
  return {frame.at<const T>(projected),   pointer<const T>(frame, bias),    frame.at<const T>(h0),  pointer<const T>(frame, c0),
          pointer<const T>(frame, scale), pointer<const Bool>(frame, mask), pointer<T>(frame, h),   pointer<T>(frame, h_last),
          pointer<T>(frame, c_last),      pointer<T>(frame, gates),         pointer<T>(frame, kept)};
}
template <class T> Backward<T> Recurrence::backward(const Frame& frame) const {
  return {pointer<const T>(frame, g),      pointer<const T>(frame, g_last),
          pointer<const T>(frame, g_cell), frame.at<const T>(h0),
          pointer<const T>(frame, c0),     frame.at<const T>(h),
          pointer<const T>(frame, gates),  pointer<const T>(frame, kept),
          pointer<const T>(frame, scale),  pointer<const Bool>(frame, mask),
          pointer<T>(frame, dprojected),   pointer<T>(frame, dsum),
          pointer<T>(frame, dh0),          pointer<T>(frame, dc0)};
}

/** A matrix in scratch memory. */
inline View scratch_matrix(Call& call, int64_t rows, int64_t columns, DType dtype) {
  View view = call.scratch(size_t(rows * columns) * size_of(dtype));
  view.dims = {rows, columns};
  view.dtype = dtype;
  return view;
}

/** Blocks of up to 256 threads, one thread for each of `count`. */
inline Shape one_thread_each(int64_t count) {
  const int64_t threads = std::min<int64_t>(256, divide_up(count, 32) * 32);
  return {.grid = dim3(unsigned(divide_up(count, std::max<int64_t>(threads, 1)))), .block = dim3(unsigned(threads))};
}

/** Binds a whole run: one of the ways below. */
Step bind_recurrence(Call& call, Cell cell);
Step bind_recurrence_gradient(Call& call, Cell cell);

/** Two kernels per step, on every GPU and for every size. */
Step bind_steps(Call& call, const Recurrence& run);
Step bind_steps_gradient(Call& call, const Recurrence& run);

/** One kernel per step, on tensor cores; not for every cell and GPU. */
bool can_fuse(const Recurrence& run, const Target& target);
bool fuse_pays(const Recurrence& run, const Target& target);
Step bind_fused(Call& call, const Recurrence& run);
Step bind_fused_gradient(Call& call, const Recurrence& run);

/**
 * One launch for all steps, on tensor cores, where the weights fit the shared memory of a block, or of a cluster of
 * blocks.
 */
bool can_persist(const Recurrence& run, const Target& target, bool backward);
Step bind_persistent(Call& call, const Recurrence& run, bool backward);
bool can_cluster(const Recurrence& run, const Target& target, bool backward);
bool cluster_pays(const Recurrence& run, const Target& target);
Step bind_cluster(Call& call, const Recurrence& run, bool backward);

/** The gradients of recurrent and bias from dprojected and dsum, after all steps. Null where nobody reads them. */
Step bind_weight_gradient(Call& call, const Recurrence& run);

}  // namespace weft::cuda
