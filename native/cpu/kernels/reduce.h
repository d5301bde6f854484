// Reductions of contiguous rows and of columns. The order of the combinations follows from the extents alone.
#pragma once
#include <algorithm>
#include <limits>
#include <numeric>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {

/** A vector of T as wide as Vec. */
template <class T> struct PackOf { typedef T type __attribute__((vector_size(4 * width))); };
template <class T> using Pack = typename PackOf<T>::type;
template <class T> constexpr int pack_lanes = 4 * width / int(sizeof(T));

/** A T or a Pack<T> from memory. */
template <class V, class T> WEFT_INLINE V load_as(const T* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class T> WEFT_INLINE Pack<T> load_pack(const T* p) { return load_as<Pack<T>>(p); }

template <int distance, class V, int... lane> WEFT_INLINE V rotate_pack(V v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, ((lane + distance) % int(sizeof...(lane)))...);
}
/** Combines all lanes of a pack. Its two halves are combined, then the two halves of that, and so on. */
template <class R, int half = pack_lanes<typename R::T> / 2> WEFT_INLINE typename R::T combine_lanes(Pack<typename R::T> v) {
  if constexpr (half == 0) return v[0];
  else return combine_lanes<R, half / 2>(R::combine(v, rotate_pack<half>(v, std::make_integer_sequence<int, pack_lanes<typename R::T>>())));
}

// What a reduction does. `combine` works on T and on Pack<T>. The results of blocks are combined in Wide.
template <class Number> struct Sum {
  using T = Number;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;
  static constexpr Wide neutral() { return 0; }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return a + b; }
};
template <class Number> struct Multiplication {
  using T = Number;
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;
  static constexpr Wide neutral() { return 1; }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return a * b; }
};
template <class Number> struct Maximum {
  using T = Number;
  using Wide = T;
  static constexpr T neutral() {
    return std::numeric_limits<T>::has_infinity ? -std::numeric_limits<T>::infinity() : std::numeric_limits<T>::lowest();
  }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return (b > a) | (b != b) ? b : a; }
};
template <class Number> struct Minimum {
  using T = Number;
  using Wide = T;
  static constexpr T neutral() {
    return std::numeric_limits<T>::has_infinity ? std::numeric_limits<T>::infinity() : std::numeric_limits<T>::max();
  }
  template <class V> static WEFT_INLINE V combine(V a, V b) { return (b < a) | (b != b) ? b : a; }
};

/** Reduces a block of elements: four packs at a time, then one at a time, then the elements that are left. */
template <class R> typename R::T reduce_block(const typename R::T* x, int64_t n) {
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
    total = combine_lanes<R>(a);
  }
  for (; i < n; i++) total = R::combine(total, x[i]);
  return total;
}

template <class R> typename R::Wide reduce_row(const typename R::T* x, int64_t n) {
  constexpr int64_t block = 64 * pack_lanes<typename R::T>;
  auto total = R::neutral();
  for (int64_t i = 0; i < n; i += block) total = R::combine(total, typename R::Wide(reduce_block<R>(x + i, std::min(block, n - i))));
  return total;
}

/**
 * The totals of columns over `rows` rows: total[j] combines the values load<V>(i, j) of all rows i, in blocks of 32
 * rows. load<T> gives the value in column j. load<Pack<T>> gives the values of the columns from j on.
 */
template <class R, class Load> void reduce_columns(int64_t rows, int64_t columns, typename R::Wide* total, const Load& load) {
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
    const int64_t end = std::min(r + block, rows);
    int64_t j = 0;
    for (; j + 4 * lanes <= columns; j += 4 * lanes) {
      Pack<T> a = start, b = start, c = start, d = start;
      for (int64_t i = r; i < end; i++) {
        a = R::combine(a, load.template operator()<Pack<T>>(i, j));
        b = R::combine(b, load.template operator()<Pack<T>>(i, j + lanes));
        c = R::combine(c, load.template operator()<Pack<T>>(i, j + 2 * lanes));
        d = R::combine(d, load.template operator()<Pack<T>>(i, j + 3 * lanes));
      }
      fold(a, j, 0);
      fold(b, j + lanes, 0);
      fold(c, j + 2 * lanes, 0);
      fold(d, j + 3 * lanes, 0);
    }
    while (j < columns) {
      if (columns < lanes) {
        T sum = T(R::neutral());
        for (int64_t i = r; i < end; i++) sum = R::combine(sum, load.template operator()<T>(i, j));
        total[j] = R::combine(total[j], Wide(sum));
        j++;
        continue;
      }
      const int64_t from = std::min(j, columns - lanes);  // the last pack overlaps the one before
      Pack<T> a = start;
      for (int64_t i = r; i < end; i++) a = R::combine(a, load.template operator()<Pack<T>>(i, from));
      fold(a, from, int(j - from));
      j = from + lanes;
    }
  }
}

/**
 * How the rows of [rows, columns] are cut where each segment keeps column totals of its own. A segment stays in the
 * cache. There are at most 256.
 */
struct RowSegments {
  int64_t rows, length, count;
  RowSegments(int64_t rows, int64_t columns)
      : rows(rows),
        length(std::max({32768 / std::max<int64_t>(1, columns), int64_t(32), (rows + 255) / 256})),
        count((rows + length - 1) / length) {}
  int64_t begin(int64_t segment) const { return segment * length; }
  int64_t size(int64_t segment) const { return std::min(length, rows - segment * length); }
};

}  // namespace weft::cpu::WEFT_ISA
