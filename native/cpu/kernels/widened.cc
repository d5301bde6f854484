// Converted copies of operands in narrower dtypes, see widened.h.
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

enum class Widened { floats, all };

DType wider(DType dtype, Widened which) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16: return DType::float32;
    case DType::boolean:
    case DType::uint8: return which == Widened::all ? DType::int32 : dtype;
    default: return dtype;
  }
}

struct Conversion {
  View from, to;
  ConvertFunction function;

  void operator()(const Frame& frame) const {
    const char* source = frame.at<char>(from);
    char* target = frame.at<char>(to);
    const size_t source_bytes = size_of(from.dtype), target_bytes = size_of(to.dtype);
    parallel_range(from.size(), cheap_grain, [&](int64_t begin, int64_t end) {
      function(source + size_t(begin) * source_bytes, target + size_t(begin) * target_bytes, end - begin);
    });
  }
};

/** A view of the same shape in scratch memory, of the wider dtype. */
View widened(Call& call, const View& view, DType dtype) {
  View wide = view;
  wide.dtype = dtype;
  if (wide.used()) wide.slot = call.scratch(wide.bytes()).slot;
  return wide;
}

WEFT_BINDER Step bind(Call& call, Bind bind, Widened which) {
  std::vector<Conversion> before, after;
  const std::vector<View> in = call.in, out = call.out;
  for (View& view : call.in) {
    const DType dtype = wider(view.dtype, which);
    if (dtype == view.dtype || !view.used()) continue;
    const View wide = widened(call, view, dtype);
    before.push_back({view, wide, convert_function(view.dtype, dtype)});
    view = wide;
    call.precision = Precision::float32;  // `precision` is about operands of float32; 16-bit ones are rounded no further
  }
  for (View& view : call.out) {
    const DType dtype = wider(view.dtype, which);
    if (dtype == view.dtype) continue;
    const View wide = widened(call, view, dtype);
    if (view.used()) after.push_back({wide, view, convert_function(dtype, view.dtype)});
    view = wide;
  }
  const Step step = bind(call);
  if (before.empty() && after.empty()) return step;
  call.in = in;
  call.out = out;
  call.in_places.clear();
  return [=](const Frame& frame) {
    for (const Conversion& convert : before) convert(frame);
    step(frame);
    for (const Conversion& convert : after) convert(frame);
  };
}

}  // namespace

WEFT_BINDER Step bind_widened(Call& call, Bind of) { return bind(call, of, Widened::all); }

WEFT_BINDER Step bind_float(Call& call, DType dtype, Bind of_float, Bind of_double) {
  if (dtype == DType::float64) return of_double(call);
  require(wider(dtype, Widened::floats) == DType::float32, "ERR_DTYPE", "this operation does not support ", name_of(dtype));
  return bind(call, of_float, Widened::floats);
}

}  // namespace weft::cpu::WEFT_ISA
