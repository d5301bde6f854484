// Runs a float32 kernel on 16-bit operands: inputs are widened into scratch, results are rounded once at the end.
#pragma once
#include <algorithm>
#include <memory>

#include "cpu/parallel.h"
#include "kernel.h"
#include "simd.h"

namespace weft::cpu::WEFT_ISA {

inline bool is_half(DType dtype) { return dtype == DType::float16 || dtype == DType::bfloat16; }

template <class From, class To> void convert_elements(const From* from, To* to, int64_t n) {
  parallel_range(n, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) to[i] = To(float(from[i]));
  });
}

/** Binds `bind` to the call with its 16-bit values replaced by float32 ones in scratch. */
inline Step widened(Call& call, Bind bind) {
  struct Conversion {
    View half, full;
  };
  std::vector<Conversion> before, after;
  Call inner;
  inner.op = call.op;
  inner.attrs = call.attrs;
  inner.next_slot = call.next_slot;
  auto replace = [&](const View& view, std::vector<Conversion>& list) {
    if (!is_half(view.dtype) || !view.used()) return view;
    View full = view;
    full.dtype = DType::float32;
    full.slot = call.scratch(size_t(view.size()) * sizeof(float)).slot;
    list.push_back({view, full});
    return full;
  };
  for (const View& view : call.in) inner.in.push_back(replace(view, before));
  for (const View& view : call.out) inner.out.push_back(replace(view, after));
  const Step step = bind(inner);
  call.attrs = inner.attrs;  // with what has been read
  call.flops = inner.flops;
  for (const auto& scratch : inner.scratches) call.scratches.push_back(scratch);
  return [before, after, step](const Frame& frame) {
    for (const auto& [half, full] : before)
      dispatch<BFloat16, Float16>(half.dtype, [&, &half = half, &full = full]<class T>() {
        convert_elements(frame.at<const T>(half), frame.at<float>(full), half.size());
        return 0;
      });
    step(frame);
    for (const auto& [half, full] : after)
      dispatch<BFloat16, Float16>(half.dtype, [&, &half = half, &full = full]<class T>() {
        convert_elements(frame.at<const float>(full), frame.at<T>(half), half.size());
        return 0;
      });
  };
}

/** Calls bind.operator()<T>(call) for float32 and float64, and for 16-bit floats widened to float32. */
template <class F> Step bind_float(Call& call, DType dtype, F) {
  if (is_half(dtype)) return widened(call, [](Call& inner) { return F().template operator()<float>(inner); });
  return dispatch<float, double>(dtype, [&]<class T>() { return F().template operator()<T>(call); });
}

/** Scratch memory of each thread that works on a step. */
struct LaneScratch {
  View view;
  size_t bytes = 0;

  LaneScratch() = default;
  LaneScratch(Call& call, size_t bytes_per_lane) {
    if (bytes_per_lane == 0) return;
    bytes = (bytes_per_lane + 63) / 64 * 64 + 64;  // a line between lanes
    view = call.scratch(bytes * size_t(lanes()));
  }
  template <class T> T* at(const Frame& frame, int lane) const {
    return bytes ? reinterpret_cast<T*>(frame.at<char>(view) + bytes * size_t(lane)) : nullptr;
  }
};

/** Pieces to cut work of so many multiply-adds into: each long enough to be worth handing to a thread, few enough to be cheap. */
inline int64_t pieces_of_work(double multiply_adds, int64_t most = 16) {
  return std::clamp(int64_t(multiply_adds / 1.5e6), int64_t(1), most);
}

}  // namespace weft::cpu::WEFT_ISA
