// sort and topK along the last axis: stable, NaN last, ties in the order of their places. An element becomes an item:
// an unsigned key whose order is the wanted one, above its place, in 64 bits; items differ, so any correct sort of them
// is stable and exact. Rows of up to 4096 elements are sorted by a bitonic network in shared memory, several short rows
// in a block. Longer ones are sorted in tiles of 4096, then merged run by run through scratch memory, every thread
// finding its share by binary search (merge path, Green et al. 2012). For the k largest with small k, each tile hands
// on its first k items only, until one tile holds the rest.
#include <algorithm>

#include "vocabulary.cuh"

namespace weft::cuda {
namespace {

using Item = uint64_t;
constexpr Item none = ~Item(0);  // after every item
constexpr int tile = 4096;       // items that a block sorts
constexpr int span = 1024;       // items that a block merges
constexpr int share = 4;         // items that a thread merges

/** Ascending keys for ascending elements, or for descending ones; NaN has the largest key either way. */
template <class Number> __device__ __forceinline__ uint32_t key_of(Number x, bool descending) {
  constexpr uint32_t sign = 0x80000000u;
  if constexpr (std::is_same_v<Number, float>) {
    const uint32_t bits = std::bit_cast<uint32_t>(x + 0.0f);  // -0 + 0 is 0
    const uint32_t key = bits & sign ? ~bits : bits | sign;
    return x != x ? ~0u : descending ? ~key : key;
  } else {
    const uint32_t key = uint32_t(int32_t(x)) ^ sign;
    return descending ? ~key : key;
  }
}

/**
 * Where sorted items are written: their values and their places, the first k of each row; either may be null.
 */
template <class T> struct Sorted {
  const T* x;  // [rows, n]
  T* values;   // [rows, k]
  int32_t* indices;
  int64_t n, k;

  __device__ __forceinline__ void put(int64_t row, int64_t i, Item item) const {
    const uint32_t place = uint32_t(item);
    if (values != nullptr) values[row * k + i] = x[row * n + place];
    if (indices != nullptr) indices[row * k + i] = int32_t(place);
  }
};

/** Rows of n items in tiles: `length` (a power of two) items each, `chunks` to a row, `side` tiles to a block. */
struct Tiles {
  int64_t rows, n;
  int length, chunks, side;
  int keep;        // items that a tile hands on
  int64_t stride;  // items of a row that are handed on

  int64_t count() const { return rows * chunks; }
};

/**
 * Sorts each tile of elements, or of items unless `from` is null, and hands on to `to`, or puts the results where that
 * is null.
 */
template <class T>
__global__ void __launch_bounds__(512) sort_tiles(const Item* from, Item* to, Sorted<T> sorted, Tiles tiles, bool descending) {
  WEFT_DYNAMIC_SHARED(Item, items);
  const int length = tiles.length, total = tiles.side * length;
  const int64_t first = int64_t(blockIdx.x) * tiles.side, pieces = tiles.rows * tiles.chunks;
  for (int i = int(threadIdx.x); i < total; i += int(blockDim.x)) {
    const int64_t piece = first + i / length, row = piece / tiles.chunks;
    const int64_t place = (piece - row * tiles.chunks) * length + i % length, at = row * tiles.n + place;
    const bool exists = piece < pieces && place < tiles.n;
    if (!exists) items[i] = none;
    else items[i] = from != nullptr ? from[at] : Item(key_of(widen(sorted.x[at]), descending)) << 32 | uint32_t(place);
  }
  __syncthreads();
  for (int size = 2; size <= length; size *= 2) {
    for (int stride = size / 2; stride > 0; stride /= 2) {
      for (int pair = int(threadIdx.x); pair < total / 2; pair += int(blockDim.x)) {
        const int i = 2 * pair - (pair & (stride - 1)), j = i + stride;
        const bool ascending = size == length || (i & size) == 0;
        const Item a = items[i], b = items[j];
        if ((a > b) == ascending) items[i] = b, items[j] = a;
      }
      // with strides of up to 32, a warp exchanges among the 64 items of its own pairs
      if (stride > 32 || (stride == 1 && size >= 64)) __syncthreads();
      else __syncwarp();
    }
  }
  __syncthreads();
  for (int i = int(threadIdx.x); i < tiles.side * tiles.keep; i += int(blockDim.x)) {
    const int side = i / tiles.keep, j = i - side * tiles.keep;
    const int64_t piece = first + side, row = piece / tiles.chunks;
    if (piece >= pieces) continue;
    const Item item = items[side * length + j];
    const int64_t place = (piece - row * tiles.chunks) * tiles.keep + j;
    if (to == nullptr) sorted.put(row, j, item);
    else if (place < tiles.stride) to[row * tiles.stride + place] = item;
  }
}

/** How many of the first `diagonal` items of two merged runs are from the first one. */
__device__ __forceinline__ int64_t split(const Item* a, int64_t a_count, const Item* b, int64_t b_count, int64_t diagonal) {
  int64_t low = diagonal > b_count ? diagonal - b_count : 0, high = diagonal < a_count ? diagonal : a_count;
  while (low < high) {
    const int64_t middle = (low + high) / 2;
    if (a[middle] < b[diagonal - 1 - middle]) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * Merges pairs of sorted runs of `width` items in rows of n. A block writes `span` items, to `to` or as results where
 * that is null.
 */
template <class T>
__global__ void __launch_bounds__(span / share)
    merge_runs(const Item* from, Item* to, Sorted<T> sorted, int64_t n, int64_t width, int64_t spans) {
  WEFT_SHARED(Item, items, [span]);
  WEFT_SHARED(int64_t, bounds, [2]);
  const int64_t row = blockIdx.x / spans, begin = (blockIdx.x - row * spans) * span;
  const int64_t pair = begin / (2 * width) * (2 * width), diagonal = begin - pair;  // of the runs; of the block in them
  if (diagonal >= sorted.k) return;                                                 // no item from here on is among the first k of the row
  const Item* a = from + row * n + pair;
  const Item* b = a + width;
  const int64_t left = n - pair, a_count = left < width ? left : width, rest = left - a_count, b_count = rest < width ? rest : width;
  const int64_t all = a_count + b_count - diagonal;
  const int count = int(all < span ? all : span);
  if (threadIdx.x % 32 == 0 && threadIdx.x < 64)
    bounds[threadIdx.x / 32] = split(a, a_count, b, b_count, diagonal + (threadIdx.x == 0 ? 0 : count));
  __syncthreads();
  const int64_t a_begin = bounds[0], b_begin = diagonal - a_begin;
  const int a_here = int(bounds[1] - a_begin), b_here = count - a_here;
  for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) items[i] = i < a_here ? a[a_begin + i] : b[b_begin + (i - a_here)];
  __syncthreads();
  const int mine = int(threadIdx.x) * share;
  if (mine >= count) return;
  const Item* other = items + a_here;
  int i = int(split(items, a_here, other, b_here, mine)), j = mine - i;
#pragma unroll
  for (int s = 0; s < share; s++) {
    if (mine + s >= count) break;
    const Item x = i < a_here ? items[i] : none, y = j < b_here ? other[j] : none;
    const bool first = x < y;
    i += first, j += !first;
    const int64_t place = begin + mine + s;
    if (to != nullptr) to[row * n + place] = first ? x : y;
    else if (place < sorted.k) sorted.put(row, place, first ? x : y);
  }
}

Tiles plan_tiles(int64_t rows, int64_t n, int64_t k) {
  Tiles tiles{rows, n, 2, 1, 1, 0, 0};
  while (tiles.length < n && tiles.length < tile) tiles.length *= 2;
  tiles.chunks = int(divide_up(n, tiles.length));
  tiles.side = int(std::clamp<int64_t>(256 / tiles.length, 1, std::max<int64_t>(1, rows)));
  tiles.keep = int(std::min<int64_t>(k, tiles.length));
  tiles.stride = int64_t(tiles.chunks) * tiles.keep;
  return tiles;
}
Shape shape_of(const Tiles& tiles) {
  const int total = tiles.side * tiles.length;
  return {.grid = dim3(unsigned(divide_up(tiles.count(), tiles.side))),
          .block = dim3(unsigned(std::clamp<int>(int(divide_up(total / 2, 32)) * 32, 32, 512))),
          .shared = size_t(total) * sizeof(Item)};
}

/** The first k of each row in the order of keys. */
template <class T> Step bind_first(Call& call, int64_t k, bool descending) {
  const View x = call.in[0], values = call.out[0], indices = call.out[1];
  const int64_t n = x.dim(-1), rows = product(x.dims, 0, x.dims.size() - 1);
  require(n < int64_t(1) << 31, "ERR_SHAPE", call.op, ": an axis of ", n, " elements; places are int32");
  if (k == 0 || rows == 0) return [](const Frame&) {};
  const auto results = [=](const Frame& frame) {
    return Sorted<T>{frame.at<T>(x), values.used() ? frame.at<T>(values) : nullptr, indices.used() ? frame.at<int32_t>(indices) : nullptr,
                     n, k};
  };
  if (n <= tile || k <= tile / 4) {  // tiles of tiles
    std::vector<Tiles> levels;
    std::vector<View> between;
    int64_t left = n;
    do {
      levels.push_back(plan_tiles(rows, left, k));
      left = levels.back().stride;
      if (levels.back().chunks > 1) between.push_back(call.scratch(size_t(rows * left) * sizeof(Item)));
    } while (levels.back().chunks > 1);
    return [=](const Frame& frame) {
      const Item* from = nullptr;
      for (size_t i = 0; i < levels.size(); i++) {
        Item* to = i < between.size() ? frame.at<Item>(between[i]) : nullptr;
        launch(frame, shape_of(levels[i]), sort_tiles<T>, from, to, results(frame), levels[i], descending);
        from = to;
      }
    };
  }
  Tiles tiles = plan_tiles(rows, n, tile);
  tiles.stride = n;
  const View one = call.scratch(size_t(rows * n) * sizeof(Item)), two = call.scratch(size_t(rows * n) * sizeof(Item));
  const int64_t spans = divide_up(n, span);
  return [=](const Frame& frame) {
    Item *from = frame.at<Item>(one), *to = frame.at<Item>(two);
    launch(frame, shape_of(tiles), sort_tiles<T>, static_cast<const Item*>(nullptr), from, results(frame), tiles, descending);
    for (int64_t width = tile; width < n; width *= 2) {
      launch(frame, {.grid = dim3(unsigned(rows * spans)), .block = dim3(span / share)}, merge_runs<T>, from, 2 * width < n ? to : nullptr,
             results(frame), n, width, spans);
      std::swap(from, to);
    }
  };
}

}  // namespace

KERNEL(cuda, sort) {
  const bool descending = call.attrs.flag("descending");
  return dispatch<float, BFloat16, Float16, int32_t, uint8_t>(
      call.in[0].dtype, [&]<class T>() { return bind_first<T>(call, call.in[0].dim(-1), descending); });
}
KERNEL(cuda, topK) {
  const int64_t n = call.in[0].dim(-1), k = call.out[0].dim(-1);
  require(k <= n, "ERR_SHAPE", "topK: k = ", k, " exceeds the last axis, ", n);
  return dispatch<float, BFloat16, Float16, int32_t, uint8_t>(call.in[0].dtype, [&]<class T>() { return bind_first<T>(call, k, true); });
}

}  // namespace weft::cuda
