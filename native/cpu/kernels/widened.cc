// See widened.h.
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

DType wider(DType dtype) {
  switch (dtype) {
    case DType::float16:
    case DType::bfloat16: return DType::float32;
    case DType::boolean:
    case DType::uint8: return DType::int32;
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

/** A view in scratch memory of the wider dtype. */
View widened(Call& call, const View& view) {
  View wide = view;
  wide.dtype = wider(view.dtype);
  if (wide.used()) wide.slot = call.scratch(wide.bytes()).slot;
  return wide;
}

}  // namespace

Step bind_widened(Call& call, Bind bind) {
  std::vector<Conversion> before, after;
  const std::vector<View> in = call.in, out = call.out;
  for (View& view : call.in) {
    if (wider(view.dtype) == view.dtype) continue;
    const View wide = widened(call, view);
    before.push_back({view, wide, convert_function(view.dtype, wide.dtype)});
    view = wide;
  }
  for (View& view : call.out) {
    if (wider(view.dtype) == view.dtype) continue;
    const View wide = widened(call, view);
    if (view.used()) after.push_back({wide, view, convert_function(wide.dtype, view.dtype)});
    view = wide;
  }
  if (before.empty() && after.empty()) return bind(call);
  const Step step = bind(call);
  call.in = in;
  call.out = out;
  call.in_places.clear();
  return [=](const Frame& frame) {
    for (const Conversion& convert : before) convert(frame);
    step(frame);
    for (const Conversion& convert : after) convert(frame);
  };
}

}  // namespace weft::cpu::WEFT_ISA
