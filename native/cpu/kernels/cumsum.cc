// cumSum along an axis, forward or backward, with or without the element itself; float32 accumulates in double.
#include <algorithm>
#include <type_traits>

#include "pointwise.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

template <class T> WEFT_BINDER static Step bind_cumulative(Call& call) {
  using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;
  constexpr int64_t strip = 128;   // columns side by side: their totals stay in the first-level cache
  constexpr Wide zero = -Wide(0);  // of floats -0, which leaves what is added to it as it is: -0 too
  const View x = call.in[0], out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + x.rank() : given;
  const bool exclusive = call.attrs.flag("exclusive"), reverse = call.attrs.flag("reverse");
  const int64_t outer = product(x.dims, 0, size_t(axis)), n = x.dim(axis), inner = product(x.dims, size_t(axis) + 1);
  // a reversed sum starts at the last element and walks with a negative step
  const int64_t strips = (inner + strip - 1) / strip, step = reverse ? -inner : inner, start = reverse ? (n - 1) * inner : 0;
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    if (out.size() == 0) return;
    const int64_t unit_elements = n * std::min(strip, inner);  // of a strip of one outer index
    parallel_range(outer * strips, std::max<int64_t>(1, function_grain / unit_elements), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; unit++) {
        const int64_t first = unit % strips * strip, columns = std::min(strip, inner - first);
        const int64_t offset = unit / strips * n * inner + first + start;
        const T* from = frame.at<T>(x) + offset;
        T* to = frame.at<T>(out) + offset;
        if (inner == 1) {
          Wide total = zero;
          for (int64_t i = 0; i < n; i++) {
            const Wide before = total;
            total += from[i * step];
            to[i * step] = T(!exclusive ? total : i == 0 ? Wide(0) : before);
          }
          continue;
        }
        Wide total[strip];
        std::fill_n(total, columns, zero);
        for (int64_t i = 0; i < n; i++) {
          const T* p = from + i * step;
          T* q = to + i * step;
          WEFT_INDEPENDENT
          for (int64_t j = 0; j < columns; j++) {
            const Wide before = total[j], after = before + p[j];
            q[j] = T(!exclusive ? after : i == 0 ? Wide(0) : before);
            total[j] = after;
          }
        }
      }
    });
  };
}

KERNEL(cpu, cumSum) {
  return bind_widened(call, [](Call& wide) {
    switch (wide.in[0].dtype) {
      case DType::float32: return bind_cumulative<float>(wide);
      case DType::float64: return bind_cumulative<double>(wide);
      case DType::int32: return bind_cumulative<uint32_t>(wide);  // wraps
      default: throw Error("ERR_DTYPE", std::string("cumSum: ") + name_of(wide.in[0].dtype) + " is not supported");
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
