// matMul: batched matrix products with transposes and broadcast batch axes, and the choice of the kernel that computes
// one.
#include "matmul.h"

#include "setting.h"

namespace weft::cuda {
namespace {

/**
 * Extents of the batch axes and distances in matrices, with neighbours joined where one pair of distances serves both.
 */
Batch batch_of(const Dims& axes, const View& a, const View& b) {
  const auto distances = [&](const View& input) {
    Dims distance(axes.size(), 0);
    int64_t step = 1;
    for (int64_t i = input.rank() - 3, axis = int64_t(axes.size()) - 1; i >= 0; i--, axis--) {
      if (input.dim(i) != 1) distance[size_t(axis)] = step;
      step *= input.dim(i);
    }
    return distance;
  };
  const Dims of_a = distances(a), of_b = distances(b);
  Batch batch;
  batch.count = product(axes);
  require(batch.count <= largest_extent, "ERR_SHAPE", "matMul: ", batch.count, " matrices are more than ", largest_extent);
  for (size_t axis = 0; axis < axes.size(); axis++) {
    if (axes[axis] == 1) continue;
    const int last = batch.axes - 1;
    if (batch.axes > 0 && batch.a[last] == unsigned(of_a[axis] * axes[axis]) && batch.b[last] == unsigned(of_b[axis] * axes[axis])) {
      batch.extent[last] *= unsigned(axes[axis]);
      batch.a[last] = unsigned(of_a[axis]);
      batch.b[last] = unsigned(of_b[axis]);
      continue;
    }
    require(batch.axes < Batch::most_axes, "ERR_SHAPE", "matMul: more than ", Batch::most_axes, " batch axes that can't be joined");
    batch.extent[batch.axes] = unsigned(axes[axis]);
    batch.a[batch.axes] = unsigned(of_a[axis]);
    batch.b[batch.axes] = unsigned(of_b[axis]);
    batch.axes++;
  }
  return batch;
}

}  // namespace

void Product::set_extents(const char* op, int64_t rows, int64_t columns, int64_t inner) {
  require(std::max({rows, columns, inner}) <= largest_extent, "ERR_SHAPE", op, ": an extent of [", rows, ", ", inner, "] · [", inner, ", ",
          columns, "] is larger than ", largest_extent);
  m = int(rows), n = int(columns), k = int(inner);
  a_row = a_k_major ? k : m;
  b_row = b_k_major ? k : n;
}

/**
 * - a few rows or columns: bound by reading the other matrix, which every kernel but the skinny one would do with most
 *   threads idle;
 * - wgmma where its large tiles fill at least a good part of the GPU;
 * - mma where tiles of 64 are mostly full;
 * - SIMT for the rest: small, thin, ragged, or float32 on a GPU whose tensor cores do not make exact products faster.
 * Tests and benches name one: WEFT_CUDA_MATMUL=simt|skinny|tensor|sm90 computes by it whatever it can compute at all.
 */
Step bind_product(Call& call, const Product& p) {
  if (p.m == 0 || p.n == 0 || p.batch.count == 0) return [](const Frame&) {};
  call.flops = 2 * multiplications(p);
  const char* const named = setting("WEFT_CUDA_MATMUL", {"simt", "skinny", "tensor", "sm90"});
  const auto choose = [&](const char* name, bool can, bool pays) { return can && (named ? named == std::string_view(name) : pays); };
  if (choose("skinny", can_skinny(p), true)) return bind_skinny(call, p);
  if (choose("sm90", can_sm90(p, call.target), sm90_pays(p, call.target))) return bind_sm90(call, p);
  if (choose("tensor", can_tensor(p, call.target), tensor_pays(p, call.target))) return bind_tensor(call, p);
  return bind_simt(call, p);
}

KERNEL(cuda, matMul) {
  Product p;
  p.a_view = call.in[0], p.b_view = call.in[1], p.c = call.out[0];
  p.a_k_major = !call.attrs.flag("transposeA");
  p.b_k_major = call.attrs.flag("transposeB");
  p.precision = call.precision;
  int64_t m = p.c.dim(-2);
  const int64_t n = p.c.dim(-1), k = p.a_view.dim(p.a_k_major ? -1 : -2);
  p.batch = batch_of(Dims(p.c.dims.begin(), p.c.dims.end() - 2), p.a_view, p.b_view);
  if (p.batch.count > 1 && p.a_k_major && p.batch.axes == 1 && p.batch.b[0] == 0 && p.batch.a[0] == 1) {
    m *= p.batch.count;  // one matrix b for all: the batch is more rows of a
    p.batch = Batch();
  }
  p.set_extents("matMul", m, n, k);
  return bind_product(call, p);
}

}  // namespace weft::cuda
