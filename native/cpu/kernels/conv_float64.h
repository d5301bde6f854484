// Convolutions of float64, which serve checks of gradients, are compiled apart (conv_float64.cc): small, not fast.
#pragma once
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

WEFT_BINDER Step conv2d_float64(Call& call);
WEFT_BINDER Step conv2d_bias_float64(Call& call);
WEFT_BINDER Step conv2d_input_grad_float64(Call& call);
WEFT_BINDER Step conv2d_kernel_grad_float64(Call& call);
WEFT_BINDER Step conv2d_relu_pool_float64(Call& call);
WEFT_BINDER Step conv2d_relu_pool_grad_float64(Call& call);

/** What a binder does with floats. */
template <class F> WEFT_BINDER Step as_float(Call& call) { return F().template operator()<float>(call); }

}  // namespace weft::cpu::WEFT_ISA
