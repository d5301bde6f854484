// Kernels are written for float32, float64 and int32. They serve narrower dtypes through converted copies of operands.
#pragma once
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

/** Calls f.template operator()<T>() with the type of a float dtype that kernels compute in: float or double. */
template <class F> WEFT_BINDER auto by_computed_float(DType dtype, F&& f) { return dispatch<float, double>(dtype, f); }
template <class F> WEFT_BINDER auto by_any_float(DType dtype, F&& f) { return dispatch<float, double, Float16, BFloat16>(dtype, f); }

/**
 * Binds a call for `bind`, which sees 16-bit floats as float32, and bool and uint8 as int32. Such inputs are converted
 * into scratch memory before the step. Such outputs are converted from scratch memory after it. A call without such
 * operands is bound as it is.
 */
WEFT_BINDER Step bind_widened(Call& call, Bind bind);

/**
 * Binds a call by its dtype. `of_double` takes float64, `of_float` all other floats. `of_float` sees 16-bit floats as
 * float32. Operands that are no floats stay as they are.
 */
WEFT_BINDER Step bind_float(Call& call, DType dtype, Bind of_float, Bind of_double);
/** The same for a functor F that holds no values: F().operator()<float>(call) or F().operator()<double>(call). */
template <class F> WEFT_BINDER Step bind_float(Call& call, DType dtype, F) {
  return bind_float(
      call, dtype, [](Call& of) { return F().template operator()<float>(of); },
      [](Call& of) { return F().template operator()<double>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
