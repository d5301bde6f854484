// Strided walks: how kernels visit a tensor whose operands are permuted, sliced, padded or broadcast. A binder merges
// axes and cuts what a launch cannot count with 32 bits; a kernel turns its place in the launch into an offset per
// operand.
#pragma once
#include <algorithm>
#include <array>
#include <vector>

#include "vocabulary.cuh"

namespace weft::cuda {

/**
 * Division by a number known when a kernel is launched, for numerators below 2^31: a multiplication and a shift
 * (Granlund & Montgomery 1994).
 */
struct Divider {
  uint32_t divisor = 1, multiplier = 0, shift = 0;

  Divider() = default;
  explicit Divider(int64_t d) : divisor(uint32_t(d)) {
    while ((int64_t(1) << shift) < d) shift++;
    if (d > 1) multiplier = uint32_t((((uint64_t(1) << shift) - uint64_t(d)) << 32) / uint64_t(d) + 1);
  }
  __device__ __forceinline__ uint32_t divide(uint32_t n) const { return (__umulhi(n, multiplier) + n) >> shift; }
  /** The quotient; `n` becomes the remainder. */
  __device__ __forceinline__ uint32_t split(uint32_t& n) const {
    const uint32_t quotient = divide(n);
    n -= quotient * divisor;
    return quotient;
  }
};

constexpr size_t most_axes = 12;
constexpr int64_t most_elements = int64_t(1) << 30;  // that one launch visits

/** Strides of a dense tensor, in elements. */
inline Dims dense_strides(const Dims& dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0; stride *= dims[i]) strides[i] = stride;
  return strides;
}

/** Strides of a dense tensor broadcast to so many axes: 0 where its extent is 1. */
inline Dims broadcast_strides(const Dims& dims, size_t rank) {
  const Dims dense = dense_strides(dims);
  Dims strides(rank, 0);
  for (size_t i = 0; i < dims.size(); i++)
    if (dims[i] != 1) strides[rank - dims.size() + i] = dense[i];
  return strides;
}

/**
 * Extents with one stride (in elements) per operand; axes of extent 1 dropped, axes that all operands cross evenly
 * merged.
 */
template <size_t operands> struct Walk {
  using Steps = std::array<int64_t, operands>;
  Dims dims;  // never empty: a scalar is one axis of extent 1
  std::vector<Steps> strides;
  Steps offset{};  // of the first element

  Walk() = default;
  Walk(const Dims& extents, const std::array<Dims, operands>& given) {
    for (size_t axis = 0; axis < extents.size(); axis++) {
      if (extents[axis] == 1) continue;
      Steps step;
      for (size_t k = 0; k < operands; k++) step[k] = given[k][axis];
      bool merges = !dims.empty();
      for (size_t k = 0; merges && k < operands; k++) merges = strides.back()[k] == step[k] * extents[axis];
      if (!merges) {
        dims.push_back(1);
        strides.emplace_back();
      }
      dims.back() *= extents[axis];
      strides.back() = step;
    }
    if (dims.empty()) {
      dims.push_back(1);
      strides.emplace_back();
    }
    require(dims.size() <= most_axes, "ERR_SHAPE", "at most ", most_axes, " axes that do not merge are supported");
  }
  int64_t size() const { return product(dims); }
  int64_t inner() const { return dims.back(); }

  /** The same visit in parts of at most most_elements, by cutting the outermost axis. */
  std::vector<Walk> parts() const {
    std::vector<Walk> list;
    if (size() == 0) return list;
    const int64_t row = product(dims, 1);
    if (row > most_elements) {
      Walk below = *this;
      below.dims.erase(below.dims.begin());
      below.strides.erase(below.strides.begin());
      for (int64_t i = 0; i < dims[0]; i++) {
        for (const Walk& part : below.parts()) list.push_back(part);
        for (size_t k = 0; k < operands; k++) below.offset[k] += strides[0][k];
      }
      return list;
    }
    const int64_t most = most_elements / row;
    for (int64_t first = 0; first < dims[0]; first += most) {
      Walk part = *this;
      part.dims[0] = std::min(most, dims[0] - first);
      for (size_t k = 0; k < operands; k++) part.offset[k] += first * strides[0][k];
      list.push_back(part);
    }
    return list;
  }
};

/** A Walk as a kernel gets it. */
template <int operands> struct Places {
  int axes = 0;
  Divider extent[most_axes];  // innermost first
  int64_t stride[most_axes][operands];

  Places() = default;
  explicit Places(const Walk<operands>& walk) : axes(int(walk.dims.size())) {
    for (int i = 0; i < axes; i++) {
      const size_t axis = size_t(axes - 1 - i);
      extent[i] = Divider(walk.dims[axis]);
      for (int k = 0; k < operands; k++) stride[i][k] = walk.strides[axis][size_t(k)];
    }
  }
  /** Adds the operands' offsets of the element with this number. */
  __device__ __forceinline__ void add(uint32_t index, int64_t (&offset)[operands]) const {
#pragma unroll 1
    for (int i = 0; i + 1 < axes; i++) {
      const uint32_t outer = extent[i].divide(index), place = index - outer * extent[i].divisor;
#pragma unroll
      for (int k = 0; k < operands; k++) offset[k] += int64_t(place) * stride[i][k];
      index = outer;
    }
#pragma unroll
    for (int k = 0; k < operands; k++) offset[k] += int64_t(index) * stride[axes - 1][k];
  }
};

/** Threads per block for so many threads in all: full blocks for large work, a few warps for small. */
inline unsigned block_for(int64_t threads, unsigned most = 256) {
  return unsigned(std::clamp<int64_t>(divide_up(threads, 32) * 32, 32, most));
}

/** Copies the input of a call, broadcast to the shape of its output. */
Step copy_broadcast(Call& call);

/**
 * target[target strides · i] = source[source strides · i] for every i in dims, elements of 1, 2, 4 or 8 bytes; offsets
 * in elements.
 */
Step copy_strided(const View& source, const View& target, const Dims& dims, const Dims& source_strides, const Dims& target_strides,
                  int64_t source_offset = 0, int64_t target_offset = 0);

/**
 * The inverse of a slice: the target's element begin + i·steps is the source's element i, every other one is `value`.
 */
Step place(const View& source, const View& target, const Dims& begin, const Dims& steps, double value);

/** Calls f with an unsigned integer of the dtype's size. */
template <class F> Step by_size(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1: return f.template operator()<uint8_t>();
    case 2: return f.template operator()<uint16_t>();
    case 4: return f.template operator()<uint32_t>();
    default: return f.template operator()<uint64_t>();
  }
}

}  // namespace weft::cuda
