// What the attention kernels share: extents, where each head lies, which keys a query may look at, and which weights
// dropout keeps.
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>

#include "philox.h"

namespace weft::cpu::WEFT_ISA {

/** Extents of one call: queries [b, tq, h, d], keys [b, tk, hk, d], values [b, tk, hk, dv]. */
struct AttentionShape {
  int64_t b, tq, tk, h, hk, d, dv;
  double scale, rate;
  bool causal, masked, positioned;
  View mask, offset, state;
  int64_t mask_batch = 0, mask_head = 0, mask_query = 0;  // strides, 0 along extents of 1

  /** `first` is the index of q among the call's inputs, `rest` that of the mask, or of the input in its place. */
  WEFT_BINDER AttentionShape(const Call& call, size_t first, size_t rest) {
    const View &q = call.in[first], &k = call.in[first + 1], &v = call.in[first + 2];
    b = q.dim(0), tq = q.dim(1), h = q.dim(2), d = q.dim(3);
    tk = k.dim(1), hk = k.dim(2), dv = v.dim(3);
    scale = call.attrs.number("scale"), rate = call.attrs.number("rate");
    causal = call.attrs.flag("causal"), masked = call.attrs.flag("masked"), positioned = call.attrs.flag("positioned");
    if (masked) {
      mask = call.in[rest++];
      mask_query = mask.dim(2) == 1 ? 0 : tk;
      mask_head = mask.dim(1) == 1 ? 0 : mask.dim(2) * tk;
      mask_batch = mask.dim(0) == 1 ? 0 : mask.dim(1) * mask.dim(2) * tk;
    }
    if (positioned) offset = call.in[rest++];
    if (rate > 0) state = call.in[rest++];
  }

  /**
   * Multiplications and additions of matrix products in which each pair of a query and a key takes part `widths` times.
   */
  double flops(int64_t widths) const { return 2.0 * double(b * h) * double(tq * tk) * double(widths) * (causal ? 0.5 : 1); }
  int64_t group() const { return hk == 0 ? 1 : h / hk; }
  int64_t query(int64_t batch, int64_t head, int64_t i) const { return ((batch * tq + i) * h + head) * d; }
  int64_t result(int64_t batch, int64_t head, int64_t i) const { return ((batch * tq + i) * h + head) * dv; }
  int64_t key(int64_t batch, int64_t head, int64_t j) const { return ((batch * tk + j) * hk + head / group()) * d; }
  int64_t value(int64_t batch, int64_t head, int64_t j) const { return ((batch * tk + j) * hk + head / group()) * dv; }
  int64_t log_sum(int64_t batch, int64_t head, int64_t i) const { return (batch * h + head) * tq + i; }
};

/** The part of an AttentionShape that is known when the step runs. */
class AttentionRun {
 public:
  AttentionRun(const AttentionShape& shape, const Frame& frame)
      : shape_(shape),
        offset_(shape.positioned ? *frame.at<int32_t>(shape.offset) : 0),
        mask_(shape.masked ? frame.at<uint8_t>(shape.mask) : nullptr),
        state_(shape.rate > 0 ? frame.at<int32_t>(shape.state) : nullptr),
        bound_(float(shape.rate) < shape.rate ? std::nextafter(float(shape.rate), 2.0f) : float(shape.rate)) {}

  /** Query i may look at the keys [0, reach(i)) and at no others. */
  int64_t reach(int64_t i) const { return shape_.causal ? std::clamp<int64_t>(i + offset_ + 1, 0, shape_.tk) : shape_.tk; }
  /** The first query that may look at key j. It is tq or more where no query may. */
  int64_t first_query(int64_t j) const { return shape_.causal ? std::max<int64_t>(0, j - offset_) : 0; }
  /** One byte per key, or null where no mask was given. */
  const uint8_t* mask_row(int64_t batch, int64_t head, int64_t i) const {
    return mask_ ? mask_ + batch * shape_.mask_batch + head * shape_.mask_head + i * shape_.mask_query : nullptr;
  }
  bool drops() const { return state_ != nullptr; }
  /** keep[0..n): the factors of the weights of keys j, j + 1, ...: 0 or 1 / (1 - rate). */
  template <class T> void keep(int64_t batch, int64_t head, int64_t i, int64_t j, int64_t n, T* factors) const {
    const T kept = T(1 / (1 - shape_.rate));
    const Generator generator(state_);
    const int64_t first = ((batch * shape_.h + head) * shape_.tq + i) * shape_.tk + j;
    alignas(64) uint32_t words[batch_words];
    int64_t skipped = first % 4;
    for (int64_t done = 0; done < n;) {
      philox(generator, uint64_t((first + done) / 4), 0, words);
      const int64_t count = std::min<int64_t>(batch_words - skipped, n - done);
      for (int64_t x = 0; x < count; x++) factors[done + x] = uniform(words[skipped + x]) >= bound_ ? kept : T(0);
      done += count;
      skipped = 0;
    }
  }

 private:
  const AttentionShape& shape_;
  int64_t offset_;
  const uint8_t* mask_;
  const int32_t* state_;
  float bound_;
};

}  // namespace weft::cpu::WEFT_ISA
