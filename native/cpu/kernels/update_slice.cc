// updateSlice and dynamicSlice: runs of an axis whose start is read when the step runs; one out of range is a fault.
#include <algorithm>
#include <cstring>

#include "strided.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** The start, or the nearest one in [0, last] and a fault. */
int64_t checked_start(const Frame& frame, const View& start, int64_t last) {
  const int64_t first = *frame.at<int32_t>(start);
  if (first >= 0 && first <= last) return first;
  frame.raise(first);
  return std::clamp<int64_t>(first, 0, last);
}

/** Copies `count` runs of bytes from one pitch to another. */
void copy_runs(const char* from, int64_t from_pitch, char* to, int64_t to_pitch, int64_t bytes, int64_t count) {
  if (bytes == 0) return;
  parallel_range(count, std::max<int64_t>(1, 4 * cheap_grain / bytes), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) std::memcpy(to + i * to_pitch, from + i * from_pitch, size_t(bytes));
  });
}

}  // namespace

KERNEL(cpu, updateSlice) {
  const View x = call.in[0], update = call.in[1], start = call.in[2], out = call.out[0];
  const size_t axis = size_t(call.attrs.integer("axis"));
  const int64_t inner = product(x.dims, axis + 1) * int64_t(size_of(x.dtype)), outer = product(x.dims, 0, axis);
  const int64_t n = x.dims[axis], m = update.dims[axis];
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    const int64_t first = checked_start(frame, start, n - m);
    const char* from = frame.at<char>(x);
    char* to = frame.at<char>(out);
    if (from != to) copy_runs(from, n * inner, to, n * inner, n * inner, outer);
    copy_runs(frame.at<char>(update), m * inner, to + first * inner, n * inner, m * inner, outer);
  };
}

KERNEL(cpu, dynamicSlice) {
  const View x = call.in[0], start = call.in[1], out = call.out[0];
  const size_t axis = size_t(call.attrs.integer("axis"));
  const int64_t inner = product(x.dims, axis + 1) * int64_t(size_of(x.dtype)), outer = product(x.dims, 0, axis);
  const int64_t n = x.dims[axis], m = out.dims[axis];
  return [=](const Frame& frame) {
    const int64_t first = checked_start(frame, start, n - m);
    copy_runs(frame.at<char>(x) + first * inner, n * inner, frame.at<char>(out), m * inner, m * inner, outer);
  };
}

}  // namespace weft::cpu::WEFT_ISA
