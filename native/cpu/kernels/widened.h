// Kernels written for float32, float64 and int32 serve narrower dtypes through converted copies of their operands.
#pragma once
#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

/**
 * Binds a call whose 16-bit floats are seen as float32, and whose bool and uint8 as int32: inputs are converted into scratch memory
 * before the step and outputs after it. Calls without such operands are bound as they are.
 */
Step bind_widened(Call& call, Bind bind);

}  // namespace weft::cpu::WEFT_ISA
