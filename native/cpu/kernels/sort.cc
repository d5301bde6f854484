// sort and topK along the last axis. Each element becomes an unsigned key, and the keys have the wanted order: NaN
// comes last, and -0 equals 0. Long rows are sorted by the digits of the key, which leaves equal elements in their
// order.
#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>

#include "pointwise.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class T> using KeyOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;

template <class T> struct Item {
  KeyOf<T> key;
  int32_t index;
  bool operator<(const Item& other) const { return key != other.key ? key < other.key : index < other.index; }
};

/** The key of an element: keys rise as the elements rise, or as they fall. NaN has the largest key in both orders. */
template <class T> WEFT_INLINE KeyOf<T> key_of(T x, bool descending) {
  using Key = KeyOf<T>;
  constexpr Key sign = Key(1) << (8 * sizeof(Key) - 1);
  if constexpr (std::is_floating_point_v<T>) {
    const Key bits = std::bit_cast<Key>(x + T(0));  // -0 + 0 is 0
    const Key key = bits & sign ? ~bits : bits | sign;
    return x != x ? ~Key(0) : descending ? ~key : key;
  } else {
    const Key key = Key(x) ^ sign;
    return descending ? ~key : key;
  }
}

/** Sorts by one byte of the key after the other, from the lowest byte on. Returns the array that holds the result. */
template <class T> Item<T>* sort_by_digits(Item<T>* items, Item<T>* other, int64_t n) {
  constexpr int digits = sizeof(KeyOf<T>);
  uint32_t counts[digits][256] = {};
  for (int64_t i = 0; i < n; i++)
    for (int d = 0; d < digits; d++) counts[d][items[i].key >> (8 * d) & 255]++;
  for (int d = 0; d < digits; d++) {
    uint32_t* count = counts[d];
    if (count[items[0].key >> (8 * d) & 255] == n) continue;  // this byte is the same in all keys
    uint32_t place = 0;
    for (int v = 0; v < 256; v++) {
      const uint32_t here = count[v];
      count[v] = place;
      place += here;
    }
    for (int64_t i = 0; i < n; i++) other[count[items[i].key >> (8 * d) & 255]++] = items[i];
    std::swap(items, other);
  }
  return items;
}

template <class T> WEFT_BINDER Step bind_sort(Call& call) {
  constexpr int64_t long_row = 256;
  const View x = call.in[0], values = call.out[0], indices = call.out[1];
  const bool descending = call.attrs.flag("descending");
  const int64_t n = x.dim(-1), rows = n == 0 ? 0 : x.size() / n;
  const View scratch = call.scratch(size_t(std::max<int64_t>(1, n)) * 2 * sizeof(Item<T>) * size_t(threads()));
  const int64_t chunks = std::min(rows, std::max<int64_t>(1, rows * n / function_grain));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int thread) {
      Item<T>* items = frame.at<Item<T>>(scratch) + int64_t(thread) * 2 * n;
      for (int64_t r = rows * chunk / chunks; r < rows * (chunk + 1) / chunks; r++) {
        const T* row = frame.at<T>(x) + r * n;
        for (int64_t i = 0; i < n; i++) items[i] = {key_of(row[i], descending), int32_t(i)};
        const Item<T>* sorted = items;
        if (n < long_row) std::sort(items, items + n);
        else sorted = sort_by_digits(items, items + n, n);
        if (values.used())
          for (int64_t i = 0; i < n; i++) frame.at<T>(values)[r * n + i] = row[sorted[i].index];
        if (indices.used())
          for (int64_t i = 0; i < n; i++) frame.at<int32_t>(indices)[r * n + i] = sorted[i].index;
      }
    });
  };
}

/**
 * The k least items of a row, in order. A small k: the least ones are kept sorted while the row is read. A large k:
 * they are selected from all items.
 */
template <class T> void least_items(const T* row, int64_t n, int64_t k, Item<T>* items) {
  constexpr int64_t few = 64;
  if (k > few) {
    for (int64_t i = 0; i < n; i++) items[i] = {key_of(row[i], true), int32_t(i)};
    if (k < n) std::nth_element(items, items + k, items + n);
    std::sort(items, items + k);
    return;
  }
  for (int64_t i = 0; i < k; i++) items[i] = {key_of(row[i], true), int32_t(i)};
  std::sort(items, items + k);
  for (int64_t i = k; i < n; i++) {
    const KeyOf<T> key = key_of(row[i], true);
    if (key >= items[k - 1].key) continue;  // of equal keys, the one with the earlier index stays
    int64_t place = k - 1;
    for (; place > 0 && items[place - 1].key > key; place--) items[place] = items[place - 1];
    items[place] = {key, int32_t(i)};
  }
}

template <class T> WEFT_BINDER Step bind_top(Call& call) {
  const View x = call.in[0], values = call.out[0], indices = call.out[1];
  const int64_t n = x.dim(-1), k = values.dim(-1), rows = k == 0 ? 0 : product(x.dims, 0, x.dims.size() - 1);
  require(k <= n, "ERR_SHAPE", "topK: k = ", k, " exceeds the last axis, ", n);
  const View scratch = call.scratch(size_t(std::max<int64_t>(1, n)) * sizeof(Item<T>) * size_t(threads()));
  const int64_t chunks = std::min(rows, std::max<int64_t>(1, rows * n / function_grain));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int thread) {
      Item<T>* items = frame.at<Item<T>>(scratch) + int64_t(thread) * n;
      for (int64_t r = rows * chunk / chunks; r < rows * (chunk + 1) / chunks; r++) {
        const T* row = frame.at<T>(x) + r * n;
        least_items(row, n, k, items);
        if (values.used())
          for (int64_t i = 0; i < k; i++) frame.at<T>(values)[r * k + i] = row[items[i].index];
        if (indices.used())
          for (int64_t i = 0; i < k; i++) frame.at<int32_t>(indices)[r * k + i] = items[i].index;
      }
    });
  };
}

}  // namespace

KERNEL(cpu, sort) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double, int32_t>(wide.in[0].dtype, [&]<class T>() { return bind_sort<T>(wide); }); });
}
KERNEL(cpu, topK) {
  return bind_widened(
      call, [](Call& wide) { return dispatch<float, double, int32_t>(wide.in[0].dtype, [&]<class T>() { return bind_top<T>(wide); }); });
}

}  // namespace weft::cpu::WEFT_ISA
