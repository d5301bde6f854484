// Reductions of contiguous rows and of columns, in an order that follows from the extents alone.
#pragma once
#include <algorithm>
#include <limits>
#include <numeric>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** A vector of T as wide as Vec. */
template <class T>
struct PackOf {
  typedef T type __attribute__((vector_size(4 * width)));
};
template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
constexpr int pack_lanes = 4 * width / int(sizeof(T));

template <class T>
WEFT_INLINE Pack<T> load_pack(const T* p) {
  Pack<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// What is reduced: combine works on T and on Pack<T>; blocks of elements are combined in Wide.
template <class Number>
struct Sum {
  using T = Number;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;
  static constexpr Wide neutral() { return 0; }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return a + b; }
};
template <class Number>
struct Product {
  using T = Number;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;
  static constexpr Wide neutral() { return 1; }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return a * b; }
};
template <class Number>
struct Maximum {
  using T = Number;
  using Wide = T;
  static constexpr T neutral() { return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest(); }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return (b > a) | (b != b) ? b : a; }
};
template <class Number>
struct Minimum {
  using T = Number;
  using Wide = T;
  static constexpr T neutral() { return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max(); }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return (b < a) | (b != b) ? b : a; }
};

/** A block of elements: four packs side by side, then one, then the rest. */
template <class R>
typename R::T reduce_block(const typename R::T* x, int64_t n) {
  using T = typename R::T;
  constexpr int lanes = pack_lanes<T>;
  T total = T(R::neutral());
  int64_t i = 0;
  if (n >= lanes) {
    Pack<T> a = Pack<T>{} + total, b = a, c = a, d = a;
    for (; i + 4 * lanes <= n; i += 4 * lanes) {
      a = R::combine(a, load_pack(x + i));
      b = R::combine(b, load_pack(x + i + lanes));
      c = R::combine(c, load_pack(x + i + 2 * lanes));
      d = R::combine(d, load_pack(x + i + 3 * lanes));
    }
    for (; i + lanes <= n; i += lanes) a = R::combine(a, load_pack(x + i));
    a = R::combine(R::combine(a, b), R::combine(c, d));
    T lane[lanes];
    std::memcpy(lane, &a, sizeof a);
    for (int half = lanes / 2; half > 0; half /= 2)
      for (int k = 0; k < half; k++) lane[k] = R::combine(lane[k], lane[k + half]);
    total = lane[0];
  }
  for (; i < n; i++) total = R::combine(total, x[i]);
  return total;
}

template <class R>
typename R::Wide reduce_row(const typename R::T* x, int64_t n) {
  constexpr int64_t block = 64 * pack_lanes<typename R::T>;
  auto total = R::neutral();
  for (int64_t i = 0; i < n; i += block) total = R::combine(total, typename R::Wide(reduce_block<R>(x + i, std::min(block, n - i))));
  return total;
}

/** `rows` rows of `columns` elements, `stride` apart: total[j] combines column j, in blocks of 32 rows. */
template <class R>
void reduce_columns(const typename R::T* x, int64_t rows, int64_t stride, int64_t columns, typename R::Wide* total) {
  using T = typename R::T;
  using Wide = typename R::Wide;
  constexpr int lanes = pack_lanes<T>;
  constexpr int64_t block = 32;
  std::fill_n(total, columns, Wide(R::neutral()));
  const Pack<T> start = Pack<T>{} + T(R::neutral());
  auto fold = [&](Pack<T> sums, int64_t j, int first) {
    T lane[lanes];
    std::memcpy(lane, &sums, sizeof sums);
    for (int k = first; k < lanes; k++) total[j + k] = R::combine(total[j + k], Wide(lane[k]));
  };
  for (int64_t r = 0; r < rows; r += block) {
    const T* p = x + r * stride;
    const int64_t height = std::min(block, rows - r);
    int64_t j = 0;
    for (; j + 4 * lanes <= columns; j += 4 * lanes) {
      Pack<T> a = start, b = start, c = start, d = start;
      for (int64_t i = 0; i < height; i++) {
        const T* q = p + i * stride + j;
        a = R::combine(a, load_pack(q));
        b = R::combine(b, load_pack(q + lanes));
        c = R::combine(c, load_pack(q + 2 * lanes));
        d = R::combine(d, load_pack(q + 3 * lanes));
      }
      fold(a, j, 0);
      fold(b, j + lanes, 0);
      fold(c, j + 2 * lanes, 0);
      fold(d, j + 3 * lanes, 0);
    }
    while (j < columns) {
      if (columns < lanes) {
        for (int64_t k = 0; k < columns; k++) {
          T sum = T(R::neutral());
          for (int64_t i = 0; i < height; i++) sum = R::combine(sum, p[i * stride + k]);
          total[k] = R::combine(total[k], Wide(sum));
        }
        break;
      }
      const int64_t from = std::min(j, columns - lanes);  // the last pack overlaps the one before
      Pack<T> a = start;
      for (int64_t i = 0; i < height; i++) a = R::combine(a, load_pack(p + i * stride + from));
      fold(a, from, int(j - from));
      j = from + lanes;
    }
  }
}

}  // namespace weft::cpu::WEFT_ISA
