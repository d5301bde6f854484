// matMul: matrix products of batches, with transposed operands and broadcast batch axes.
#include "bfloat16_products.h"
#include "matmul_grid.h"
#include "matmul_narrow.h"
#include "matmul_short.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** For each matrix of the output, the index of the matrix of an input that it is made of. */
std::vector<int64_t> batch_indices(const Dims& batch, const View& input) {
  const int64_t rank = int64_t(batch.size()), own = input.rank() - 2;
  std::vector<int64_t> indices(size_t(product(batch)));
  std::vector<int64_t> stride(batch.size(), 0);
  int64_t step = 1;
  for (int64_t axis = own - 1; axis >= 0; axis--) {
    if (input.dim(axis) != 1) stride[size_t(axis + rank - own)] = step;
    step *= input.dim(axis);
  }
  for (size_t i = 0; i < indices.size(); i++) {
    int64_t rest = int64_t(i), at = 0;
    for (int64_t axis = rank - 1; axis >= 0; axis--) {
      at += rest % batch[size_t(axis)] * stride[size_t(axis)];
      rest /= batch[size_t(axis)];
    }
    indices[i] = at;
  }
  return indices;
}

/** Many products: each chunk is a few whole ones. */
template <class T> WEFT_BINDER Step bind_batched(Call& call, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) {
  const View a = call.in[0], b = call.in[1], c = call.out[0];
  const Dims batch(c.dims.begin(), c.dims.end() - 2);
  const std::vector<int64_t> a_of = batch_indices(batch, a), b_of = batch_indices(batch, b);
  const int64_t count = int64_t(a_of.size());
  const ProductPlan<T> plan({m, n, k, transpose_a, transpose_b && k > 1}, true);
  const ThreadScratch packed_b(call, plan.pack_b ? size_t(packed_size<T>(k, n)) * sizeof(T) : 0);
  const ThreadScratch b_panel(call, plan.panels ? size_t(b_panel_size<T>(k)) * sizeof(T) : 0);
  const ThreadScratch a_block(call, plan.pack_a ? size_t(a_block_size<T>(m, k, plan.panels ? m : block_rows)) * sizeof(T) : 0);
  const int64_t chunks = std::min(count, pieces_of_work(double(count) * double(m) * double(n) * double(k)));
  return [=](const Frame& frame) {
    parallel(chunks, [&](int64_t chunk, int thread) {
      T* packed = packed_b.at<T>(frame, thread);
      int64_t packed_from = -1;
      for (int64_t i = count * chunk / chunks; i < count * (chunk + 1) / chunks; i++) {
        Product<T> p{};
        p.m = m, p.n = n, p.k = k;
        p.a = {frame.at<const T>(a) + a_of[size_t(i)] * m * k, transpose_a ? 1 : k, transpose_a ? m : 1};
        p.b = {frame.at<const T>(b) + b_of[size_t(i)] * k * n, transpose_b ? 1 : n, transpose_b ? k : 1};
        if (plan.pack_b && packed_from != b_of[size_t(i)]) {
          packed_from = b_of[size_t(i)];
          pack_panels<T>(p.b, k, n, 0, (n + tile_columns<T> - 1) / tile_columns<T>, packed);
        }
        p.packed_b = packed;
        p.b_panel = b_panel.at<T>(frame, thread);
        p.together = plan.together;
        p.c = frame.at<T>(c) + i * m * n;
        p.c_row = n;
        p.a_block = a_block.at<T>(frame, thread);
        multiply<T>(p);
      }
    });
  };
}

struct BindMatMul {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View a = call.in[0], b = call.in[1], c = call.out[0];
    const bool transpose_a = call.attrs.flag("transposeA"), transpose_b = call.attrs.flag("transposeB");
    int64_t m = c.dim(-2);
    const int64_t n = c.dim(-1), k = a.dim(transpose_a ? -2 : -1);
    int64_t count = product(c.dims, 0, c.dims.size() - 2);
    call.flops = 2.0 * double(c.size()) * double(k);
    if (m == 0 || n == 0 || count == 0) return [](const Frame&) {};
    if (count > 1 && !transpose_a && product(b.dims, 0, b.dims.size() - 2) == 1 && a.size() == count * m * k) {
      m *= count;  // one matrix b for all: the batch is more rows of a
      count = 1;
    }
    if constexpr (has_pairs && sizeof(T) == 4) {
      if (rounds_operands(call)) {
        RoundedProducts products{a, b, c, {}, m, n, k, transpose_a, transpose_b, {0}, {0}};
        if (count > 1) {
          const Dims batch(c.dims.begin(), c.dims.end() - 2);
          products.a_of = batch_indices(batch, a), products.b_of = batch_indices(batch, b);
        }
        return bind_rounded(call, std::move(products));
      }
    }
    if (count > 1) return bind_batched<T>(call, m, n, k, transpose_a, transpose_b);
    if constexpr (sizeof(T) == 4) {
      const bool short_columns = fits_short_columns(m, n, k, transpose_a, transpose_b);
      if (short_columns || fits_short_sums(m, n, k, transpose_a, transpose_b)) return bind_short(a, b, c, m, n, k, short_columns);
      if (!transpose_a && !transpose_b && fits_narrow(n, k)) {
        const NarrowGrid grid(call, m, n, k);
        return [=](const Frame& frame) {
          grid.run(frame, {frame.at<const T>(a), frame.at<const T>(b), nullptr, frame.at<T>(c), m, n, k, Activation::linear});
        };
      }
    }
    const ProductGrid<T> grid(call, m, n, k, transpose_b ? k : 1, transpose_a ? 1 : k);
    return [=](const Frame& frame) {
      Product<T> p{};
      p.a = {frame.at<const T>(a), transpose_a ? 1 : k, transpose_a ? m : 1};
      p.b = {frame.at<const T>(b), transpose_b ? 1 : n, transpose_b ? k : 1};
      p.c = frame.at<T>(c);
      p.c_row = n;
      grid.run(frame, p);
    };
  }
};

KERNEL(cpu, matMul) { return bind_float(call, call.out[0].dtype, BindMatMul()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
