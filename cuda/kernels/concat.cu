// concat: tensors joined along one axis. A thread writes one unit of the output, as wide (up to 16 bytes) as all parts
// allow, after finding the part that holds it: one launch for up to 32 parts.
#include <numeric>

#include "strided.cuh"

namespace weft::cuda {
namespace {

constexpr int most_parts = 32;  // of a launch

/** Parts side by side in a stretch of the output's rows; extents in units. */
struct Parts {
  int count = 0;
  const void* from[most_parts];
  uint32_t end[most_parts];  // in the stretch
  Divider width;             // of the stretch
  int64_t pitch;             // of the output's rows
};

template <class T> __global__ void __launch_bounds__(256) join(T* to, Parts parts, int64_t units) {
  const int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= units) return;
  int64_t row;
  uint32_t column;
  if (units < (int64_t(1) << 31)) {
    column = uint32_t(i);
    row = parts.width.split(column);
  } else {
    row = i / parts.width.divisor;
    column = uint32_t(i - row * parts.width.divisor);
  }
  int part = 0;
  uint32_t begin = 0;
  while (column >= parts.end[part]) begin = parts.end[part++];
  to[row * parts.pitch + column] = static_cast<const T*>(parts.from[part])[row * (parts.end[part] - begin) + (column - begin)];
}

template <class T> Step bind_concat(const std::vector<View>& in, const View& out, int64_t rows) {
  struct Stretch {
    Parts parts;
    std::vector<View> in;
    int64_t offset;
  };
  std::vector<Stretch> stretches;
  const int64_t pitch = rows > 0 ? out.size() * int64_t(size_of(out.dtype)) / int64_t(sizeof(T)) / rows : 0;
  int64_t offset = 0;
  for (const View& x : in) {
    if (x.size() == 0) continue;
    const int64_t width = x.size() * int64_t(size_of(x.dtype)) / int64_t(sizeof(T)) / rows;
    if (stretches.empty() || stretches.back().parts.count == most_parts) stretches.push_back({{}, {}, offset});
    Stretch& stretch = stretches.back();
    const int64_t begin = stretch.parts.count > 0 ? stretch.parts.end[stretch.parts.count - 1] : 0;
    require(begin + width < (int64_t(1) << 31), "ERR_SHAPE", "concat: a row is too large");
    stretch.parts.end[stretch.parts.count++] = uint32_t(begin + width);
    stretch.parts.width = Divider(begin + width);
    stretch.parts.pitch = pitch;
    stretch.in.push_back(x);
    offset += width;
  }
  return [=](const Frame& frame) {
    for (const Stretch& stretch : stretches) {
      Parts parts = stretch.parts;
      for (int i = 0; i < parts.count; i++) parts.from[i] = frame.at<void>(stretch.in[size_t(i)]);
      const int64_t units = rows * parts.width.divisor;
      const unsigned block = block_for(units);
      launch(frame, {.grid = dim3(unsigned(divide_up(units, block))), .block = dim3(block)}, join<T>, frame.at<T>(out) + stretch.offset,
             parts, units);
    }
  };
}

KERNEL(cuda, concat) {
  const View out = call.out[0];
  const int64_t given = call.attrs.integer("axis"), axis = given < 0 ? given + out.rank() : given;
  const int64_t rows = product(out.dims, 0, size_t(axis));
  int64_t bytes = 16;  // of a unit: a divisor of the width of every part
  for (const View& x : call.in)
    if (x.size() > 0) bytes = std::gcd(bytes, x.size() * int64_t(size_of(x.dtype)) / rows);
  switch (bytes) {
    case 1: return bind_concat<uint8_t>(call.in, out, rows);
    case 2: return bind_concat<uint16_t>(call.in, out, rows);
    case 4: return bind_concat<uint32_t>(call.in, out, rows);
    case 8: return bind_concat<uint64_t>(call.in, out, rows);
    default: return bind_concat<Pack<uint64_t, 2>>(call.in, out, rows);
  }
}

}  // namespace
}  // namespace weft::cuda
