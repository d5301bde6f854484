// simpleRnn and simpleRnnGrad, a cell of one gate. recurrent_forward.cc and recurrent_backward.cc take the steps of a
// sequence; recurrent_cells.h and recurrent_cells_back.h have what one step computes.
#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {
namespace {

struct BindForward {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    ForwardViews views(Cell::simple);
    views.options = StepOptions(call, 3, false);
    views.projected = call.in[0], views.recurrent = call.in[1], views.h0 = call.in[2];
    views.h = call.out[0], views.last = call.out[1];
    return bind_forward<T>(call, views);
  }
};

struct BindGradient {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    BackwardViews views(Cell::simple);
    const size_t first = views.take_gradients(call);
    views.options = StepOptions(call, first + 3, false);
    views.recurrent = call.in[first], views.h0 = call.in[first + 1], views.h = views.kept = call.in[first + 2];
    views.projected = call.out[0], views.weights = call.out[1], views.dh0 = call.out[2];
    views.outputs = 3;
    return bind_backward<T>(call, views);
  }
};

KERNEL(cpu, simpleRnn) { return bind_float(call, call.out[0].dtype, BindForward()); }
KERNEL(cpu, simpleRnnGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, simpleRnnGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
