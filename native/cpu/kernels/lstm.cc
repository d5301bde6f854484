// lstm and lstmGrad: four gates and a cell. How steps are taken is in recurrent_forward.cc and recurrent_backward.cc,
// what one does in recurrent_cells.h.
#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * With the attribute `features` the projection is joined: x and its kernel, and a bias where `biased`, in its place.
 */
struct BindForward {
  template <class T> Step operator()(Call& call) const {
    ForwardViews views(Cell::lstm);
    size_t next = 0;
    if (call.attrs.has("features")) {
      call.attrs.integer("features");  // x tells
      views.x = call.in[next++], views.kernel = call.in[next++];
      if (call.attrs.flag("biased")) views.bias = call.in[next++];
    } else {
      views.projected = call.in[next++];
    }
    views.recurrent = call.in[next], views.h0 = call.in[next + 1], views.c0 = call.in[next + 2];
    views.options = StepOptions(call, next + 3, true);
    views.h = call.out[0], views.last = call.out[1], views.last_cell = call.out[2], views.gates = call.out[3], views.kept = call.out[4];
    if (views.projected.used() && views.gates.used()) call.in_place(0, 3);
    return bind_forward<T>(call, views);
  }
};

struct BindGradient {
  template <class T> Step operator()(Call& call) const {
    BackwardViews views(Cell::lstm);
    const size_t first = views.take_gradients(call);
    views.options = StepOptions(call, first + 6, true);
    views.recurrent = call.in[first], views.h0 = call.in[first + 1], views.c0 = call.in[first + 2], views.h = call.in[first + 3];
    views.gates = call.in[first + 4], views.kept = call.in[first + 5];
    views.gates_input = first + 4;
    views.projected = call.out[0], views.weights = call.out[1], views.dh0 = call.out[2], views.dc0 = call.out[3];
    views.outputs = 4;
    return bind_backward<T>(call, views);
  }
};

KERNEL(cpu, lstm) { return bind_float(call, call.out[0].dtype, BindForward()); }
KERNEL(cpu, lstmGrad) { return bind_float(call, call.out[0].dtype, BindGradient()); }
JOIN(cpu, lstmGrad) { return join_gradient(neighbours, joined, taken, BindGradient()); }

/** With fewer rows to a chunk, weights of the projection would come from the second-level cache for too little work. */
constexpr int64_t few_rows = 4;

/**
 * The product that projects the input: worth joining while all weights stay in the second-level cache and meet a few
 * rows each time.
 */
JOIN(cpu, lstm) {
  const Call &call = *neighbours.call, *maker = neighbours.makers[0];
  const int64_t u = call.in[1].dim(0);
  if (maker == nullptr || !is_projection(*maker, 4 * u)) return {};
  const int64_t d = maker->in[1].dim(0);
  const int64_t rows = RowChunks(call.in[0].dim(0)).most();
  if (d == 0 || d > longest_block || (d + u) * 4 * u * int64_t(size_of(call.out[0].dtype)) > joined_weights || rows < few_rows) return {};
  joined.op = "dense+lstm";
  joined.attrs = call.attrs;
  joined.attrs.set("features", double(d));
  joined.attrs.set("biased", maker->in.size() == 3 ? 1.0 : 0.0);
  joined.in = maker->in;
  joined.in.insert(joined.in.end(), call.in.begin() + 1, call.in.end());
  joined.out = call.out;
  taken = {maker};
  return bind_float(joined, joined.out[0].dtype, BindForward());
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
