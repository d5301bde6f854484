// Kernels written for float32, float64 and int32 serve narrower dtypes through converted copies of their operands.
#pragma once
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

/** Calls f.template operator()<T>() for the T that a float dtype is: one that kernels compute in, or any. */
template <class F> WEFT_BINDER auto by_computed_float(DType dtype, F&& f) { return dispatch<float, double>(dtype, f); }
template <class F> WEFT_BINDER auto by_any_float(DType dtype, F&& f) { return dispatch<float, double, Float16, BFloat16>(dtype, f); }

/**
 * Binds a call whose 16-bit floats are seen as float32, and whose bool and uint8 as int32: inputs are converted into
 * scratch memory before the step and outputs after it. Calls without such operands are bound as they are.
 */
WEFT_BINDER Step bind_widened(Call& call, Bind bind);

/**
 * Binds a call by its dtype: `of_float` or `of_double`, the 16-bit floats seen as float32. Operands that are no floats
 * stay as they are.
 */
WEFT_BINDER Step bind_float(Call& call, DType dtype, Bind of_float, Bind of_double);
/** The same with bind.operator()<T>(call) for T float and double; `bind` holds no values. */
template <class F> WEFT_BINDER Step bind_float(Call& call, DType dtype, F) {
  return bind_float(
      call, dtype, [](Call& of) { return F().template operator()<float>(of); },
      [](Call& of) { return F().template operator()<double>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
