// View: what a binder knows of a value. These are its shape, its dtype, and the slot of the frame that has its address.
#pragma once
#include <cstdint>
#include <vector>

#include "dtype.h"

namespace weft {

using Dims = std::vector<int64_t>;

inline int64_t product(const Dims& dims, size_t from = 0, size_t to = SIZE_MAX) {
  int64_t n = 1;
  for (size_t i = from; i < dims.size() && i < to; i++) n *= dims[i];
  return n;
}

/** A value that is dense and row-major. */
struct View {
  Dims dims;
  DType dtype = DType::float32;
  int slot = -1;  // index in Frame::address; -1 for an output that nobody reads, which need not be written

  bool used() const { return slot >= 0; }
  int64_t rank() const { return int64_t(dims.size()); }
  int64_t size() const { return product(dims); }
  size_t bytes() const { return size_t(size()) * size_of(dtype); }
  /** The extent of an axis. Negative axes count from the end. */
  int64_t dim(int64_t axis) const { return dims[size_t(axis < 0 ? axis + rank() : axis)]; }
};

}  // namespace weft
