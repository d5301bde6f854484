// Activations and their gradients.
#include "pointwise/activation.h"

#include "gelu.h"
#include "pointwise_runs.h"

namespace weft::cpu::WEFT_ISA {

WEFT_ACTIVATION(WEFT_CPU_SLOPED)
WEFT_ACTIVATION_1(WEFT_CPU_SLOPED_1)

}  // namespace weft::cpu::WEFT_ISA
