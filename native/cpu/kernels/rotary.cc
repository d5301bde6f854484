// rotary: pairs of features turned by the angle of their position, row by row.
#include "pointwise.h"
#include "row_math.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** One head of one position; pairs are (i, i + half), or neighbours. `from` may be `to`. */
template <class T, bool interleaved> void turn(const T* from, const T* cosine, const T* sine, T* to, int64_t half) {
  WEFT_INDEPENDENT
  for (int64_t i = 0; i < half; i++) {
    const int64_t first = interleaved ? 2 * i : i, second = interleaved ? 2 * i + 1 : i + half;
    const T a = from[first], b = from[second];
    to[first] = a * cosine[i] - b * sine[i];
    to[second] = b * cosine[i] + a * sine[i];
  }
}

template <class T> WEFT_BINDER Step bind_rotary(Call& call) {
  const View x = call.in[0], cosine = call.in[1], sine = call.in[2], out = call.out[0];
  const bool interleaved = call.attrs.flag("interleaved");
  const int64_t times = x.dim(1), heads = x.dim(2), half = cosine.dim(1);
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    const auto run = interleaved ? turn<T, true> : turn<T, false>;
    for_rows(x.dim(0) * times, heads * half, function_grain * 2, [&](int64_t r) {
      const int64_t angle = r % times * half;
      for (int64_t h = 0; h < heads; h++) {
        const int64_t at = (r * heads + h) * 2 * half;
        run(frame.at<T>(x) + at, frame.at<T>(cosine) + angle, frame.at<T>(sine) + angle, frame.at<T>(out) + at, half);
      }
    });
  };
}

}  // namespace

KERNEL(cpu, rotary) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_rotary<T>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
