// Kernels written for float32, float64 and int32 serve narrower dtypes through converted copies of their operands.
#pragma once
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Binds a call whose 16-bit floats are seen as float32, and whose bool and uint8 as int32: inputs are converted into
 * scratch memory before the step and outputs after it. Calls without such operands are bound as they are.
 */
Step bind_widened(Call& call, Bind bind);

/**
 * Binds a call by its dtype: `of_float` or `of_double`, the 16-bit floats seen as float32. Operands that are no floats
 * stay as they are.
 */
Step bind_float(Call& call, DType dtype, Bind of_float, Bind of_double);
/** The same with bind.operator()<T>(call) for T float and double; `bind` holds no values. */
template <class F> Step bind_float(Call& call, DType dtype, F) {
  return bind_float(
      call, dtype, [](Call& of) { return F().template operator()<float>(of); },
      [](Call& of) { return F().template operator()<double>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
