// Elementary functions, rounding and tests.
#include "pointwise/math.h"

#include "pointwise_runs.h"
#include "trigonometry.h"

namespace weft::cpu::WEFT_ISA {

WEFT_MATH(WEFT_CPU_UNARY)

}  // namespace weft::cpu::WEFT_ISA
