// conv2dReluPool and its gradient.
#include "conv_float64.h"
#include "conv_pool_bind.h"

namespace weft::cpu::WEFT_ISA {
namespace {

KERNEL(cpu, conv2dReluPool) { return bind_float(call, call.out[0].dtype, as_float<BindConvPool>, conv2d_relu_pool_float64); }
KERNEL(cpu, conv2dReluPoolGrad) { return bind_float(call, call.in[0].dtype, as_float<BindConvPoolGrad>, conv2d_relu_pool_grad_float64); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
