// Recurrent layers: what a call says, and which way its sequence is run.
#include "recurrent.h"

#include "setting.h"

namespace weft::cuda {
namespace {

Curve curve_named(const std::string& name) {
  if (name == "linear") return Curve::linear;
  if (name == "relu") return Curve::relu;
  if (name == "tanh") return Curve::tanh;
  if (name == "sigmoid") return Curve::sigmoid;
  require(name == "hardSigmoid", "ERR_ARGUMENT", "unknown activation '", name, "'");
  return Curve::hardSigmoid;
}

/** Takes the inputs or outputs of a call one after the other. */
struct Taken {
  const std::vector<View>& views;
  size_t next = 0;
  View one() {
    require(next < views.size(), "ERR_ARGUMENT", "a recurrent operation lacks a tensor after number ", next);
    return views[next++];
  }
  View one_if(bool there) { return there ? one() : View{}; }
};

/** Attributes and extents, which both directions share. `h`: any [batch, steps, ...] view of `width` gates. */
void describe(Recurrence& run, const Call& call, Cell cell, const View& sequence) {
  run.dtype = sequence.dtype;
  run.precision = call.precision;
  require(sequence.dim(0) <= INT32_MAX && sequence.dim(1) <= INT32_MAX && run.h0.dim(1) <= (1 << 20), "ERR_SHAPE", call.op, ": ",
          sequence.dim(0), " sequences of ", sequence.dim(1), " steps of ", run.h0.dim(1), " units are too large");
  Sequence& s = run.s;
  s.batch = int(sequence.dim(0)), s.steps = int(sequence.dim(1)), s.units = int(run.h0.dim(1));
  require(run.states() <= INT32_MAX / 4, "ERR_SHAPE", call.op, ": ", s.batch, " sequences of ", s.units, " units are too large");
  s.reverse = call.attrs.flag("reverse");
  s.activation = curve_named(call.attrs.text("activation"));
  s.gate = cell == Cell::simple ? Curve::sigmoid : curve_named(call.attrs.text("recurrentActivation"));
  s.cell = cell == Cell::gru && !call.attrs.flag("resetAfter") ? Cell::gruBefore : cell;
}

/**
 * - one launch for all steps where the recurrent weights fit the shared memory of a block, or of a cluster;
 * - one kernel per step on tensor cores where a step is small, or there are few;
 * - a product and a kernel per step for the rest: large steps, gru that resets before its product, older GPUs. Tests
 *   and benches name one: WEFT_CUDA_RECURRENT=persistent|cluster|fused|steps computes by it whatever it can compute at
 *   all.
 */
Step bind_way(Call& call, const Recurrence& run, bool gradient) {
  const Target& target = call.target;
  const char* const named = setting("WEFT_CUDA_RECURRENT", {"persistent", "cluster", "fused", "steps"});
  const auto choose = [&](const char* name, bool can, bool pays) { return can && (named ? named == std::string_view(name) : pays); };
  const bool many = run.s.steps >= 4;  // for fewer, all of the GPU reads the weights sooner than one block or cluster does
  if (choose("persistent", can_persist(run, target, gradient), many)) return bind_persistent(call, run, gradient);
  if (choose("cluster", can_cluster(run, target, gradient), many && cluster_pays(run, target))) return bind_cluster(call, run, gradient);
  if (choose("fused", can_fuse(run, target), fuse_pays(run, target)))
    return gradient ? bind_fused_gradient(call, run) : bind_fused(call, run);
  return gradient ? bind_steps_gradient(call, run) : bind_steps(call, run);
}

}  // namespace

Step bind_recurrence(Call& call, Cell cell) {
  const bool lstm = cell == Cell::lstm, gru = cell == Cell::gru;
  Recurrence run;
  Taken in{call.in}, out{call.out};
  run.projected = in.one(), run.recurrent = in.one();
  run.bias = in.one_if(gru);
  run.h0 = in.one();
  run.c0 = in.one_if(lstm);
  run.mask = in.one_if(call.attrs.flag("masked"));
  run.scale = in.one_if(call.attrs.flag("scaled"));
  run.h = out.one(), run.h_last = out.one();
  run.c_last = out.one_if(lstm);
  run.gates = out.one_if(lstm || gru);
  run.kept = out.one_if(lstm || gru);
  describe(run, call, cell, run.projected);
  if (run.states() == 0) return [](const Frame&) {};
  const Step step = bind_way(call, run, false);
  call.flops = 2.0 * double(run.states()) * run.s.steps * run.s.gates() * run.s.units;
  return step;
}

Step bind_recurrence_gradient(Call& call, Cell cell) {
  const bool lstm = cell == Cell::lstm, gru = cell == Cell::gru;
  Recurrence run;
  Taken in{call.in}, out{call.out};
  run.g = in.one_if(call.attrs.flag("sequence"));
  run.g_last = in.one_if(call.attrs.flag("last"));
  run.g_cell = in.one_if(lstm && call.attrs.flag("cell"));
  run.recurrent = in.one();
  run.bias = in.one_if(gru);
  run.h0 = in.one();
  run.c0 = in.one_if(lstm);
  run.h = in.one();
  run.gates = in.one_if(lstm || gru);
  run.kept = in.one_if(lstm || gru);
  run.mask = in.one_if(call.attrs.flag("masked"));
  run.scale = in.one_if(call.attrs.flag("scaled"));
  run.dprojected = out.one(), run.drecurrent = out.one();
  run.dbias = out.one_if(gru);
  run.dh0 = out.one();
  run.dc0 = out.one_if(lstm);
  describe(run, call, cell, run.h);

  const int64_t slopes = run.states() * run.s.steps * run.s.gates();
  const bool weights = run.drecurrent.used() || run.dbias.used();
  if (weights && slopes > 0 && !run.dprojected.used())
    run.dprojected = scratch_matrix(call, int64_t(run.s.batch) * run.s.steps, int64_t(run.s.gates()) * run.s.units, run.dtype);
  if (weights && slopes > 0 && run.s.cell == Cell::gru)
    run.dsum = scratch_matrix(call, int64_t(run.s.batch) * run.s.steps, int64_t(run.s.gates()) * run.s.units, run.dtype);
  const Step steps = run.states() == 0 ? Step([](const Frame&) {}) : bind_way(call, run, true);
  const Step gradient = bind_weight_gradient(call, run);
  call.flops = 2.0 * double(slopes) * run.s.units * (run.drecurrent.used() ? 2 : 1);
  return [=](const Frame& frame) {
    steps(frame);
    gradient(frame);
  };
}

}  // namespace weft::cuda
