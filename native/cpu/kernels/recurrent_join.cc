// Decides which products are joined with a recurrence; recurrent_join.h says what joining is.
#include "recurrent_join.h"

namespace weft::cpu::WEFT_ISA {

namespace {

/** With fewer rows to a chunk, weights of the projection would come from the second-level cache for too little work. */
constexpr int64_t few_rows = 4;

/** Whether a call is x [places, features] * kernel [features, n] (+ bias), as the projection of a sequence is. */
bool is_projection(const Call& call, int64_t n) {
  if (call.op == "dense") return call.in[1].dim(1) == n && call.attrs.text("activation") == "linear";
  return call.op == "matMul" && call.in[0].rank() == 2 && call.in[1].rank() == 2 && call.in[1].dim(1) == n &&
         !call.attrs.flag("transposeA") && !call.attrs.flag("transposeB");
}

}  // namespace

ProjectionGradient::ProjectionGradient(const Call& call, size_t outputs) {
  if (!call.attrs.has("features")) return;
  features = call.attrs.integer("features");
  dx = call.out[outputs], dkernel = call.out[outputs + 1], dbias = call.out[outputs + 2];
  size_t input = call.in.size();
  if (dx.used()) kernel = call.in[--input];
  if (dkernel.used()) x = call.in[--input];
}

bool ProjectionGradient::is_all(const std::vector<const Call*>& readers, const View& slopes, int64_t n) {
  for (const Call* reader : readers) {
    const View &a = reader->in[0], &b = reader->in.back(), &result = reader->out[0];
    const bool first = a.slot == slopes.slot, second = b.slot == slopes.slot;
    if (reader->op == "sum") {
      reader->attrs.flag("keepDims");  // read here, but not needed: the output has its shape already
      if (dbias.used() || a.rank() != 2 || a.dim(1) != n || reader->attrs.integers("axes") != Dims{0}) return false;
      dbias = result;
      continue;
    }
    if (reader->op != "matMul" || first == second || a.rank() != 2 || b.rank() != 2) return false;
    if (reader->attrs.flag("transposeA") == first || reader->attrs.flag("transposeB") == second) return false;
    View& own = first ? dx : dkernel;
    if (own.used() || (first ? a : b).dim(1) != n) return false;
    own = result;
    (first ? kernel : x) = first ? b : a;
  }
  if (dx.used() && dkernel.used() && dx.dim(1) != dkernel.dim(0)) return false;
  features = dx.used() ? dx.dim(1) : dkernel.used() ? dkernel.dim(0) : 0;
  return !readers.empty();
}

void ProjectionGradient::join(const Call& call, Call& joined) const {
  joined.op = call.op + "+products";
  joined.attrs = call.attrs;
  joined.attrs.set("features", double(features));
  joined.in = call.in;
  if (dkernel.used()) joined.in.push_back(x);
  if (dx.used()) joined.in.push_back(kernel);
  joined.out = call.out;
  joined.out[0].slot = -1;
  joined.out.insert(joined.out.end(), {dx, dkernel, dbias});
}

WEFT_BINDER Step join_gradient(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, Bind of_float, Bind of_double) {
  const Call& call = *neighbours.call;
  const int64_t u = call.out[1].dim(0), n = call.out[1].dim(1);
  ProjectionGradient gradient;
  if (u == 0 || !gradient.is_all(neighbours.readers[0], call.out[0], n)) return {};
  if ((gradient.features + u) * n * int64_t(size_of(call.out[0].dtype)) > joined_weights) return {};
  gradient.join(call, joined);
  taken = neighbours.readers[0];
  return bind_float(joined, call.out[0].dtype, of_float, of_double);
}

/** Joining is worth it where all weights stay in the second-level cache and each of them meets a few rows. */
WEFT_BINDER Step join_projection(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, int64_t gates, Bind of_float,
                                 Bind of_double) {
  const Call &call = *neighbours.call, *maker = neighbours.makers[0];
  const int64_t u = call.in[1].dim(0), n = gates * u, rows = RowChunks(call.in[0].dim(0)).most();
  if (maker == nullptr || !is_projection(*maker, n)) return {};
  const int64_t d = maker->in[1].dim(0);
  if (d == 0 || d > longest_block || (d + u) * n * int64_t(size_of(call.out[0].dtype)) > joined_weights || rows < few_rows) return {};
  joined.op = "dense+" + call.op;
  joined.attrs = call.attrs;
  joined.attrs.set("features", double(d));
  joined.attrs.set("biased", maker->in.size() == 3 ? 1.0 : 0.0);
  joined.in = maker->in;
  joined.in.insert(joined.in.end(), call.in.begin() + 1, call.in.end());
  joined.out = call.out;
  taken = {maker};
  return bind_float(joined, joined.out[0].dtype, of_float, of_double);
}

}  // namespace weft::cpu::WEFT_ISA
