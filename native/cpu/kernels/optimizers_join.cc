// An optimizer and the products that make its gradients, bound as one.
#include "optimizers.h"

namespace weft::cpu::WEFT_ISA {

WEFT_BINDER MadeGradients::MadeGradients(Call& call) : inputs(call.in.size()) {
  if (!call.attrs.has("products")) return;
  const std::vector<double>& products = call.attrs.numbers("products");
  const size_t first = 2, parameters = call.attrs.numbers("decay").size();
  inputs -= products.size();
  const size_t tensors = (inputs - first) / parameters;
  made_.resize(parameters);
  int64_t most = 0;
  for (size_t i = 0; i < products.size(); i++) {
    const size_t p = size_t(products[i]);
    Made& made = made_[p];
    made.a = call.in[first + p * tensors + 1], made.b = call.in[inputs + i];
    made.columns = made.b.dim(1);
    made.product = RowsOfProduct(call, made.a.dim(1), made.columns, made.a.dim(0));
    most = std::max(most, made.product.height() * made.columns);
  }
  rows_ = ThreadScratch(call, size_t(most) * sizeof(float));
}

void MadeGradients::prepare(const Frame& frame) const {
  for (const Made& made : made_)
    if (made.columns > 0) made.product.prepare(frame, frame.at<float>(made.b));
}

const void* MadeGradients::make(const Frame& frame, int thread, size_t parameter, int64_t begin, int64_t end) const {
  const Made& made = made_[parameter];
  float* rows = rows_.at<float>(frame, thread);
  made.product.compute(frame, thread, frame.at<float>(made.a), frame.at<float>(made.b), begin / made.columns, end / made.columns, rows);
  return rows;
}

WEFT_BINDER Step join_gradients(const Neighbours& neighbours, Call& joined, std::vector<const Call*>& taken, Bind bind) {
  const Call& call = *neighbours.call;
  const size_t parameters = call.attrs.numbers("decay").size(), first = 2;
  if (parameters == 0 || rounds_operands(call)) return {};
  const size_t tensors = (call.in.size() - first) / parameters;
  std::vector<double> products;
  joined.in = call.in;
  for (size_t p = 0; p < parameters; p++) {
    const size_t gradient = first + p * tensors + 1;
    const Call* maker = neighbours.makers[gradient];
    if (maker == nullptr || maker->op != "matMul") continue;
    const View &a = maker->in[0], &b = maker->in[1], &c = maker->out[0];
    if (c.dtype != DType::float32 || a.rank() != 2 || b.rank() != 2 || c.dims != call.in[gradient].dims) continue;
    if (!maker->attrs.flag("transposeA") || maker->attrs.flag("transposeB")) continue;
    if (!RowsOfProduct::fits(a.dim(1), b.dim(1), a.dim(0))) continue;
    joined.in[gradient] = a;
    joined.in.push_back(b);
    joined.flops += 2.0 * double(c.size()) * double(a.dim(0));
    products.push_back(double(p));
    taken.push_back(maker);
  }
  if (products.empty()) return {};
  joined.op = call.op + "+products";
  joined.attrs = call.attrs;
  joined.attrs.set("products", std::move(products));
  joined.out = call.out;
  return bind(joined);
}

}  // namespace weft::cpu::WEFT_ISA
