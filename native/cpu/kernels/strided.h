// Strided walks: how a kernel goes through an output whose operands are permuted, sliced, padded or broadcast.
#pragma once
#include <array>
#include <vector>

#include "cpu/parallel.h"
#include "kernel.h"
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

/** How many elements a chunk should hold where the work on each is little and memory is the bound. */
constexpr int64_t cheap_grain = 65536;

/**
 * The extents of the axes, and for each operand a stride per axis, in elements. Axes of extent 1 are left out.
 * Neighbouring axes that are one evenly spaced axis for every operand are merged.
 */
struct Walk {
  static constexpr size_t most_operands = 4;
  Dims dims;                                                // never empty: a scalar has one axis of extent 1
  std::vector<std::array<int64_t, most_operands>> strides;  // [axis][operand]

  int64_t inner() const { return dims.back(); }
  int64_t outer() const { return product(dims, 0, dims.size() - 1); }
};

Walk collapse(const Dims& dims, const std::vector<Dims>& strides);

/** The strides of a dense tensor. */
Dims dense_strides(const Dims& dims);
/** The strides of a dense tensor that is broadcast to so many axes. Where its extent is 1, the stride is 0. */
/** The strides of a dense tensor that is broadcast to so many axes. The stride of an axis of extent 1 is 0. */
Dims broadcast_strides(const Dims& dims, size_t broadcast_rank);

/** Counts through the outer axes of a Walk, which are all but the last, and keeps the offset of each operand. */
class Position {
 public:
  Position(const Walk& walk, int64_t outer_index);
  void advance();
  int64_t offset(size_t operand) const { return offsets_[operand]; }

 private:
  const Walk& walk_;
  std::array<int64_t, 16> index_{};
  std::array<int64_t, Walk::most_operands> offsets_{};
};

/** Copies elements of 1, 2, 4 or 8 bytes: target[target_strides·i] = source[source_strides·i] for every i in dims. */
class StridedCopy {
 public:
  StridedCopy() = default;
  StridedCopy(const Dims& dims, const Dims& source_strides, const Dims& target_strides, size_t element_bytes);
  void operator()(const void* source, void* target) const;

 private:
  template <class T> void run(const T* source, T* target) const;
  template <class T> void rows(const T* source, T* target) const;
  template <class T> void tiles(const T* source, T* target) const;
  Walk walk_;  // operands: source, target
  size_t element_bytes_ = 0;
  bool empty_ = true, transposed_ = false;
};

/** Sets n elements to the value. What an integer dtype cannot hold becomes its nearest limit. */
void fill(DType dtype, void* target, int64_t n, double value);

}  // namespace weft::cpu::WEFT_ISA
