// Strided copies. Where source and target run along the same innermost axis, a thread copies one unit, which is as wide
// (up to 16 bytes) as extents, strides and addresses allow, and neighbouring threads copy neighbouring units of the
// target. Where they run along different axes, a block carries a square tile through shared memory, so that reads and
// writes are both along their memory (transpose).
#include "strided.cuh"

namespace weft::cuda {
namespace {

/** T: an unsigned integer or uint4, the unit. Offsets are in units: operand 0 is the source, 1 the target. */
template <class T> __global__ void __launch_bounds__(256) copy_units(const T* from, T* to, uint32_t units, Places<2> places) {
  const uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= units) return;
  int64_t offset[2] = {};
  places.add(i, offset);
  to[offset[1]] = from[offset[0]];
}

/** The planes of a tiled copy: in each, the source is contiguous along a, the target along b. */
struct Planes {
  uint32_t a, b;
  int64_t from_stride, to_stride;  // of the source along b, of the target along a
  Divider tiles_a, tiles_b;
  Places<2> places;  // of the planes
};

/**
 * A block of 256 threads transposes a tile of side 32·pack. A lane moves `pack` elements at once (4 bytes) if `packed`;
 * the odd pitch keeps all accesses to shared memory free of bank conflicts.
 */
template <class T, int pack> __global__ void __launch_bounds__(256) transpose_tiles(const T* from, T* to, Planes planes, bool packed) {
  constexpr int side = 32 * pack;
  WEFT_SHARED(T, tile, [side][side + 1]);
  uint32_t place = blockIdx.x;
  const uint32_t rest = planes.tiles_b.split(place), tile_b = place;
  place = rest;
  const uint32_t plane = planes.tiles_a.split(place), tile_a = place;
  int64_t offset[2] = {};
  planes.places.add(plane, offset);
  const uint32_t a0 = tile_a * side, b0 = tile_b * side;
  from += offset[0] + a0 + int64_t(b0) * planes.from_stride;
  to += offset[1] + b0 + int64_t(a0) * planes.to_stride;
  const int count_a = int(planes.a - a0 < side ? planes.a - a0 : side), count_b = int(planes.b - b0 < side ? planes.b - b0 : side);
  const int x = threadIdx.x * pack;
  Pack<T, pack> held[side / 8];  // all loads before the first store, so that they overlap
#pragma unroll
  for (int r = 0; r < side / 8; r++) {
    const int y = threadIdx.y + 8 * r;
    const T* row = from + int64_t(y) * planes.from_stride + x;
    if (y >= count_b || x >= count_a) continue;
    if (packed) held[r] = load_pack<pack>(row);
    else
#pragma unroll
      for (int e = 0; e < pack; e++)
        if (x + e < count_a) held[r].at[e] = row[e];
  }
#pragma unroll
  for (int r = 0; r < side / 8; r++) {
    const int y = threadIdx.y + 8 * r;
    if (y >= count_b) break;
#pragma unroll
    for (int e = 0; e < pack; e++)
      if (x + e < count_a) tile[y][x + e] = held[r].at[e];
  }
  __syncthreads();
  for (int y = threadIdx.y; y < count_a; y += 8) {
    T* row = to + int64_t(y) * planes.to_stride + x;
    if (packed && x < count_b) {
      Pack<T, pack> p;
#pragma unroll
      for (int e = 0; e < pack; e++) p.at[e] = tile[x + e][y];
      store_pack(row, p);
    } else {
#pragma unroll
      for (int e = 0; e < pack; e++)
        if (x + e < count_b) row[e] = tile[x + e][y];
    }
  }
}

template <class T> void copy_part(const Frame& frame, const void* from, void* to, const Walk<2>& walk) {
  const unsigned block = block_for(walk.size());
  launch(frame, {.grid = dim3(unsigned(divide_up(walk.size(), block))), .block = dim3(block)}, copy_units<T>,
         static_cast<const T*>(from) + walk.offset[0], static_cast<T*>(to) + walk.offset[1], uint32_t(walk.size()), Places<2>(walk));
}

void copy_part(const Frame& frame, const void* from, void* to, const Walk<2>& walk, size_t unit) {
  switch (unit) {
    case 1: return copy_part<uint8_t>(frame, from, to, walk);
    case 2: return copy_part<uint16_t>(frame, from, to, walk);
    case 4: return copy_part<uint32_t>(frame, from, to, walk);
    case 8: return copy_part<uint64_t>(frame, from, to, walk);
    default: return copy_part<Pack<uint32_t, 4>>(frame, from, to, walk);
  }
}

/**
 * The walk in units of `factor` elements, where both operands run along the innermost axis and everything is divisible.
 */
bool widens(const Walk<2>& walk, int64_t factor) {
  const auto& inner = walk.strides.back();
  bool fits = inner[0] == 1 && inner[1] == 1 && walk.inner() % factor == 0;
  for (size_t k = 0; k < 2; k++) {
    fits = fits && walk.offset[k] % factor == 0;
    for (size_t axis = 0; axis + 1 < walk.dims.size(); axis++) fits = fits && walk.strides[axis][k] % factor == 0;
  }
  return fits;
}
Walk<2> widened(Walk<2> walk, int64_t factor) {
  walk.dims.back() /= factor;
  for (size_t k = 0; k < 2; k++) {
    walk.offset[k] /= factor;
    for (size_t axis = 0; axis + 1 < walk.dims.size(); axis++) walk.strides[axis][k] /= factor;
  }
  return walk;
}

Step copy_by_units(const View& source, const View& target, const Walk<2>& walk) {
  const size_t element = size_of(source.dtype);
  int64_t factor = 16 / int64_t(element);
  while (!widens(walk, factor) && factor > 1) factor /= 2;
  return [=, wide = widened(walk, factor).parts(), plain = walk.parts(), unit = element * size_t(factor)](const Frame& frame) {
    const void* from = frame.at<void>(source);
    void* to = frame.at<void>(target);
    const bool fits = aligned(from, unit) && aligned(to, unit);
    for (const Walk<2>& part : fits ? wide : plain) copy_part(frame, from, to, part, fits ? unit : element);
  };
}

template <class T> Step copy_by_tiles(const View& source, const View& target, Walk<2> walk, size_t axis_a) {
  constexpr int pack = sizeof(T) >= 4 ? 1 : 4 / int(sizeof(T)), side = 32 * pack;
  const size_t axis_b = walk.dims.size() - 1;
  Planes planes;
  const int64_t a = walk.dims[axis_a], b = walk.dims[axis_b], tiles_a = divide_up(a, side), tiles_b = divide_up(b, side);
  planes.a = uint32_t(a);
  planes.b = uint32_t(b);
  planes.from_stride = walk.strides[axis_b][0];
  planes.to_stride = walk.strides[axis_a][1];
  planes.tiles_a = Divider(tiles_a);
  planes.tiles_b = Divider(tiles_b);
  bool even = a % pack == 0 && b % pack == 0 && planes.from_stride % pack == 0 && planes.to_stride % pack == 0;
  walk.dims.erase(walk.dims.begin() + int64_t(axis_a));
  walk.dims.pop_back();
  walk.strides.erase(walk.strides.begin() + int64_t(axis_a));
  walk.strides.pop_back();
  if (walk.dims.empty()) {
    walk.dims.push_back(1);
    walk.strides.emplace_back();
  }
  for (size_t k = 0; k < 2; k++) {
    even = even && walk.offset[k] % pack == 0;
    for (const auto& strides : walk.strides) even = even && strides[k] % pack == 0;
  }
  planes.places = Places<2>(walk);
  const int64_t blocks = walk.size() * tiles_a * tiles_b;
  require(blocks < (int64_t(1) << 31), "ERR_SHAPE", "transpose: the tensor is too large");
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(source) + walk.offset[0];
    T* to = frame.at<T>(target) + walk.offset[1];
    const bool packed = even && aligned(from, pack * sizeof(T)) && aligned(to, pack * sizeof(T));
    launch(frame, {.grid = dim3(unsigned(blocks)), .block = dim3(32, 8)}, transpose_tiles<T, pack>, from, to, planes, packed);
  };
}

}  // namespace

Step copy_strided(const View& source, const View& target, const Dims& dims, const Dims& source_strides, const Dims& target_strides,
                  int64_t source_offset, int64_t target_offset) {
  constexpr int64_t shortest_side = 8;  // of a plane worth tiling
  if (product(dims) == 0) return [](const Frame&) {};
  Walk<2> walk(dims, {source_strides, target_strides});
  walk.offset = {source_offset, target_offset};
  const auto& inner = walk.strides.back();
  if (inner[1] == 1 && inner[0] != 1 && inner[0] != 0 && walk.inner() >= shortest_side)
    for (size_t axis = 0; axis + 1 < walk.dims.size(); axis++)
      if (walk.strides[axis][0] == 1 && walk.dims[axis] >= shortest_side)
        return by_size(source.dtype, [&]<class T>() { return copy_by_tiles<T>(source, target, walk, axis); });
  return copy_by_units(source, target, walk);
}

}  // namespace weft::cuda
