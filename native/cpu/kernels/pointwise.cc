// How pointwise calls walk their operands: in one stretch where nothing is broadcast, else by long rows or by groups of
// short rows.
#include "pointwise.h"

#include <algorithm>

namespace weft::cpu::WEFT_ISA {
namespace {

constexpr int64_t short_row = 64;  // rows shorter than this are grouped
constexpr int64_t group_elements = 512;
constexpr size_t most_inputs = 3;

struct Plan {
  Walk walk;  // operands: the inputs, then the output
  size_t inputs = 0, out_bytes = 0;
  std::array<size_t, most_inputs> in_bytes{};
  RunFunction run = nullptr;
  std::array<double, 2> parameters{};
  int64_t grain = 0;
  std::array<ConvertFunction, most_inputs> widen{};  // of each input: from a 16-bit float to float32, or null
  ConvertFunction narrow = nullptr;                  // of the output: from float32 to a 16-bit float, or null
};

/** Calls the run function for block after block, and converts the 16-bit operands of each block. */
void convert_and_run(const Plan& plan, const void* const* in, unsigned fixed, void* out, int64_t n) {
  constexpr int64_t block = 512;
  alignas(64) float wide[most_inputs + 1][block];
  for (int64_t i = 0; i < n; i += block) {
    const int64_t m = std::min(block, n - i);
    const void* from[most_inputs] = {};
    for (size_t k = 0; k < plan.inputs; k++) {
      const bool still = fixed >> k & 1;
      const char* p = static_cast<const char*>(in[k]) + (still ? 0 : size_t(i) * plan.in_bytes[k]);
      from[k] = p;
      if (!plan.widen[k]) continue;
      plan.widen[k](p, wide[k], still ? 1 : m);
      from[k] = wide[k];
    }
    char* to = static_cast<char*>(out) + size_t(i) * plan.out_bytes;
    plan.run(from, fixed, plan.narrow ? static_cast<void*>(wide[most_inputs]) : to, m, plan.parameters.data());
    if (plan.narrow) plan.narrow(wide[most_inputs], to, m);
  }
}

void run_elements(const Plan& plan, const void* const* in, unsigned fixed, void* out, int64_t n) {
  const bool converts = plan.narrow || plan.widen[0] || plan.widen[1] || plan.widen[2];
  if (converts) convert_and_run(plan, in, fixed, out, n);
  else plan.run(in, fixed, out, n, plan.parameters.data());
}

/** Computes by rows of the last axis. Long rows are cut into pieces. */
void run_rows(const Plan& plan, const void* const* in, void* out) {
  const Walk& walk = plan.walk;
  const int64_t n = walk.inner(), outer = walk.outer(), pieces = std::max<int64_t>(1, n / plan.grain);
  unsigned fixed = 0;
  for (size_t k = 0; k < plan.inputs; k++) fixed |= unsigned(walk.strides.back()[k] == 0) << k;
  parallel_range(outer * pieces, std::max<int64_t>(1, plan.grain / (n / pieces + 1)), [&](int64_t begin, int64_t end) {
    Position position(walk, begin / pieces);
    for (int64_t unit = begin; unit < end; unit++) {
      const int64_t piece = unit % pieces, first = n * piece / pieces, last = n * (piece + 1) / pieces;
      const void* from[most_inputs] = {};
      for (size_t k = 0; k < plan.inputs; k++)
        from[k] = static_cast<const char*>(in[k]) + (position.offset(k) + (fixed >> k & 1 ? 0 : first)) * int64_t(plan.in_bytes[k]);
      void* to = static_cast<char*>(out) + (position.offset(plan.inputs) + first) * int64_t(plan.out_bytes);
      run_elements(plan, from, fixed, to, last - first);
      if (piece == pieces - 1) position.advance();
    }
  });
}

/**
 * Writes an operand out: `rows` rows of n elements. In the source the rows begin `row_stride` apart, and `stride` lies
 * between the elements of a row. With stride 0 the row repeats its one element. Whole vectors are written. What they
 * write behind a row, the next row overwrites.
 */
template <class T> void expand(const T* source, int64_t row_stride, int64_t stride, int64_t rows, int64_t n, T* target) {
  constexpr int64_t lanes = 4 * width / int64_t(sizeof(T));
  for (int64_t r = 0; r < rows; r++) {
    if (stride == 1) {
      std::memcpy(target + r * n, source + r * row_stride, size_t(n) * sizeof(T));
    } else {
      const T element = source[r * row_stride];
      for (int64_t i = 0; i < n; i += lanes)
        for (int64_t k = 0; k < lanes; k++) target[r * n + i + k] = element;
    }
  }
}

void expand(const void* source, size_t bytes, int64_t row_stride, int64_t stride, int64_t rows, int64_t n, void* target) {
  auto as = [&]<class T>(T) { expand(static_cast<const T*>(source), row_stride, stride, rows, n, static_cast<T*>(target)); };
  switch (bytes) {
    case 1: return as(uint8_t());
    case 2: return as(uint16_t());
    case 4: return as(uint32_t());
    default: return as(uint64_t());
  }
}

/**
 * Computes short rows, several at a time. Operands that are broadcast along or across the rows are written out first.
 */
void run_groups(const Plan& plan, const void* const* in, void* out) {
  const size_t axis = plan.walk.dims.size() - 2;
  const int64_t rows = plan.walk.dims[axis], n = plan.walk.dims[axis + 1];
  const int64_t group = std::max<int64_t>(1, group_elements / n), groups = (rows + group - 1) / group;
  Walk planes = plan.walk;  // goes through the axes before the last two
  planes.dims.pop_back();
  planes.strides.pop_back();
  parallel_range(planes.outer() * groups, std::max<int64_t>(1, plan.grain / (group * n)), [&](int64_t begin, int64_t end) {
    alignas(64) char expanded[most_inputs][group_elements * 8 + 64];
    std::array<const char*, most_inputs> expanded_from{};
    std::array<int64_t, most_inputs> expanded_rows{};
    Position position(planes, begin / groups);
    for (int64_t unit = begin; unit < end; unit++) {
      const int64_t first = unit % groups * group, count = std::min(group, rows - first);
      unsigned fixed = 0;
      const void* from[most_inputs] = {};
      for (size_t k = 0; k < plan.inputs; k++) {
        const int64_t row_stride = plan.walk.strides[axis][k], stride = plan.walk.strides[axis + 1][k];
        const char* p = static_cast<const char*>(in[k]) + (position.offset(k) + first * row_stride) * int64_t(plan.in_bytes[k]);
        from[k] = p;
        if (stride == 1 && row_stride == n) continue;
        if (stride == 0 && row_stride == 0) {
          fixed |= 1u << k;
          continue;
        }
        from[k] = expanded[k];
        if (row_stride == 0 && expanded_from[k] == p && expanded_rows[k] >= count) continue;
        expand(p, plan.in_bytes[k], row_stride, stride, count, n, expanded[k]);
        expanded_from[k] = p;
        expanded_rows[k] = count;
      }
      void* to = static_cast<char*>(out) + (position.offset(plan.inputs) + first * n) * int64_t(plan.out_bytes);
      run_elements(plan, from, fixed, to, count * n);
      if (first + count == rows) position.advance();
    }
  });
}

bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

WEFT_BINDER Step bind(Call& call, RunFunction run, int64_t grain, std::array<double, 2> parameters, bool converts) {
  const View out = call.out[0];
  Plan plan;
  plan.inputs = call.in.size();
  plan.run = run;
  plan.grain = grain;
  plan.parameters = parameters;
  plan.out_bytes = size_of(out.dtype);
  if (converts && is_half(out.dtype)) plan.narrow = convert_function(DType::float32, out.dtype);
  std::array<View, most_inputs> in;
  std::vector<Dims> strides;
  for (size_t k = 0; k < plan.inputs; k++) {
    in[k] = call.in[k];
    plan.in_bytes[k] = size_of(in[k].dtype);
    if (converts && is_half(in[k].dtype)) plan.widen[k] = convert_function(in[k].dtype, DType::float32);
    strides.push_back(broadcast_strides(in[k].dims, out.dims.size()));
    if (in[k].dims == out.dims && plan.in_bytes[k] == plan.out_bytes) call.in_place(k, 0);
  }
  strides.push_back(dense_strides(out.dims));
  plan.walk = collapse(out.dims, strides);
  const bool empty = out.size() == 0;
  const bool grouped = plan.walk.dims.size() >= 2 && plan.walk.inner() < short_row;
  return [=](const Frame& frame) {
    if (empty) return;
    const void* from[most_inputs] = {};
    for (size_t k = 0; k < plan.inputs; k++) from[k] = frame.at<void>(in[k]);
    if (grouped) run_groups(plan, from, frame.at<void>(out));
    else run_rows(plan, from, frame.at<void>(out));
  };
}

}  // namespace

WEFT_BINDER Step pointwise(Call& call, RunFunction run, int64_t grain, std::array<double, 2> parameters) {
  return bind(call, run, grain, parameters, false);
}

WEFT_BINDER Step pointwise(Call& call, const Runs& runs, int64_t grain, std::array<double, 2> parameters) {
  const DType dtype = call.in.back().dtype;
  RunFunction run = nullptr;
  switch (dtype) {
    case DType::float32:
    case DType::float16:
    case DType::bfloat16: run = runs.float32; break;
    case DType::float64: run = runs.float64; break;
    case DType::int32: run = runs.int32; break;
    case DType::uint8: run = runs.uint8; break;
    case DType::boolean: run = runs.boolean; break;
    default: break;
  }
  require(run != nullptr, "ERR_DTYPE", call.op, ": ", name_of(dtype), " is not supported");
  return bind(call, run, grain, parameters, true);
}

}  // namespace weft::cpu::WEFT_ISA
