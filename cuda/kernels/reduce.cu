// sum, mean, prod, max, min, any, all over any set of axes. The axes are merged into [outer, reduced, inner]; where
// reduced axes do not lie together, one pass per group, last group first. Without an inner axis a group of threads
// reads a row as 16-byte packs (row_plan.h); with one, threads own columns (columns.cuh). Long rows and columns are cut
// into chunks by shape, whose results a second pass combines, so that one number out of many fills the device too. Sums
// are taken in float32 over many short chains of additions.
#include <limits>

#include "columns.cuh"
#include "group_reduce.cuh"
#include "reduction.h"
#include "row_piece.cuh"

namespace weft::cuda {
namespace {

// What is reduced: in Total; `Stored` is its form in memory between passes.
struct FloatTotal {
  using Total = float;
  using Stored = float;
};
struct IntegerTotal {  // sums and products wrap, so they are computed unsigned
  using Total = uint32_t;
  using Stored = int32_t;
};
template <class Kind> struct Add : Kind {
  using Total = typename Kind::Total;
  static constexpr Total neutral = 0;
  __device__ __forceinline__ Total operator()(Total a, Total b) const { return a + b; }
};
template <class Kind> struct Multiply : Kind {
  using Total = typename Kind::Total;
  static constexpr Total neutral = 1;
  __device__ __forceinline__ Total operator()(Total a, Total b) const { return a * b; }
};
template <class Number> struct Extreme {
  using Total = Number;
  using Stored = Number;
};
template <class Number> struct Largest : Extreme<Number> {
  static constexpr Number neutral = std::is_same_v<Number, float> ? Number(-infinity) : std::numeric_limits<Number>::lowest();
  __device__ __forceinline__ Number operator()(Number a, Number b) const { return Max()(a, b); }
};
template <class Number> struct Smallest : Extreme<Number> {
  static constexpr Number neutral = std::is_same_v<Number, float> ? Number(infinity) : std::numeric_limits<Number>::max();
  __device__ __forceinline__ Number operator()(Number a, Number b) const { return Min()(a, b); }
};
struct Any : IntegerTotal {
  static constexpr uint32_t neutral = 0;
  __device__ __forceinline__ uint32_t operator()(uint32_t a, uint32_t b) const { return a | b; }
};

/** Where results go: of the call's dtype, or of the one between passes. */
struct Result {
  void* y;
  DType dtype;
  float divisor;  // of means

  template <class Total> __device__ void store(int64_t i, Total total) const {
    if constexpr (std::is_same_v<Total, float>) {
      const float value = total / divisor;
      if (dtype == DType::float32) static_cast<float*>(y)[i] = value;
      else if (dtype == DType::bfloat16) static_cast<BFloat16*>(y)[i] = narrow<BFloat16>(value);
      else static_cast<Float16*>(y)[i] = narrow<Float16>(value);
    } else {
      if (dtype == DType::int32) static_cast<int32_t*>(y)[i] = int32_t(total);
      else if (dtype == DType::uint8) static_cast<uint8_t*>(y)[i] = uint8_t(total);
      else static_cast<Bool*>(y)[i] = Bool(total != 0);
    }
  }
};

constexpr int unroll = 4;  // independent loads and chains of a thread
constexpr size_t total_bytes = 4;

template <class In, class R> __global__ void __launch_bounds__(256) reduce_rows(const void* elements, Result result, Rows rows) {
  using Total = typename R::Total;
  const In* const x = static_cast<const In*>(elements);
  WEFT_SHARED(Total, scratch, [32]);
  const Piece<In> piece(rows);
  Total chain[unroll];
#pragma unroll
  for (int u = 0; u < unroll; u++) chain[u] = R::neutral;
  const int end = piece.length + piece.shift;
  for (int k = 0; int64_t(k) * rows.lanes * piece.size < end; k += unroll) {
    Words<In> pack[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) pack[u] = piece.load(x, k + u, Compute<In>(R::neutral));
#pragma unroll
    for (int u = 0; u < unroll; u++)
#pragma unroll
      for (int e = 0; e < piece.size; e++) chain[u] = R()(chain[u], Total(pack[u].get(e)));
  }
  Total total[1] = {R()(R()(chain[0], chain[1]), R()(chain[2], chain[3]))};
  group_reduce(total, rows.lanes, R::neutral, scratch, R());
  if (piece.lane == 0 && piece.exists(rows)) result.store(piece.id, total[0]);
}

template <class Total, int pack> struct Totals { Total at[pack]; };

template <class In, class R, int pack>
__global__ void __launch_bounds__(256, 4) reduce_columns(const void* elements, Result result, Columns columns) {
  using Total = typename R::Total;
  using Value = Totals<Total, pack>;
  WEFT_DYNAMIC_SHARED(Value, shared);
  const ColumnPlace place(columns, pack);
  Totals<Total, pack> total;
#pragma unroll
  for (int e = 0; e < pack; e++) total.at[e] = R::neutral;
  const In* from = static_cast<const In*>(elements) + place.outer * columns.reduced * columns.inner + place.column;
  int64_t i = place.begin;
  for (; i + (unroll - 1) * columns.h < place.end; i += unroll * columns.h) {
    Column<In, pack> value[unroll];
#pragma unroll
    for (int u = 0; u < unroll; u++) value[u] = load_column<pack>(from + (i + u * columns.h) * columns.inner);
#pragma unroll
    for (int e = 0; e < pack; e++) {
      const Total low = R()(Total(value[0].get(e)), Total(value[1].get(e))), high = R()(Total(value[2].get(e)), Total(value[3].get(e)));
      total.at[e] = R()(total.at[e], R()(low, high));
    }
  }
  for (; i < place.end; i += columns.h) {
    const Column<In, pack> value = load_column<pack>(from + i * columns.inner);
#pragma unroll
    for (int e = 0; e < pack; e++) total.at[e] = R()(total.at[e], Total(value.get(e)));
  }
  merge_depth(total, columns, shared, [](Totals<Total, pack>& a, const Totals<Total, pack>& b) {
#pragma unroll
    for (int e = 0; e < pack; e++) a.at[e] = R()(a.at[e], b.at[e]);
  });
  if (place.ty != 0 || !place.exists) return;
  const int64_t to = (place.outer * columns.segments + blockIdx.y) * columns.inner + place.column;
#pragma unroll
  for (int e = 0; e < pack; e++) result.store(to + e, total.at[e]);
}

/** The kernels for elements of one dtype and one way to combine them. What binds them is compiled once for all. */
struct Reduction {
  DType stored;  // of results between passes
  size_t size;   // bytes of an element
  void (*rows)(const void*, Result, Rows);
  void (*columns)(const void*, Result, Columns);
  void (*packs)(const void*, Result, Columns);  // of `pack` columns per thread; null where a thread always has one
  int pack;
  const Reduction& (*second)();  // for the pass over the results of another

  size_t stored_bytes(int64_t count) const { return size_t(count) * size_of(stored); }
};

template <class In, class R> const Reduction& reduction() {
  static_assert(sizeof(typename R::Total) == total_bytes);
  constexpr int pack = std::is_same_v<Compute<In>, float> ? pack_size<In> : 1;
  static const Reduction kernels{.stored = DTypeOf<typename R::Stored>::value,
                                 .size = sizeof(In),
                                 .rows = reduce_rows<In, R>,
                                 .columns = reduce_columns<In, R, 1>,
                                 .packs = pack == 1 ? nullptr : reduce_columns<In, R, pack>,
                                 .pack = pack,
                                 .second = reduction<typename R::Stored, R>};
  return kernels;
}

Step bind_pass(Call& call, const Reduction& kernels, const Pass& pass, const View& x, const View& y, float divisor);

/** The pass that combines the results of `chunks` chunks per row or column. */
std::pair<View, Step> bind_second(Call& call, const Reduction& kernels, const Pass& pass, int64_t chunks, const View& y, float divisor) {
  View partial = call.scratch(kernels.stored_bytes(pass.outer * chunks * pass.inner));
  partial.dtype = kernels.stored;
  return {partial, bind_pass(call, kernels.second(), {pass.outer, chunks, pass.inner}, partial, y, divisor)};
}

Step bind_columns(Call& call, const Reduction& kernels, const Pass& pass, const View& x, const View& y, float divisor) {
  const bool packed = kernels.packs != nullptr && pass.inner % kernels.pack == 0;
  const int pack = packed ? kernels.pack : 1;
  const Columns columns = plan_columns(pass.outer, pass.reduced, pass.inner, pack, 1024);
  View to = y;
  Step second;
  if (columns.segments > 1) std::tie(to, second) = bind_second(call, kernels, pass, columns.segments, y, divisor);
  const size_t shared = depth_bytes(columns, size_t(pack) * total_bytes);
  return [=, kernel = packed ? kernels.packs : kernels.columns, own = second ? 1.0f : divisor](const Frame& frame) {
    launch(frame, columns.shape(pack, shared), kernel, frame.at<void>(x), Result{frame.at<void>(to), to.dtype, own}, columns);
    if (second) second(frame);
  };
}

Step bind_pass(Call& call, const Reduction& kernels, const Pass& pass, const View& x, const View& y, float divisor) {
  if (pass.inner > 1) return bind_columns(call, kernels, pass, x, y, divisor);
  const RowPlan plan = plan_row_loops(pass.outer, pass.reduced, kernels.size, unroll);
  View to = y;
  Step second;
  if (!plan.whole()) std::tie(to, second) = bind_second(call, kernels, pass, plan.rows.chunks, y, divisor);
  return [=, kernel = kernels.rows, own = second ? 1.0f : divisor](const Frame& frame) {
    launch(frame, plan.shape(), kernel, frame.at<void>(x), Result{frame.at<void>(to), to.dtype, own}, plan.rows);
    if (second) second(frame);
  };
}

Step bind_reduction(Call& call, const Reduction& first, bool mean = false) {
  const View x = call.in[0], out = call.out[0];
  const Dims axes = call.attrs.integers("axes");
  call.attrs.flag("keepDims");  // the output's shape tells
  if (out.size() == 0) return [](const Frame&) {};
  double divisor = 1;
  if (mean)
    for (int64_t axis : axes) divisor *= double(x.dim(axis));
  const std::vector<Pass> list = passes(x.dims, axes);
  std::vector<Step> steps;
  View from = x;
  for (size_t i = 0; i < list.size(); i++) {
    const bool last = i + 1 == list.size();
    View to = out;
    if (!last) {
      to = call.scratch(first.stored_bytes(list[i].outer * list[i].inner));
      to.dtype = first.stored;
    }
    steps.push_back(bind_pass(call, i == 0 ? first : first.second(), list[i], from, to, last ? float(divisor) : 1.0f));
    from = to;
  }
  if (steps.size() == 1) return steps[0];
  return [steps](const Frame& frame) {
    for (const Step& step : steps) step(frame);
  };
}

template <template <class> class R> Step bind_numbers(Call& call) {
  return bind_reduction(call, *dispatch<float, BFloat16, Float16, int32_t, uint8_t>(call.in[0].dtype, []<class In>() {
                          return &reduction<In, R<std::conditional_t<std::is_same_v<Compute<In>, float>, float, int32_t>>>();
                        }));
}
template <template <class> class R> Step bind_totals(Call& call) {
  return bind_reduction(call, *dispatch<float, BFloat16, Float16, int32_t, uint8_t>(call.in[0].dtype, []<class In>() {
                          return &reduction<In, R<std::conditional_t<std::is_same_v<Compute<In>, float>, FloatTotal, IntegerTotal>>>();
                        }));
}
/** any, all: a bool is a byte of 0 or 1. */
template <class R> Step bind_truths(Call& call) {
  dispatch<Bool>(call.in[0].dtype, []<class>() { return 0; });
  return bind_reduction(call, reduction<uint8_t, R>());
}

}  // namespace

// Bools are summed and multiplied as uint8 are, and the result's dtype says what is stored.
KERNEL(cuda, sum) {
  if (call.in[0].dtype == DType::boolean) return bind_reduction(call, reduction<uint8_t, Add<IntegerTotal>>());
  return bind_totals<Add>(call);
}
KERNEL(cuda, mean) {
  return bind_reduction(
      call, *dispatch<float, BFloat16, Float16>(call.in[0].dtype, []<class In>() { return &reduction<In, Add<FloatTotal>>(); }), true);
}
KERNEL(cuda, prod) { return bind_totals<Multiply>(call); }
KERNEL(cuda, max) { return bind_numbers<Largest>(call); }
KERNEL(cuda, min) { return bind_numbers<Smallest>(call); }
// any is no sum: that of 2^32 trues would be 0.
KERNEL(cuda, any) { return bind_truths<Any>(call); }
KERNEL(cuda, all) { return bind_truths<Multiply<IntegerTotal>>(call); }

}  // namespace weft::cuda
