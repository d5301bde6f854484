// Arithmetic kernels: sums, products, division, powers, extremes and limits.
#include "pointwise/arithmetic.h"

#include "pointwise_runs.h"
#include "power.h"

namespace weft::cpu::WEFT_ISA {

WEFT_ARITHMETIC_UNARY(WEFT_CPU_UNARY)
WEFT_ARITHMETIC_BINARY(WEFT_CPU_BINARY)
WEFT_ARITHMETIC_SLOPED_2(WEFT_CPU_SLOPED_2)

}  // namespace weft::cpu::WEFT_ISA
