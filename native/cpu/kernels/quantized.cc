// quantize and dequantize: floats to steps of a scale and back, with one scale or one for each place along an axis.
#include "quantized.h"

#include <algorithm>

namespace weft::cpu::WEFT_ISA {
namespace {

/** Scales and zero points of `places` places along an axis; values of a place are `inner` neighbours. */
struct Places {
  View scale, zero, steps;
  int64_t places, inner, outer;

  WEFT_BINDER explicit Places(Call& call) : scale(call.in[1]), zero(call.in[2]) {
    const View& x = call.in[0];
    const int64_t axis = call.attrs.integer("axis");
    const bool single = scale.size() == 1 && zero.size() == 1;
    places = single ? 1 : x.dim(axis);
    inner = single ? x.size() : product(x.dims, size_t(axis) + 1);
    outer = single ? 1 : product(x.dims, 0, size_t(axis));
    steps = call.scratch(size_t(places) * (sizeof(float) + sizeof(int32_t)));
  }
  /** Calls f(first element, count, scales, zero points, step) for runs; step is 1 where each element has its own. */
  template <class F> void for_runs(const Frame& frame, F&& f) const {
    float* scales = frame.at<float>(steps);
    int32_t* zeros = reinterpret_cast<int32_t*>(scales + places);
    for (int64_t i = 0; i < places; i++) {
      scales[i] = frame.at<const float>(scale)[scale.size() == 1 ? 0 : i];
      zeros[i] = frame.at<const int32_t>(zero)[zero.size() == 1 ? 0 : i];
    }
    // where places are neighbours, the run is that of all of them
    const bool neighbours = inner == 1;
    const int64_t length = neighbours ? places : inner;
    parallel_range(outer * places * inner, 1 << 15, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end;) {
        const int64_t run = i / length, stop = std::min(end, (run + 1) * length);
        const int64_t place = neighbours ? i % places : run % places;
        f(i, stop - i, scales + place, zeros + place, neighbours ? 1 : 0);
        i = stop;
      }
    });
  }
};

KERNEL(cpu, quantize) {
  const View x = call.in[0], q = call.out[0];
  const Places places(call);
  const int32_t least = q.dtype == DType::uint8 ? 0 : -128;
  return [=](const Frame& frame) {
    places.for_runs(frame, [&](int64_t i, int64_t n, const float* scale, const int32_t* zero, int64_t step) {
      quantize_run(frame.at<const float>(x) + i, scale, zero, step, least, frame.at<uint8_t>(q) + i, n);
    });
  };
}

using Dequantize = void (*)(const void* q, const float* scale, const int32_t* zero, int64_t step, float* y, int64_t n);
template <class T> void dequantize_run(const void* q, const float* scale, const int32_t* zero, int64_t step, float* y, int64_t n) {
  const T* from = static_cast<const T*>(q);
  if (step)
    for (int64_t i = 0; i < n; i++) y[i] = float(int32_t(from[i]) - zero[i]) * scale[i];
  else
    for (int64_t i = 0; i < n; i++) y[i] = float(int32_t(from[i]) - *zero) * *scale;
}

KERNEL(cpu, dequantize) {
  const View q = call.in[0], y = call.out[0];
  const Places places(call);
  const Dequantize run = dispatch<uint8_t, int8_t, int32_t>(q.dtype, []<class T>() -> Dequantize { return dequantize_run<T>; });
  const size_t bytes = size_of(q.dtype);
  return [=](const Frame& frame) {
    places.for_runs(frame, [&](int64_t i, int64_t n, const float* scale, const int32_t* zero, int64_t step) {
      run(frame.at<const char>(q) + size_t(i) * bytes, scale, zero, step, frame.at<float>(y) + i, n);
    });
  };
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
