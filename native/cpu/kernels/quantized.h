// What kernels of quantized values share: how floats become steps of a scale, and how exact sums become results.
#pragma once
#include "chunks.h"
#include "matmul_blocks.h"

namespace weft::cpu::WEFT_ISA {

/** v, which the compiler cannot fuse with what reads it: results are rounded alike on every level and device. */
WEFT_INLINE Vec rounded(Vec v) {
#if defined(__x86_64__)
  asm("" : "+x"(v));
#elif defined(__aarch64__)
  asm("" : "+w"(v));
#endif
  return v;
}

/** clamp(round_half_even(x / scale), low, high) as integers. NaN gives 0. */
WEFT_INLINE IVec steps_of(Vec x, Vec scale, Vec low, Vec high) {
  const Vec quotient = x / scale;
  return to_integer(min(max(round(select(unordered(quotient, quotient), zero(), quotient)), low), high));
}
/** Stores the low bytes of the first n <= width lanes. */
WEFT_INLINE void store_low_bytes(uint8_t* to, IVec v, int n) {
  const Vec bytes = to_float(v & broadcast_integer(255));
  if (n == width) store_bytes(to, bytes);
  else store_bytes_partial(to, bytes, n);
}

/** How uint8 values stand for floats: (q - zero) * scale. A scale of 0: they do not. */
struct QuantizedRange {
  float scale = 0;
  int32_t zero = 0;
  explicit operator bool() const { return scale != 0; }
};
WEFT_BINDER inline QuantizedRange range_attribute(const Call& call, const std::string& of) {
  return {float(call.attrs.number(of + "Scale")), int32_t(call.attrs.integer(of + "ZeroPoint"))};
}

/** Quantizes n floats to uint8. */
inline void quantize_row(const float* x, QuantizedRange range, uint8_t* q, int64_t n) {
  const Vec scale = broadcast(range.scale), low = broadcast(float(-range.zero)), high = broadcast(float(255 - range.zero));
  const IVec zeros = broadcast_integer(range.zero);
  for (int64_t i = 0; i < n; i += width) {
    const int used = int(std::min<int64_t>(width, n - i));
    const Vec v = used == width ? load(x + i) : load_partial(x + i, used);
    store_low_bytes(q + i, steps_of(v, scale, low, high) + zeros, used);
  }
}

/** The range from the smallest to the largest of n floats and 0. A scale of NaN where one of them is not finite. */
inline QuantizedRange range_of_row(const float* x, int64_t n) {
  Vec low = zero(), high = zero(), spread = zero();
  for (int64_t i = 0; i < n; i += width) {
    const int used = int(std::min<int64_t>(width, n - i));
    const Vec v = used == width ? load(x + i) : load_partial(x + i, used);
    low = min(v, low), high = max(v, high);
    spread = spread + (v - v);  // 0, or NaN
  }
  const float least = -largest(-low), most = largest(high), scale = (most - least) / 255.0f + sum(spread);
  if (scale == 0.0f) return {1.0f, 0};
  if (!(scale < std::numeric_limits<float>::infinity())) return {std::numeric_limits<float>::quiet_NaN(), 0};
  return {scale, int32_t(std::min(255.0f, std::max(0.0f, std::nearbyint(-least / scale))))};
}

/** How exact sums become results: what a product's attributes, scales and bias say. */
class Finish {
 public:
  Finish() = default;
  /** Scratch memory for the n columns; `scale` has one value or n. */
  WEFT_BINDER Finish(Call& call, const View& scale, const View& bias, int64_t n)
      : scale_(scale), bias_(bias), n_(n), input_(range_attribute(call, "input")), output_(range_attribute(call, "output")),
        activation_(activation_named(call.attrs.text("activation"))) {
    factors_ = call.scratch(size_t(2 * padded()) * sizeof(float));
  }
  QuantizedRange input() const { return input_; }
  bool bytes() const { return bool(output_); }

  /** Once per step, before rows are finished. */
  void prepare(const Frame& frame) const {
    float *factor = frame.at<float>(factors_), *offset = factor + padded();
    const float* scale = frame.at<const float>(scale_);
    const float* bias = bias_.used() ? frame.at<const float>(bias_) : nullptr;
    const bool divided = folded();
    for (int64_t j = 0; j < n_; j++) {
      const float own = scale[scale_.size() == 1 ? 0 : j], b = bias ? bias[j] : 0.0f;
      factor[j] = !input_ ? own : divided ? input_.scale * own / output_.scale : input_.scale * own;
      offset[j] = divided ? b / output_.scale : b;
    }
  }

  /** Finishes columns [j, j + n) of a row: `to` is where they go, floats or bytes. `row_scale` is that of a dynamic row. */
  void row(const Frame& frame, const int32_t* sums, int64_t j, int64_t n, float row_scale, void* to) const {
    const float *factor = frame.at<float>(factors_) + j, *offset = factor + padded();
    for (int64_t i = 0; i < n; i += width) {
      const int used = int(std::min<int64_t>(width, n - i));
      IVec v{};
      std::memcpy(&v, sums + i, size_t(used) * sizeof(int32_t));
      Vec own = load_partial_or_whole(factor + i, used);
      if (!input_) {
        own = rounded(own * broadcast(row_scale));
        if (folded()) own = own / broadcast(output_.scale);
      }
      Vec y = rounded(to_float(v) * own) + load_partial_or_whole(offset + i, used);
      if (activation_ == Activation::relu) y = max(zero(), y);
      if (!output_) {
        float* out = static_cast<float*>(to) + i;
        if (used == width) store(out, y);
        else store_partial(out, y, used);
        continue;
      }
      const Vec low = broadcast(float(-output_.zero)), high = broadcast(float(255 - output_.zero));
      Vec unit = broadcast(1.0f);
      if (!folded()) {
        float values[width];
        store(values, y);
        activate_row(activation_, values, used);
        y = load(values), unit = broadcast(output_.scale);
      }
      store_low_bytes(static_cast<uint8_t*>(to) + i, steps_of(y, unit, low, high) + broadcast_integer(output_.zero), used);
    }
    if (!output_ && (activation_ == Activation::sigmoid || activation_ == Activation::tanh))
      activate_row(activation_, static_cast<float*>(to), n);
  }

 private:
  static WEFT_INLINE Vec load_partial_or_whole(const float* p, int n) { return n == width ? load(p) : load_partial(p, n); }
  int64_t padded() const { return (n_ + 15) / 16 * 16; }
  /** Whether the output's scale is part of the factors. */
  bool folded() const { return bool(output_) && (activation_ == Activation::linear || activation_ == Activation::relu); }

  View scale_, bias_, factors_;
  int64_t n_ = 0;
  QuantizedRange input_, output_;
  Activation activation_ = Activation::linear;
};

}  // namespace weft::cpu::WEFT_ISA
