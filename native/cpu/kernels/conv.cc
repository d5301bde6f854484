// conv2d, conv2dBias and the gradients of input and kernel.
#include "conv_bind.h"
#include "conv_float64.h"

namespace weft::cpu::WEFT_ISA {
namespace {

KERNEL(cpu, conv2d) { return bind_float(call, call.out[0].dtype, as_float<BindConv2d>, conv2d_float64); }
KERNEL(cpu, conv2dBias) { return bind_float(call, call.out[0].dtype, as_float<BindConv2dBias>, conv2d_bias_float64); }
KERNEL(cpu, conv2dInputGrad) { return bind_float(call, call.out[0].dtype, as_float<BindInputGrad>, conv2d_input_grad_float64); }
KERNEL(cpu, conv2dKernelGrad) { return bind_float(call, call.out[0].dtype, as_float<BindKernelGrad>, conv2d_kernel_grad_float64); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
