// gru and gruGrad, a cell of three gates. recurrent_forward.cc and recurrent_backward.cc take the steps of a sequence;
// recurrent_cells.h and recurrent_cells_back.h have what one step computes.
#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {
namespace {

Cell cell_of(const Call& call) { return call.attrs.flag("resetAfter") ? Cell::gru : Cell::gru_before; }

struct BindForward {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    ForwardViews views(cell_of(call));
    const size_t next = views.take_projection(call);
    views.recurrent = call.in[next], views.product_bias = call.in[next + 1], views.h0 = call.in[next + 2];
    views.options = StepOptions(call, next + 3, true);
    views.h = call.out[0], views.last = call.out[1], views.gates = call.out[2], views.kept = call.out[3];
    if (views.projected.used() && views.gates.used()) call.in_place(0, 2);
    return bind_forward<T>(call, views);
  }
};

struct BindGradient {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    BackwardViews views(cell_of(call));
    const size_t first = views.take_gradients(call);
    views.options = StepOptions(call, first + 6, true);
    views.recurrent = call.in[first], views.h0 = call.in[first + 2], views.h = call.in[first + 3];
    views.gates = call.in[first + 4], views.kept = call.in[first + 5];
    views.gates_input = first + 4;
    views.projected = call.out[0], views.weights = call.out[1], views.bias = call.out[2], views.dh0 = call.out[3];
    views.outputs = 4;
    return bind_backward<T>(call, views);
  }
};

KERNEL(cpu, gru) { return bind_float(call, call.out[0].dtype, BindForward()); }
/** With the reset before the product a step has two products, of which the first alone meets the projection. */
JOIN(cpu, gru) {
  if (cell_of(*neighbours.call) != Cell::gru) return {};
  return join_projection(neighbours, joined, taken, 3, BindForward());
}
KERNEL(cpu, gruGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, gruGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
