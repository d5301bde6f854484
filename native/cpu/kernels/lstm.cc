// lstm and lstmGrad, four gates and a cell. recurrent_forward.cc and recurrent_backward.cc take the steps of a
// sequence; recurrent_cells.h and recurrent_cells_back.h have what one step computes.
#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {
namespace {

struct BindForward {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    ForwardViews views(Cell::lstm);
    const size_t next = views.take_projection(call);
    views.recurrent = call.in[next], views.h0 = call.in[next + 1], views.c0 = call.in[next + 2];
    views.options = StepOptions(call, next + 3, true);
    views.h = call.out[0], views.last = call.out[1], views.last_cell = call.out[2], views.gates = call.out[3], views.kept = call.out[4];
    if (views.projected.used() && views.gates.used()) call.in_place(0, 3);
    return bind_forward<T>(call, views);
  }
};

/** `rounded`: the operands are 16-bit floats. */
template <bool rounded> struct BindGradient {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    BackwardViews views(Cell::lstm);
    const size_t first = views.take_gradients(call);
    views.options = StepOptions(call, first + 6, true);
    views.recurrent = call.in[first], views.h0 = call.in[first + 1], views.c0 = call.in[first + 2], views.h = call.in[first + 3];
    views.gates = call.in[first + 4], views.kept = call.in[first + 5];
    views.gates_input = first + 4;
    views.projected = call.out[0], views.weights = call.out[1], views.dh0 = call.out[2], views.dc0 = call.out[3];
    views.outputs = 4;
    views.rounded = rounded;
    return bind_backward<T>(call, views);
  }
};

KERNEL(cpu, lstm) { return bind_float(call, call.out[0].dtype, BindForward()); }
JOIN(cpu, lstm) { return join_projection(neighbours, joined, taken, 4, BindForward()); }
bool is_rounded(const Call& call) { return size_of(call.out[0].dtype) == 2; }

KERNEL(cpu, lstmGrad) {
  const DType dtype = call.out[0].dtype;
  return is_rounded(call) ? bind_float(call, dtype, BindGradient<true>()) : bind_float(call, dtype, BindGradient<false>());
}
JOIN(cpu, lstmGrad) {
  return is_rounded(*neighbours.call) ? join_gradient(neighbours, joined, taken, BindGradient<true>())
                                      : join_gradient(neighbours, joined, taken, BindGradient<false>());
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
