// argMax and argMin: the place of the extreme along an axis, and the first of equal ones. NaN counts as the extreme.
#include "reduce.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class R> int32_t place_in_row(const typename R::T* x, int64_t n) {
  using T = typename R::T;
  constexpr int lanes = pack_lanes<T>;
  const T best = T(reduce_row<R>(x, n));
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {  // which block holds the extreme
    auto found = [&](int64_t k) {
      const Pack<T> v = load_pack(x + k);
      return (v == best) | (v != v);
    };
    const auto hits = found(i) | found(i + lanes) | found(i + 2 * lanes) | found(i + 3 * lanes);
    uint64_t any[sizeof hits / 8];
    std::memcpy(any, &hits, sizeof hits);
    for (size_t k = 1; k < sizeof hits / 8; k++) any[0] |= any[k];
    if (any[0]) break;
  }
  while (x[i] != best && x[i] == x[i]) i++;
  return int32_t(i);
}

/** The places of the extremes in `count` columns of [n, inner], from column `first` on. */
template <class R> void places_in_columns(const typename R::T* x, int64_t n, int64_t inner, int64_t count, int32_t* place) {
  using T = typename R::T;
  constexpr int64_t strip = 128;
  for (int64_t first = 0; first < count; first += strip) {
    const int64_t columns = std::min(strip, count - first);
    T best[strip];
    int32_t where[strip];
    for (int64_t j = 0; j < columns; j++) best[j] = x[first + j], where[j] = 0;
    for (int64_t i = 1; i < n; i++) {
      const T* row = x + i * inner + first;
      for (int64_t j = 0; j < columns; j++) {
        const T value = row[j], old = best[j];
        const bool better = (R::combine(old, value) != old) & (old == old);  // NaN wins over all but an earlier NaN
        best[j] = better ? value : old;
        where[j] = better ? int32_t(i) : where[j];
      }
    }
    std::copy_n(where, columns, place + first);
  }
}

/** So many rows of few elements are turned, so that each is a column. */
constexpr int64_t few_elements = 32, enough_rows = 8;
template <class R> void places_in_short_rows(const typename R::T* x, int64_t n, int64_t rows, int32_t* place) {
  constexpr int64_t strip = 64;
  typename R::T turned[few_elements * strip];
  for (int64_t first = 0; first < rows; first += strip) {
    const int64_t count = std::min(strip, rows - first);
    for (int64_t r = 0; r < count; r++)
      for (int64_t i = 0; i < n; i++) turned[i * strip + r] = x[(first + r) * n + i];
    places_in_columns<R>(turned, n, strip, count, place + first);
  }
}

template <class R> WEFT_BINDER Step bind_places(Call& call) {
  const View x = call.in[0], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  call.attrs.flag("keepDims");  // read here, but not needed: the output has its shape already
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis), inner = product(x.dims, size_t(axis) + 1);
  return [=](const Frame& frame) {
    if (out.size() == 0 || n == 0) return;
    const auto* from = frame.at<typename R::T>(x);
    int32_t* to = frame.at<int32_t>(out);
    parallel_range(outer, std::max<int64_t>(1, cheap_grain / (n * inner)), [&](int64_t begin, int64_t end) {
      if constexpr (std::is_same_v<typename R::T, float>)
        if (inner == 1 && n <= few_elements && end - begin >= enough_rows)
          return places_in_short_rows<R>(from + begin * n, n, end - begin, to + begin);
      for (int64_t o = begin; o < end; o++) {
        if (inner == 1) to[o] = place_in_row<R>(from + o * n, n);
        else places_in_columns<R>(from + o * n * inner, n, inner, inner, to + o * inner);
      }
    });
  };
}

template <template <class> class R> WEFT_BINDER Step bind_by_dtype(Call& call) {
  switch (call.in[0].dtype) {
    case DType::float32: return bind_places<R<float>>(call);
    case DType::float64: return bind_places<R<double>>(call);
    case DType::int32: return bind_places<R<int32_t>>(call);
    default: throw Error("ERR_DTYPE", call.op + ": " + name_of(call.in[0].dtype) + " is not supported");
  }
}

}  // namespace

KERNEL(cpu, argMax) { return bind_widened(call, bind_by_dtype<Maximum>); }
KERNEL(cpu, argMin) { return bind_widened(call, bind_by_dtype<Minimum>); }

}  // namespace weft::cpu::WEFT_ISA
