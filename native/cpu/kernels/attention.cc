// attention and its gradient. float32 is computed in blocks, or as one stream of keys where queries are few. 16-bit
// floats are widened to float32. float64 is computed row by row.
#include "attention_backward.h"
#include "attention_few.h"
#include "attention_forward.h"
#include "attention_rows.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

template <class Forward> WEFT_BINDER Step bind_forward(Call& call, const AttentionShape& shape) {
  const View q = call.in[0], k = call.in[1], v = call.in[2], y = call.out[0], log_sum = call.out[1];
  const Forward forward(call, shape);
  call.flops = shape.flops(shape.d + shape.dv);
  return [=](const Frame& frame) {
    forward(frame, frame.at<float>(q), frame.at<float>(k), frame.at<float>(v), y.used() ? frame.at<float>(y) : nullptr,
            log_sum.used() ? frame.at<float>(log_sum) : nullptr);
  };
}

WEFT_BINDER Step bind_blocks(Call& call) {
  const AttentionShape shape(call, 0, 3);
  if (shape.tq < AttentionFew::enough) return bind_forward<AttentionFew>(call, shape);
  return bind_forward<AttentionForward>(call, shape);
}

WEFT_BINDER Step bind_block_gradients(Call& call) {
  const std::vector<View> in = call.in, out = call.out;
  const AttentionShape shape(call, 1, 6);
  call.flops = shape.flops(3 * shape.d + 2 * shape.dv);
  const AttentionBackward backward(call, shape, out[1].used(), out[2].used());
  return [=](const Frame& frame) {
    auto operand = [&](size_t i) { return frame.at<const float>(in[i]); };
    auto result = [&](size_t i) { return out[i].used() ? frame.at<float>(out[i]) : nullptr; };
    backward(frame, {operand(0), operand(1), operand(2), operand(3), operand(4), operand(5), result(0), result(1), result(2)});
  };
}

WEFT_BINDER Step bind_rows(Call& call) {
  const View q = call.in[0], k = call.in[1], v = call.in[2], y = call.out[0], log_sum = call.out[1];
  const AttentionShape shape(call, 0, 3);
  call.flops = shape.flops(shape.d + shape.dv);
  const AttentionRows rows(call, shape);
  const View spare = y.used() ? y : call.scratch(y.bytes());
  return [=](const Frame& frame) {
    rows.forward(frame, frame.at<double>(q), frame.at<double>(k), frame.at<double>(v), frame.at<double>(spare),
                 log_sum.used() ? frame.at<double>(log_sum) : nullptr);
  };
}

WEFT_BINDER Step bind_row_gradients(Call& call) {
  const std::vector<View> in = call.in, out = call.out;
  const AttentionShape shape(call, 1, 6);
  call.flops = shape.flops(3 * shape.d + 2 * shape.dv);
  const AttentionRows rows(call, shape);
  return [=](const Frame& frame) {
    auto operand = [&](size_t i) { return frame.at<const double>(in[i]); };
    auto result = [&](size_t i) { return out[i].used() ? frame.at<double>(out[i]) : nullptr; };
    rows.backward(frame, {operand(0), operand(1), operand(2), operand(3), operand(4), operand(5)}, result(0), result(1), result(2));
  };
}

struct BindForward {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    if constexpr (sizeof(T) == 8) return bind_rows(call);
    else return bind_blocks(call);
  }
};
struct BindGradient {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    if constexpr (sizeof(T) == 8) return bind_row_gradients(call);
    else return bind_block_gradients(call);
  }
};

}  // namespace

KERNEL(cpu, attention) { return bind_float(call, call.in[0].dtype, BindForward()); }
KERNEL(cpu, attentionGrad) { return bind_float(call, call.in[1].dtype, BindGradient()); }

}  // namespace weft::cpu::WEFT_ISA
