// Attention: what its kernels share. The queries of the heads that read one head of keys are its rows: row r is query r
// mod tq of the group's head r / tq, so that grouped queries, and single queries with a cache, fill tiles. A tile of
// rows goes through tiles of keys with a running maximum and sum (Dao et al. 2022); keys that no row of the tile may
// look at are skipped.
#pragma once
#include "philox.cuh"
#include "storage.cuh"

namespace weft::cuda {

constexpr float minus_infinity = -__builtin_huge_valf();
constexpr float log2_e = 1.4426950408889634f, ln_2 = 0.6931471805599453f;

/** 2^x to about two units in the last place. */
__device__ __forceinline__ float power_of_two(float x) {
#ifdef WEFT_EMULATED
  return exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

/** A row of a head, as scores see it: keys 0 ... limit - 1, unless the mask hides them. */
struct Query {
  int limit;
  int64_t mask, element;  // where its part of the mask begins, and of the numbers that dropout draws
};

/**
 * The operands and attributes of a call. q [batch, tq, key_heads · group, d], k [batch, tk, key_heads, d], v [batch,
 * tk, key_heads, dv].
 */
struct Attention {
  const void *q, *k, *v;
  const uint8_t* mask;                        // null where there is none
  const int32_t *offset, *state;              // null where there is none
  int64_t mask_batch, mask_head, mask_query;  // strides of the mask
  int batch, tq, tk, key_heads, group, d, dv;
  int rows;     // of a head of keys: group · tq
  Divider per;  // tq
  float scale;  // of the scores
  float keep;   // factor of the weights that dropout keeps
  uint32_t bound;
  bool causal;
  Kind kind;  // of the results, and of the operands unless they are rounded copies

  __device__ __forceinline__ int64_t heads() const { return int64_t(key_heads) * group; }
  /** Keys before the first query, near enough that sums with it do not overflow. */
  __device__ __forceinline__ int shift() const {
    const int given = offset == nullptr ? 0 : *offset;
    return given < -tq ? -tq : given > tk ? tk : given;
  }
  /** Keys that query i may look at, without the mask. */
  __device__ __forceinline__ int limit(int i, int shift) const {
    if (!causal) return tk;
    const int end = i + shift + 1;
    return end < 0 ? 0 : end > tk ? tk : end;
  }
  /** The largest limit of rows begin ... end - 1. */
  __device__ __forceinline__ int limit_of_rows(int begin, int end, int shift) const {
    const uint32_t last = uint32_t(end - 1), head = per.divide(last);
    const bool whole = per.divide(uint32_t(begin)) != head;  // the tile has the last query of a head
    return limit(whole ? tq - 1 : int(last - head * per.divisor), shift);
  }
  /** The least limit of rows begin ... end - 1. */
  __device__ __forceinline__ int least_limit_of_rows(int begin, int end, int shift) const {
    const uint32_t first = uint32_t(begin), head = per.divide(first);
    const bool starts = per.divide(uint32_t(end - 1)) != head;  // the tile has the first query of a head
    return limit(starts ? 0 : int(first - head * per.divisor), shift);
  }
  /** Where row r of head `head` (counted over batches) begins in q, in heads: times d, or dv in the output. */
  __device__ __forceinline__ int64_t place_of_row(int head, int r) const {
    const int b = head / key_heads, own = head - b * key_heads;
    const uint32_t g = per.divide(uint32_t(r)), i = uint32_t(r) - g * per.divisor;
    return (int64_t(b) * tq + i) * heads() + own * group + g;
  }
  /** The same of key j in k and v. */
  __device__ __forceinline__ int64_t place_of_key(int head, int j) const {
    const int b = head / key_heads, own = head - b * key_heads;
    return (int64_t(b) * tk + j) * key_heads + own;
  }
  __device__ __forceinline__ Query query(int head, int r, int shift) const {
    if (r >= rows) return {0, 0, 0};
    const int b = head / key_heads, own = head - b * key_heads;
    const uint32_t g = per.divide(uint32_t(r)), i = uint32_t(r) - g * per.divisor;
    return {limit(int(i), shift), b * mask_batch + (own * group + g) * mask_head + i * mask_query, (int64_t(head) * rows + r) * tk};
  }
  __device__ __forceinline__ bool visible(const Query& query, int key) const {
    return key < query.limit && (mask == nullptr || mask[query.mask + key] != 0);
  }
  /** The factor that dropout gives the weight of a key. */
  __device__ __forceinline__ float kept(const Query& query, int key) const {
    const uint64_t element = uint64_t(query.element + key);
    const Words words = philox(state, element / 4, 0);
    const uint32_t low = element & 1 ? words.at[1] : words.at[0], high = element & 1 ? words.at[3] : words.at[2];
    return (element & 2 ? high : low) >> 8 >= bound ? keep : 0.0f;
  }
  /** The same for two neighbouring keys, which mostly share a block of numbers. */
  __device__ __forceinline__ float2 kept_pair(const Query& query, int key) const {
    const uint64_t element = uint64_t(query.element + key);
    if (element & 1) return make_float2(kept(query, key), kept(query, key + 1));
    const Words words = philox(state, element / 4, 0);
    const uint32_t left = element & 2 ? words.at[2] : words.at[0], right = element & 2 ? words.at[3] : words.at[1];
    return make_float2(left >> 8 >= bound ? keep : 0.0f, right >> 8 >= bound ? keep : 0.0f);
  }
};

/** A float32 operand and its copy in bfloat16. */
struct RoundedCopy {
  View from, to;
};

/** A call as its binder reads it; the addresses follow at run time. */
struct Bound {
  Attention shape;
  View q, k, v, mask, offset, state;
  std::vector<RoundedCopy> copies;  // that q, k and v are

  Attention at(const Frame& frame) const {
    Attention attention = shape;
    attention.q = frame.at<void>(q);
    attention.k = frame.at<void>(k);
    attention.v = frame.at<void>(v);
    if (mask.used()) attention.mask = frame.at<uint8_t>(mask);
    if (offset.used()) attention.offset = frame.at<int32_t>(offset);
    if (state.used()) attention.state = frame.at<int32_t>(state);
    return attention;
  }
  /** Makes the copies; before the first kernel that reads them. */
  void prepare(const Frame& frame) const;
  /** Puts a copy in bfloat16, in scratch memory, in the operand's place. */
  void round(Call& call, View& operand) {
    View copy = call.scratch(size_t(operand.size()) * sizeof(BFloat16));
    copy.dims = operand.dims;
    copy.dtype = DType::bfloat16;
    copies.push_back({operand, copy});
    operand = copy;
  }
  /** Heads of keys, over all batches. */
  int64_t heads() const { return int64_t(shape.batch) * shape.key_heads; }
};

/** Reads the attributes, and the operands from `q` on; those that are optional begin at `rest`. */
inline Bound bind_attention(Call& call, size_t q, size_t rest) {
  Bound bound{{}, call.in[q], call.in[q + 1], call.in[q + 2], {}, {}, {}, {}};
  const double rate = call.attrs.number("rate");
  const bool causal = call.attrs.flag("causal");
  if (call.attrs.flag("masked")) bound.mask = call.in[rest++];
  if (call.attrs.flag("positioned")) bound.offset = call.in[rest++];
  if (rate > 0) bound.state = call.in[rest++];
  const Dims &queries = bound.q.dims, &keys = bound.k.dims, &values = bound.v.dims;
  require(is_float(bound.q.dtype), "ERR_DTYPE", name_of(bound.q.dtype), " is not supported");
  require(queries.size() == 4 && keys.size() == 4 && values.size() == 4, "ERR_SHAPE", "q, k and v have four axes");
  constexpr int64_t most = int64_t(1) << 30;
  const int64_t group = keys[2] == 0 ? 0 : queries[2] / keys[2];
  require(group * queries[1] < most && keys[1] < most && keys[0] * keys[2] < most, "ERR_SHAPE", "more than 2^30 queries, keys or heads");
  require(queries[3] <= 256 && values[3] <= 256, "ERR_ARGUMENT", "heads of more than 256 features are not supported on CUDA, got ",
          std::max(queries[3], values[3]));
  Attention& shape = bound.shape;
  shape = {};
  shape.batch = int(queries[0]);
  shape.tq = int(queries[1]);
  shape.tk = int(keys[1]);
  shape.key_heads = int(keys[2]);
  shape.group = int(group);
  shape.d = int(queries[3]);
  shape.dv = int(values[3]);
  shape.rows = int(group * queries[1]);
  shape.per = Divider(shape.tq);
  shape.scale = float(call.attrs.number("scale"));
  shape.keep = float(1 / (1 - rate));
  shape.bound = uniform_bound(rate);
  shape.causal = causal;
  shape.kind = kind_of(bound.q.dtype);
  if (bound.mask.used()) {
    const Dims strides = broadcast_strides(bound.mask.dims, 4);
    shape.mask_batch = strides[0];
    shape.mask_head = strides[1];
    shape.mask_query = strides[2];
  }
  return bound;
}

}  // namespace weft::cuda
