// cumSum and cumProd along an axis, forward or backward, with or without the element itself. float32 is accumulated in
// double.
#include <algorithm>
#include <type_traits>

#include "pointwise.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

template <class T> using Wider = std::conditional_t<std::is_same_v<T, float>, double, T>;

// How values are combined. `start` combined with a value gives that value. `empty` is the result where there is none.
template <class T> struct Add {
  using Wide = Wider<T>;
  static constexpr Wide start = -Wide(0), empty = 0;  // `start` is -0 for floats, so that -0 stays -0
  static WEFT_INLINE Wide combine(Wide a, Wide b) { return a + b; }
};
template <class T> struct Multiply {
  using Wide = Wider<T>;
  static constexpr Wide start = 1, empty = 1;
  static WEFT_INLINE Wide combine(Wide a, Wide b) { return a * b; }
};

template <class T, class Op> WEFT_BINDER static Step bind_cumulative(Call& call) {
  using Wide = typename Op::Wide;
  constexpr int64_t strip = 128;  // columns that go side by side: their totals stay in the first-level cache
  const View x = call.in[0], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  const bool exclusive = call.attrs.flag("exclusive"), reverse = call.attrs.flag("reverse");
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis), inner = product(x.dims, size_t(axis) + 1);
  // a reversed sum starts at the last element and walks with a negative step
  const int64_t strips = (inner + strip - 1) / strip, step = reverse ? -inner : inner, start = reverse ? (n - 1) * inner : 0;
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    if (out.size() == 0) return;
    const int64_t unit_elements = n * std::min(strip, inner);  // elements in a strip of one outer index
    parallel_range(outer * strips, std::max<int64_t>(1, function_grain / unit_elements), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit % strips * strip, columns = std::min(strip, inner - first);
        const int64_t offset = unit / strips * n * inner + first + start;
        const T* from = frame.at<T>(x) + offset;
        T* to = frame.at<T>(out) + offset;
        if (inner == 1) {
          Wide total = Op::start;
          for (int64_t i = 0; i < n; i++) {
            const Wide before = total;
            total = Op::combine(total, from[i * step]);
            to[i * step] = T(!exclusive ? total : i == 0 ? Op::empty : before);
          }
          continue;
        }
        Wide total[strip];
        std::fill_n(total, columns, Op::start);
        for (int64_t i = 0; i < n; i++) {
          const T* p = from + i * step;
          T* q = to + i * step;
          WEFT_INDEPENDENT
          for (int64_t j = 0; j < columns; j++) {
            const Wide before = total[j], after = Op::combine(before, p[j]);
            q[j] = T(!exclusive ? after : i == 0 ? Op::empty : before);
            total[j] = after;
          }
        }
      }
    });
  };
}

template <template <class> class Op> static Step bind_wide(Call& call) {
  return bind_widened(call, [](Call& wide) {
    switch (wide.in[0].dtype) {
      case DType::float32: return bind_cumulative<float, Op<float>>(wide);
      case DType::float64: return bind_cumulative<double, Op<double>>(wide);
      case DType::int32: return bind_cumulative<uint32_t, Op<uint32_t>>(wide);  // sums of int32 wrap
      default: throw Error("ERR_DTYPE", wide.op + ": " + name_of(wide.in[0].dtype) + " is not supported");
    }
  });
}

KERNEL(cpu, cumSum) { return bind_wide<Add>(call); }
KERNEL(cpu, cumProd) { return bind_wide<Multiply>(call); }

}  // namespace weft::cpu::WEFT_ISA
