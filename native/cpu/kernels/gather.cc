// gather and scatterAdd along any axis, gatherAlong and scatterAlong along the last axis. An index that is out of range
// raises a fault.
#include <cstring>
#include <type_traits>

#include "pointwise.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** The index. Where it is not in [0, n): 0, and a fault is raised. */
WEFT_INLINE int64_t checked(const Frame& frame, int32_t index, int64_t n) {
  if (uint64_t(int64_t(index)) < uint64_t(n)) return index;
  frame.raise(index);
  return 0;
}

/** Values that are copied one by one: fewer than a call of memcpy costs, as the channels of a pixel. */
constexpr int64_t few = 4;

/** [outer, n, inner] and indices [count] to [outer, count, inner]. T stands for any dtype of its size. */
template <class T>
WEFT_BINDER Step bind_gather(const View& x, const View& indices, const View& out, int64_t outer, int64_t n, int64_t inner) {
  const int64_t count = indices.size();
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    const int32_t* index = frame.at<int32_t>(indices);
    T* to = frame.at<T>(out);
    parallel_range(outer * count, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, inner)), [&](int64_t begin, int64_t end) {
      // counted along: divisions cost more than copying a few values
      int64_t o = begin / count, k = begin % count;
      for (int64_t u = begin; u < end; u++) {
        const int64_t i = checked(frame, index[k], n);
        const T* row = from + (o * n + i) * inner;
        if (n == 0) std::memset(to + u * inner, 0, size_t(inner) * sizeof(T));
        else if (inner == 1) to[u] = *row;
        else if (inner <= few)
          for (int64_t j = 0; j < inner; j++) to[u * inner + j] = row[j];
        else std::memcpy(to + u * inner, row, size_t(inner) * sizeof(T));
        if (++k == count) k = 0, o++;
      }
    });
  };
}

template <class T> WEFT_BINDER Step bind_gather_along(const View& x, const View& indices, const View& out) {
  const int64_t n = x.dim(-1), count = out.dim(-1), rows = product(out.dims, 0, out.dims.size() - 1);
  return [=](const Frame& frame) {
    parallel_range(rows, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, count)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const T* from = frame.at<T>(x) + r * n;
        const int32_t* index = frame.at<int32_t>(indices) + r * count;
        T* to = frame.at<T>(out) + r * count;
        for (int64_t j = 0; j < count; j++) {
          const int64_t i = checked(frame, index[j], n);
          to[j] = n == 0 ? T(0) : from[i];
        }
      }
    });
  };
}

/** A row that has more updates than this is added up in double: a float32 sum of so many loses digits. */
constexpr int32_t most_float_updates = 1024;

/**
 * The rows of an output [n, inner] that have many updates, and the sums of those rows. Only outputs of float32 have
 * them.
 */
struct BusyRows {
  View places, sums;  // int32 [n]: the number of the row among the busy ones, or -1; double [outer, busy, inner]
  int64_t n = 0, most = 0;

  BusyRows() = default;
  WEFT_BINDER BusyRows(Call& call, int64_t outer, int64_t rows, int64_t inner, int64_t count)
      : n(rows), most(count / (most_float_updates + 1)) {
    if (most == 0) return;
    places = call.scratch(size_t(n) * sizeof(int32_t));
    sums = call.scratch(size_t(outer * most * inner) * sizeof(double));
  }
  /** Finds the busy rows among the indices, and sets their sums to zero. */
  void find(const Frame& frame, const int32_t* index, int64_t count, int64_t size) const {
    if (most == 0) return;
    int32_t *place = frame.at<int32_t>(places), found = 0;
    std::fill_n(place, n, 0);
    for (int64_t k = 0; k < count; k++)
      if (index[k] >= 0 && index[k] < n) place[index[k]]++;
    for (int64_t i = 0; i < n; i++) place[i] = place[i] > most_float_updates ? found++ : -1;
    std::fill_n(frame.at<double>(sums), size, 0.0);
  }
};

/**
 * The rows of the output are cut into parts, and each part adds the updates of its rows in the order of the indices. So
 * the sums do not depend on the threads. One counting pass lists the updates of each part. A part's updates may lie far
 * from each other, so they are fetched ahead.
 */
template <class T> WEFT_BINDER Step bind_scatter_add(Call& call, int64_t axis) {
  const View indices = call.in[0], updates = call.in[1], out = call.out[0];
  const int64_t outer = product(out.dims, 0, size_t(axis)), n = out.dim(axis), inner = product(out.dims, size_t(axis) + 1),
                count = indices.size();
  const int64_t parts = std::clamp<int64_t>((n + count) * inner / cheap_grain, 1, 16);
  // the lists hold 32-bit numbers
  require(count <= INT32_MAX, "ERR_SHAPE", call.op, ": ", count, " indices, of at most ", INT32_MAX);
  const View lists = call.scratch(size_t(count + parts + 1) * sizeof(int32_t));
  const BusyRows busy = std::is_same_v<T, float> ? BusyRows(call, outer, n, inner, count) : BusyRows();
  return [=](const Frame& frame) {
    const int32_t* index = frame.at<int32_t>(indices);
    // where the list of each part begins, and the positions of the updates, part by part
    int32_t *begins = frame.at<int32_t>(lists), *list = begins + parts + 1;
    const int32_t* place = busy.most > 0 ? frame.at<int32_t>(busy.places) : nullptr;
    double* sums = busy.most > 0 ? frame.at<double>(busy.sums) : nullptr;
    const auto part_of = [&](int64_t i) { return int64_t(uint64_t(i) * uint64_t(parts) / uint64_t(n)); };
    busy.find(frame, index, count, outer * busy.most * inner);
    std::fill_n(begins, parts + 1, 0);
    for (int64_t k = 0; k < count; k++) {
      if (index[k] < 0 || index[k] >= n) frame.raise(index[k]);
      else begins[part_of(index[k])]++;
    }
    int32_t end = 0;
    for (int64_t part = 0; part <= parts; part++) {
      end += begins[part];
      begins[part] = end;
    }
    for (int64_t k = count; k-- > 0;)
      if (index[k] >= 0 && index[k] < n) list[--begins[part_of(index[k])]] = int32_t(k);
    parallel_range(outer * parts, std::max<int64_t>(1, cheap_grain / std::max<int64_t>(1, (n + count) * inner / parts)),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t u = begin; u < end; u++) {
                       const int64_t o = u / parts, part = u % parts;
                       // the rows i for which part_of(i) == part
                       const int64_t first = (n * part + parts - 1) / parts, last = (n * (part + 1) + parts - 1) / parts;
                       const T* from = frame.at<T>(updates) + o * count * inner;
                       T* to = frame.at<T>(out) + o * n * inner;
                       std::fill(to + first * inner, to + last * inner, T(0));
                       for (int64_t k = begins[part]; k < begins[part + 1]; k++) {
                         T* row = to + index[list[k]] * inner;
                         const T* update = from + list[k] * inner;
                         if (k + 8 < begins[part + 1]) {
                           const char* next = reinterpret_cast<const char*>(from + list[k + 8] * inner);
                           for (int64_t line = 0; line < std::min<int64_t>(inner * int64_t(sizeof(T)), 512); line += 64)
                             __builtin_prefetch(next + line);
                         }
                         if (busy.most > 0 && place[index[list[k]]] >= 0) {
                           double* sum = sums + (o * busy.most + place[index[list[k]]]) * inner;
                           WEFT_INDEPENDENT
                           for (int64_t j = 0; j < inner; j++) sum[j] += double(update[j]);
                           continue;
                         }
                         WEFT_INDEPENDENT
                         for (int64_t j = 0; j < inner; j++) row[j] += update[j];
                       }
                       for (int64_t i = first; busy.most > 0 && i < last; i++) {
                         if (place[i] < 0) continue;
                         const double* sum = sums + (o * busy.most + place[i]) * inner;
                         for (int64_t j = 0; j < inner; j++) to[i * inner + j] = T(sum[j]);
                       }
                     }
                   });
  };
}

template <class T> WEFT_BINDER Step bind_scatter_along(Call& call) {
  const View indices = call.in[0], updates = call.in[1], out = call.out[0];
  const int64_t n = out.dim(-1), count = updates.dim(-1), rows = product(out.dims, 0, out.dims.size() - 1);
  const bool wide = std::is_same_v<T, float> && count > most_float_updates;
  const View sums = wide ? call.scratch(size_t(out.size()) * sizeof(double)) : View();
  return [=](const Frame& frame) {
    parallel_range(rows, std::max<int64_t>(1, cheap_grain / (n + count + 1)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; r++) {
        const T* update = frame.at<T>(updates) + r * count;
        const int32_t* index = frame.at<int32_t>(indices) + r * count;
        T* to = frame.at<T>(out) + r * n;
        const auto add_to = [&](auto* sum) {
          std::fill_n(sum, n, 0);
          for (int64_t j = 0; j < count; j++) {
            if (index[j] < 0 || index[j] >= n) frame.raise(index[j]);
            else sum[index[j]] += update[j];
          }
        };
        if (!wide) {
          add_to(to);
          continue;
        }
        double* sum = frame.at<double>(sums) + r * n;
        add_to(sum);
        for (int64_t i = 0; i < n; i++) to[i] = T(sum[i]);
      }
    });
  };
}

/** Calls f with the unsigned integer type of the dtype's size. */
template <class F> WEFT_BINDER Step by_size(DType dtype, F&& f) {
  switch (size_of(dtype)) {
    case 1: return f(uint8_t());
    case 2: return f(uint16_t());
    case 4: return f(uint32_t());
    default: return f(uint64_t());
  }
}

/** Calls f with the type that the dtype is added in. For an integer that is the unsigned type, whose sums wrap. */
template <class F> WEFT_BINDER Step by_number(DType dtype, F&& f) {
  switch (dtype) {
    case DType::float32: return f(float());
    case DType::float64: return f(double());
    case DType::int32: return f(uint32_t());
    default: throw Error("ERR_DTYPE", std::string("this operation does not support ") + name_of(dtype));
  }
}

}  // namespace

KERNEL(cpu, gather) {
  const View x = call.in[0], indices = call.in[1], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  const int64_t outer = product(x.dims, 0, size_t(axis)), inner = product(x.dims, size_t(axis) + 1);
  return by_size(x.dtype, [&]<class T>(T) { return bind_gather<T>(x, indices, out, outer, x.dim(axis), inner); });
}

KERNEL(cpu, gatherAlong) {
  return by_size(call.in[0].dtype, [&]<class T>(T) { return bind_gather_along<T>(call.in[0], call.in[1], call.out[0]); });
}

KERNEL(cpu, scatterAdd) {
  return bind_widened(call, [](Call& wide) {
    const int64_t given = wide.attrs.integer("axis"), axis = given < 0 ? given + wide.out[0].rank() : given;
    return by_number(wide.out[0].dtype, [&]<class T>(T) { return bind_scatter_add<T>(wide, axis); });
  });
}

KERNEL(cpu, scatterAlong) {
  return bind_widened(call,
                      [](Call& wide) { return by_number(wide.out[0].dtype, [&]<class T>(T) { return bind_scatter_along<T>(wide); }); });
}

}  // namespace weft::cpu::WEFT_ISA
