// Convolutions of float64.
#include "conv_float64.h"

#include "conv_bind.h"
#include "conv_pool_bind.h"

namespace weft::cpu::WEFT_ISA {

WEFT_BINDER Step conv2d_float64(Call& call) { return BindConv2d().operator()<double>(call); }
WEFT_BINDER Step conv2d_bias_float64(Call& call) { return BindConv2dBias().operator()<double>(call); }
WEFT_BINDER Step conv2d_input_grad_float64(Call& call) { return BindInputGrad().operator()<double>(call); }
WEFT_BINDER Step conv2d_kernel_grad_float64(Call& call) { return BindKernelGrad().operator()<double>(call); }
WEFT_BINDER Step conv2d_relu_pool_float64(Call& call) { return BindConvPool().operator()<double>(call); }
WEFT_BINDER Step conv2d_relu_pool_grad_float64(Call& call) { return BindConvPoolGrad().operator()<double>(call); }

}  // namespace weft::cpu::WEFT_ISA
