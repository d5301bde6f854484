// sum, mean, prod, max, min, any and all over any set of axes. The axes are merged into [outer, reduced, inner]. Where
// the reduced axes do not lie together, each group of them is a pass of its own, the last group first. A row (inner is
// 1) is reduced by vectors along it. Columns are reduced side by side, one in each lane. Long rows and columns are cut
// into segments by their extents alone. The results of the segments are combined in order, in double for sums of
// float32.
#include "reduce.h"

#include "reduction.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t segment_elements = 65536;
constexpr int64_t panel = 512;  // columns whose totals are kept at the same time
constexpr int64_t most_segments = 64;
constexpr int64_t short_row = 32;

bool has_columns(const Pass& pass) { return pass.inner > 1; }
/**
 * The length of a segment: elements where a row is reduced, rows where columns are. It is a multiple of the blocks of
 * the loops below, which are 1024 elements or 64 rows. There are at most most_segments segments.
 */
int64_t segment_of(const Pass& pass) {
  const int64_t least = std::max<int64_t>(1, (pass.reduced + most_segments - 1) / most_segments);
  if (!has_columns(pass)) return std::max(segment_elements, (least + 1023) / 1024 * 1024);
  return (std::max(segment_elements / pass.inner, least) + 63) / 64 * 64;
}
int64_t segments_of(const Pass& pass) {
  const int64_t segment = segment_of(pass);
  return std::max<int64_t>(1, (pass.reduced + segment - 1) / segment);
}

/** The output's element for a total. The divisor is 1 for sums, and the number of elements for means. */
template <class R> WEFT_INLINE typename R::T finish(typename R::Wide total, double divisor) {
  if constexpr (std::is_floating_point_v<typename R::Wide>) return typename R::T(total / typename R::Wide(divisor));
  else return total;
}

/** Reduces short rows. Each lane of a vector takes one row and goes through it from left to right. */
template <class R> void reduce_short_rows(const typename R::T* x, int64_t rows, int64_t n, typename R::T* y, double divisor) {
  using T = typename R::T;
  constexpr int lanes = pack_lanes<T>;
  int64_t r = 0;
  for (; r + lanes <= rows; r += lanes) {
    Pack<T> total = Pack<T>{} + T(R::neutral());
    for (int64_t j = 0; j < n; j++) {
      T column[lanes];
#pragma GCC unroll 16
      for (int k = 0; k < lanes; k++) column[k] = x[(r + k) * n + j];
      total = R::combine(total, load_pack(column));
    }
    T totals[lanes];
    std::memcpy(totals, &total, sizeof total);
    for (int k = 0; k < lanes; k++) y[r + k] = finish<R>(typename R::Wide(totals[k]), divisor);
  }
  for (; r < rows; r++) {
    T total = T(R::neutral());
    for (int64_t j = 0; j < n; j++) total = R::combine(total, x[r * n + j]);
    y[r] = finish<R>(typename R::Wide(total), divisor);
  }
}

template <class R>
void reduce_plain_columns(const typename R::T* x, int64_t rows, int64_t stride, int64_t columns, typename R::Wide* total) {
  reduce_columns<R>(rows, columns, total, [=]<class V>(int64_t i, int64_t j) { return load_as<V>(x + i * stride + j); });
}

/**
 * Reduces the columns of [rows, inner] from `first` on. Where there are few columns, several rows are seen as one, so
 * that vectors are full. With 16 lanes, 16 rows of 3 columns are seen as one row of 48 columns, which is 3 vectors.
 */
template <class R>
void reduce_panel(const typename R::T* x, int64_t rows, int64_t inner, int64_t first, int64_t count, typename R::Wide* total) {
  using Wide = typename R::Wide;
  constexpr int64_t lanes = pack_lanes<typename R::T>;
  const int64_t merged = inner <= short_row ? lanes / std::gcd(inner, lanes) : 1;  // rows seen as one
  if (merged == 1 || rows < 2 * merged) return reduce_plain_columns<R>(x + first, rows, inner, count, total);
  Wide wide[short_row * lanes], rest[short_row];
  const int64_t groups = rows / merged;
  reduce_plain_columns<R>(x, groups, merged * inner, merged * inner, wide);
  reduce_plain_columns<R>(x + groups * merged * inner, rows - groups * merged, inner, inner, rest);
  for (int64_t j = 0; j < inner; j++) {
    for (int64_t g = 1; g < merged; g++) wide[j] = R::combine(wide[j], wide[g * inner + j]);
    total[j] = R::combine(wide[j], rest[j]);
  }
}

template <class R> void run_pass(const Pass& pass, const typename R::T* x, typename R::T* y, typename R::Wide* partial, double divisor) {
  using Wide = typename R::Wide;
  const auto [outer, reduced, inner] = pass;
  const int64_t segments = segments_of(pass), segment = segment_of(pass);
  if (reduced == 0) {
    std::fill_n(y, outer * inner, finish<R>(R::neutral(), divisor));
    return;
  }
  if (!has_columns(pass) && reduced <= short_row) {
    parallel_range(outer, std::max<int64_t>(1, cheap_grain / reduced), [&, n = reduced](int64_t begin, int64_t end) {
      reduce_short_rows<R>(x + begin * n, end - begin, n, y + begin, divisor);
    });
    return;
  }
  const int64_t panels = (inner + panel - 1) / panel;
  const int64_t unit_elements = std::min(segment, reduced) * std::min(panel, inner);
  parallel_range(outer * segments * panels, std::max<int64_t>(1, cheap_grain / unit_elements),
                 [&, reduced = reduced, inner = inner](int64_t begin, int64_t end) {
                   // units are numbered [outer][segments][panels]: each is a panel of columns in a segment of rows of
                   // one outer index
                   for (int64_t unit = begin; unit < end; unit++) {
                     const int64_t first = unit % panels * panel, count = std::min(panel, inner - first);
                     const int64_t place = unit / panels, row = place % segments * segment, rows = std::min(segment, reduced - row);
                     const typename R::T* from = x + (place / segments * reduced + row) * inner;
                     Wide total[panel];
                     if (inner == 1) total[0] = reduce_row<R>(from, rows);
                     else reduce_panel<R>(from, rows, inner, first, count, total);
                     if (segments > 1) std::copy_n(total, count, partial + place * inner + first);
                     else
                       for (int64_t j = 0; j < count; j++) y[place * inner + first + j] = finish<R>(total[j], divisor);
                   }
                 });
  if (segments == 1) return;
  for (int64_t o = 0; o < outer; o++) {
    for (int64_t j = 0; j < inner; j++) {
      Wide total = partial[o * segments * inner + j];
      for (int64_t s = 1; s < segments; s++) total = R::combine(total, partial[(o * segments + s) * inner + j]);
      y[o * inner + j] = finish<R>(total, divisor);
    }
  }
}

template <class R> WEFT_BINDER Step bind_reduction(Call& call, bool mean) {
  using T = typename R::T;
  const View x = call.in[0], out = call.out[0];
  const Dims axes = call.attrs.integers("axes");
  call.attrs.flag("keepDims");  // read here, but not needed: the output has its shape already
  const std::vector<Pass> list = passes(x.dims, axes);
  double divisor = 1;
  if (mean)
    for (int64_t axis : axes) divisor *= double(x.dim(axis));
  int64_t partials = 0;
  std::vector<View> results;  // the results of all passes but the last
  for (const Pass& pass : list) {
    if (segments_of(pass) > 1) partials = std::max(partials, pass.outer * segments_of(pass) * pass.inner);
    if (results.size() + 1 < list.size()) results.push_back(call.scratch(size_t(pass.outer * pass.inner) * sizeof(T)));
  }
  const View partial = partials > 0 ? call.scratch(size_t(partials) * sizeof(typename R::Wide)) : View();
  return [=](const Frame& frame) {
    if (out.size() == 0) return;
    const T* from = frame.at<T>(x);
    auto* between = partial.used() ? frame.at<typename R::Wide>(partial) : nullptr;
    for (size_t i = 0; i < list.size(); i++) {
      const bool last = i + 1 == list.size();
      T* to = frame.at<T>(last ? out : results[i]);
      run_pass<R>(list[i], from, to, between, last ? divisor : 1);
      from = to;
    }
  };
}

template <template <class> class R, class Integer> WEFT_BINDER Step bind_by_dtype(Call& call, bool mean) {
  switch (call.in[0].dtype) {
    case DType::float32: return bind_reduction<R<float>>(call, mean);
    case DType::float64: return bind_reduction<R<double>>(call, mean);
    case DType::int32: return bind_reduction<R<Integer>>(call, false);
    default: throw Error("ERR_DTYPE", call.op + ": " + name_of(call.in[0].dtype) + " is not supported");
  }
}

}  // namespace

// Integer sums and products wrap, so they are computed in the unsigned type.
KERNEL(cpu, sum) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Sum, uint32_t>(wide, false); });
}
KERNEL(cpu, mean) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Sum, uint32_t>(wide, true); });
}
KERNEL(cpu, prod) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Multiplication, uint32_t>(wide, false); });
}
KERNEL(cpu, max) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Maximum, int32_t>(wide, false); });
}
KERNEL(cpu, min) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Minimum, int32_t>(wide, false); });
}
// Bools are 0 and 1. So `any` is their maximum, and `all` is their product. `any` of no bools is 0. A sum could wrap
// around to 0.
KERNEL(cpu, any) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Maximum, uint32_t>(wide, false); });
}
KERNEL(cpu, all) {
  return bind_widened(call, [](Call& wide) { return bind_by_dtype<Multiplication, uint32_t>(wide, false); });
}

}  // namespace weft::cpu::WEFT_ISA
