// The forward kernels of attention: where a block works, and where its results go: to the output, or, where the keys of
// a row are split among blocks, to scratch memory, from which a second launch adds them in order.
#pragma once
#include "attention.cuh"

namespace weft::cuda {

/** The logarithm of a sum of exponentials, from the largest exponent, to base 2, and the sum relative to it. */
__device__ __forceinline__ float log_of(float largest, float total) {
  return total == 0 ? minus_infinity : (largest + log2f(total)) * ln_2;
}

/**
 * Where a block works: tiles of rows, longest first, of one head; one of several parts of the keys that they look at.
 */
struct ForwardPlace;

/** Where a row's values go. */
struct Written {
  void* values;  // null: nowhere
  int64_t begin;
  Kind kind;
  float factor;
};

/**
 * The outputs, and the parts of split rows: partial [parts, rows of all heads, dv] and moments (largest exponent to
 * base 2, sum).
 */
struct Result {
  void* y;
  float* log_sum;
  float* partial;
  float2* moments;
  int parts;

  __device__ __forceinline__ Written written(const Attention& attention, const ForwardPlace& place, int r, float largest, float total,
                                             bool leader) const;
};

struct ForwardPlace {
  int head, row, begin, end, part;

  __device__ __forceinline__ ForwardPlace(int head, int row, int begin, int end, int part)
      : head(head), row(row), begin(begin), end(end), part(part) {}
  __device__ __forceinline__ ForwardPlace(const Attention& attention, const Result& result, int row_tiles, int tile_rows, int tile_keys) {
    const int64_t block = int64_t(blockIdx.x);
    const int64_t index = block / result.parts;
    part = int(block - index * result.parts);
    head = int(index / row_tiles);
    const int tile = row_tiles - 1 - int(index - int64_t(head) * row_tiles);
    row = tile * tile_rows;
    const int last = row + tile_rows < attention.rows ? row + tile_rows : attention.rows;
    end = attention.limit_of_rows(row, last, attention.shift());
    begin = 0;
    if (result.parts > 1) {
      const int tiles = (end + tile_keys - 1) / tile_keys, share = (tiles + result.parts - 1) / result.parts * tile_keys;
      begin = part * share < end ? part * share : end;
      end = begin + share < end ? begin + share : end;
    }
  }
};

__device__ __forceinline__ Written Result::written(const Attention& attention, const ForwardPlace& place, int r, float largest, float total,
                                                   bool leader) const {
  const int64_t row = int64_t(place.head) * attention.rows + r;
  if (parts > 1) {
    const int64_t to = int64_t(place.part) * attention.batch * attention.key_heads * attention.rows + row;
    if (leader) moments[to] = make_float2(largest, total);
    return {partial, to * attention.dv, Kind::whole, 1.0f};
  }
  if (leader && log_sum != nullptr) log_sum[row] = log_of(largest, total);
  return {y, attention.place_of_row(place.head, r) * attention.dv, attention.kind, total == 0 ? 0.0f : 1 / total};
}

/** Adds the parts of all rows. */
void combine_rows(const Frame& frame, const Attention& attention, const Result& result, int64_t rows);

/** How many blocks a forward kernel gets, and the memory of their parts. */
struct ForwardPlan {
  int row_tiles, parts;
  unsigned blocks;
  int64_t rows;  // of all heads
  View y, log_sum, partial, moments;

  Result result(const Frame& frame) const {
    return {y.used() ? frame.at<void>(y) : nullptr, log_sum.used() ? frame.at<float>(log_sum) : nullptr,
            parts > 1 ? frame.at<float>(partial) : nullptr, parts > 1 ? frame.at<float2>(moments) : nullptr, parts};
  }
  void finish(const Frame& frame, const Bound& bound) const {
    if (parts > 1 && rows > 0) combine_rows(frame, bound.at(frame), result(frame), rows);
  }
};

/** Cuts rows into tiles, and their keys into parts where the tiles would leave multiprocessors idle. */
inline ForwardPlan plan_forward(Call& call, const Bound& bound, int tile_rows, int tile_keys) {
  const Attention& shape = bound.shape;
  ForwardPlan plan{int(divide_up(shape.rows, tile_rows)), 1, 0, bound.heads() * shape.rows, call.out[0], call.out[1], {}, {}};
  const int64_t tiles = bound.heads() * plan.row_tiles, key_tiles = divide_up(shape.tk, tile_keys);
  if (tiles > 0 && tiles < call.target.multiprocessors && key_tiles >= 4)
    plan.parts = int(std::min({key_tiles / 2, divide_up(2 * call.target.multiprocessors, tiles), int64_t(64)}));
  plan.blocks = unsigned(tiles * plan.parts);
  if (plan.parts > 1) {
    plan.partial = call.scratch(size_t(plan.parts) * size_t(plan.rows * shape.dv) * sizeof(float));
    plan.moments = call.scratch(size_t(plan.parts) * size_t(plan.rows) * sizeof(float2));
  }
  return plan;
}

/** The operands as the kernels on tensor cores take them: copies in bfloat16 where the precision asks for that. */
Bound rounded_operands(Call& call, Bound bound);
/** The Step on tensor cores, if they and the shared memory of a block suffice; else null. */
Step bind_tensor_attention(Call& call, const Bound& bound);
/** The Step by products of warpgroups, on sm_90, for what they suit; else null. */
Step bind_group_attention(Call& call, const Bound& bound);

}  // namespace weft::cuda
