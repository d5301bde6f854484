// Strided copies. Contiguous rows are copied as such. Where source and target are contiguous along different axes, the
// copy goes by square tiles.
#include "strided.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace weft::cpu::WEFT_ISA {

Dims dense_strides(const Dims& dims) {
  Dims strides(dims.size());
  int64_t stride = 1;
  for (size_t i = dims.size(); i-- > 0; stride *= dims[i]) strides[i] = stride;
  return strides;
}

Dims broadcast_strides(const Dims& dims, size_t broadcast_rank) {
  const Dims dense = dense_strides(dims);
  Dims strides(broadcast_rank, 0);
  for (size_t i = 0; i < dims.size(); i++)
    if (dims[i] != 1) strides[broadcast_rank - dims.size() + i] = dense[i];
  return strides;
}

Walk collapse(const Dims& dims, const std::vector<Dims>& strides) {
  Walk walk;
  for (size_t axis = 0; axis < dims.size(); axis++) {
    if (dims[axis] == 1) continue;
    std::array<int64_t, Walk::most_operands> step{};
    for (size_t k = 0; k < strides.size(); k++) step[k] = strides[k][axis];
    bool merges = !walk.dims.empty();
    for (size_t k = 0; merges && k < strides.size(); k++) merges = walk.strides.back()[k] == step[k] * dims[axis];
    if (merges) {
      walk.dims.back() *= dims[axis];
      walk.strides.back() = step;
    } else {
      walk.dims.push_back(dims[axis]);
      walk.strides.push_back(step);
    }
  }
  if (walk.dims.empty()) {
    walk.dims.push_back(1);
    walk.strides.push_back({});
  }
  require(walk.dims.size() <= 16, "ERR_SHAPE", "at most 16 axes are supported");
  return walk;
}

Position::Position(const Walk& walk, int64_t outer_index) : walk_(walk) {
  for (size_t axis = walk.dims.size() - 1; axis-- > 0;) {
    index_[axis] = outer_index % walk.dims[axis];
    outer_index /= walk.dims[axis];
    for (size_t k = 0; k < Walk::most_operands; k++) offsets_[k] += index_[axis] * walk.strides[axis][k];
  }
}

void Position::advance() {
  for (size_t axis = walk_.dims.size() - 1; axis-- > 0;) {
    if (++index_[axis] < walk_.dims[axis]) {
      for (size_t k = 0; k < Walk::most_operands; k++) offsets_[k] += walk_.strides[axis][k];
      return;
    }
    for (size_t k = 0; k < Walk::most_operands; k++) offsets_[k] -= (walk_.dims[axis] - 1) * walk_.strides[axis][k];
    index_[axis] = 0;
  }
}

StridedCopy::StridedCopy(const Dims& dims, const Dims& source_strides, const Dims& target_strides, size_t element_bytes)
    : walk_(collapse(dims, {source_strides, target_strides})), element_bytes_(element_bytes), empty_(product(dims) == 0) {
  if (empty_ || walk_.dims.size() < 2 || walk_.strides.back()[0] == 1 || walk_.strides.back()[0] == 0) return;
  // the target is contiguous along the last axis; the axis along which the source is contiguous moves beside it
  for (size_t axis = 0; axis + 1 < walk_.dims.size(); axis++) {
    if (walk_.strides[axis][0] != 1) continue;
    std::rotate(walk_.dims.begin() + axis, walk_.dims.begin() + axis + 1, walk_.dims.end() - 1);
    std::rotate(walk_.strides.begin() + axis, walk_.strides.begin() + axis + 1, walk_.strides.end() - 1);
    transposed_ = true;
    return;
  }
}

template <class T> static void copy_row(const T* source, int64_t source_stride, T* target, int64_t target_stride, int64_t n) {
  if (source_stride == 1 && target_stride == 1) {
    if (n * sizeof(T) >= 64) std::memcpy(target, source, size_t(n) * sizeof(T));
    else
      for (int64_t i = 0; i < n; i++) target[i] = source[i];
  } else if (source_stride == 0 && target_stride == 1) {
    std::fill_n(target, n, *source);
  } else {
    for (int64_t i = 0; i < n; i++) target[i * target_stride] = source[i * source_stride];
  }
}

template <class T> void StridedCopy::rows(const T* source, T* target) const {
  const int64_t n = walk_.inner(), outer = walk_.outer();
  const int64_t source_stride = walk_.strides.back()[0], target_stride = walk_.strides.back()[1];
  const int64_t pieces = std::max<int64_t>(1, n / cheap_grain);  // a long row is cut into pieces
  parallel_range(outer * pieces, std::max<int64_t>(1, cheap_grain / (n / pieces + 1)), [&](int64_t begin, int64_t end) {
    Position position(walk_, begin / pieces);
    for (int64_t unit = begin; unit < end; unit++) {
      const int64_t piece = unit % pieces, first = n * piece / pieces, last = n * (piece + 1) / pieces;
      copy_row(source + position.offset(0) + first * source_stride, source_stride, target + position.offset(1) + first * target_stride,
               target_stride, last - first);
      if (piece == pieces - 1) position.advance();
    }
  });
}

template <class T> struct LanesOf {
  static constexpr int count = 4 * width / int(sizeof(T));
  typedef T type __attribute__((vector_size(4 * width)));
};

/** The lanes of the lower halves of two vectors in turn, or those of the upper halves. */
template <class V, int from, int... lane> WEFT_INLINE V interleave(V a, V b, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(a, b, (from + lane / 2 + (lane % 2) * int(sizeof...(lane)))...);
}

/** Transposes a square of vectors. Each round interleaves the vectors of its first half with those of its second. */
template <class T> WEFT_INLINE void transpose_square(const T* source, int64_t source_stride, T* target, int64_t target_stride) {
  constexpr int side = LanesOf<T>::count;
  using V = typename LanesOf<T>::type;
  const auto lanes = std::make_integer_sequence<int, side>();
  V rows[side], next[side];
  for (int i = 0; i < side; i++) std::memcpy(&rows[i], source + i * source_stride, sizeof(V));
  for (int round = 1; round < side; round *= 2) {
    for (int i = 0; i < side / 2; i++) {
      next[2 * i] = interleave<V, 0>(rows[i], rows[i + side / 2], lanes);
      next[2 * i + 1] = interleave<V, side / 2>(rows[i], rows[i + side / 2], lanes);
    }
    for (int i = 0; i < side; i++) rows[i] = next[i];
  }
  for (int i = 0; i < side; i++) std::memcpy(target + i * target_stride, &rows[i], sizeof(V));
}

/** target[x][y] = source[y][x] for x < a, y < b. */
template <class T>
void transpose_block(const T* source, int64_t source_stride, T* target, int64_t target_stride, int64_t target_step, int64_t a, int64_t b) {
  constexpr int64_t side = LanesOf<T>::count;
  int64_t y = 0;
  if constexpr (sizeof(T) >= 4) {
    if (target_step == 1) {
      for (; y + side <= b; y += side) {
        int64_t x = 0;
        for (; x + side <= a; x += side)
          transpose_square(source + y * source_stride + x, source_stride, target + x * target_stride + y, target_stride);
        for (; x < a; x++)
          for (int64_t k = y; k < y + side; k++) target[x * target_stride + k] = source[k * source_stride + x];
      }
    }
  }
  for (int64_t x = 0; x < a; x++)
    for (int64_t k = y; k < b; k++) target[x * target_stride + k * target_step] = source[k * source_stride + x];
}

/** Copies where the source is contiguous along the last axis but one, a, and the target along the last axis, b. */
template <class T> void StridedCopy::tiles(const T* source, T* target) const {
  constexpr int64_t strip_elements = 64, block_elements = 64;
  const size_t axis = walk_.dims.size() - 2;
  const int64_t a = walk_.dims[axis], b = walk_.dims[axis + 1];
  const int64_t source_b = walk_.strides[axis + 1][0], target_a = walk_.strides[axis][1], target_b = walk_.strides[axis + 1][1];
  Walk planes = walk_;  // over the outer axes: each place is one plane of the axes (a, b)
  planes.dims.pop_back();
  planes.strides.pop_back();
  const int64_t strips = (a + strip_elements - 1) / strip_elements;
  parallel_range(
      planes.outer() * strips, std::max<int64_t>(1, cheap_grain / (std::min(a, strip_elements) * b)), [&](int64_t begin, int64_t end) {
        Position position(planes, begin / strips);
        for (int64_t unit = begin; unit < end; unit++) {
          const int64_t strip = unit % strips, first = strip * strip_elements, count = std::min(strip_elements, a - first);
          const T* from = source + position.offset(0) + first;
          T* to = target + position.offset(1) + first * target_a;
          for (int64_t j = 0; j < b; j += block_elements)
            transpose_block(from + j * source_b, source_b, to + j * target_b, target_a, target_b, count, std::min(block_elements, b - j));
          if (strip == strips - 1) position.advance();
        }
      });
}

template <class T> void StridedCopy::run(const T* source, T* target) const {
  if (transposed_) tiles(source, target);
  else rows(source, target);
}

void StridedCopy::operator()(const void* source, void* target) const {
  if (empty_) return;
  switch (element_bytes_) {
    case 1: return run(static_cast<const uint8_t*>(source), static_cast<uint8_t*>(target));
    case 2: return run(static_cast<const uint16_t*>(source), static_cast<uint16_t*>(target));
    case 4: return run(static_cast<const uint32_t*>(source), static_cast<uint32_t*>(target));
    default: return run(static_cast<const uint64_t*>(source), static_cast<uint64_t*>(target));
  }
}

}  // namespace weft::cpu::WEFT_ISA
