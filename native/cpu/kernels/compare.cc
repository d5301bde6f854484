// Comparisons, bool logic and where.
#include "pointwise/compare.h"

#include "pointwise_runs.h"

namespace weft::cpu::WEFT_ISA {

WEFT_COMPARE(WEFT_CPU_BINARY)
WEFT_LOGIC(WEFT_CPU_BINARY)

struct logicalNot_of {
  static WEFT_INLINE uint8_t at(uint8_t x, uint8_t, uint8_t) { return x == 0; }
};
KERNEL(cpu, logicalNot) {
  Runs runs;
  runs.boolean = unary<logicalNot_of, uint8_t>;
  return pointwise(call, runs, cheap_grain);
}

/** T is any dtype of its size. */
template <class T> static void choose(const void* const* in, unsigned fixed, void* out, int64_t n, const double*) {
  const uint8_t* condition = static_cast<const uint8_t*>(in[0]);
  const T *x = static_cast<const T*>(in[1]), *y = static_cast<const T*>(in[2]);
  T* z = static_cast<T*>(out);
  auto loop = [=]<int64_t X, int64_t Y>() {
    WEFT_INDEPENDENT
    for (int64_t i = 0; i < n; i++) {
      const T a = x[i * X], b = y[i * Y];
      z[i] = condition[i] ? a : b;
    }
  };
  if (fixed & 1) {  // one condition: a copy
    const bool first = *condition;
    const T* from = first ? x : y;
    if (fixed & (first ? 2 : 4)) {
      const T a = *from;
      for (int64_t i = 0; i < n; i++) z[i] = a;
    } else {
      WEFT_INDEPENDENT
      for (int64_t i = 0; i < n; i++) z[i] = from[i];
    }
  } else if (fixed == 0) loop.template operator()<1, 1>();
  else if (fixed == 2) loop.template operator()<0, 1>();
  else if (fixed == 4) loop.template operator()<1, 0>();
  else loop.template operator()<0, 0>();
}

KERNEL(cpu, where) {
  switch (size_of(call.out[0].dtype)) {
    case 1: return pointwise(call, choose<uint8_t>, cheap_grain);
    case 2: return pointwise(call, choose<uint16_t>, cheap_grain);
    case 4: return pointwise(call, choose<uint32_t>, cheap_grain);
    default: return pointwise(call, choose<uint64_t>, cheap_grain);
  }
}

}  // namespace weft::cpu::WEFT_ISA
