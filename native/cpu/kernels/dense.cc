// dense: activation(x * w + b) in one pass over the output.
#include "bfloat16_products.h"
#include "matmul_grid.h"
#include "matmul_narrow.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

struct BindDense {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View x = call.in[0], w = call.in[1], bias = call.in[2], y = call.out[0];
    const int64_t m = x.dim(0), k = x.dim(1), n = w.dim(1);
    const Activation activation = activation_named(call.attrs.text("activation"));
    call.flops = 2.0 * double(y.size()) * double(k);
    if (m == 0 || n == 0) return [](const Frame&) {};
    if constexpr (has_pairs && sizeof(T) == 4)
      if (rounds_operands(call)) return bind_rounded(call, {x, w, y, bias, m, n, k, false, false, {0}, {0}, activation});
    if constexpr (sizeof(T) == 4) {
      if (fits_narrow(n, k)) {
        const NarrowGrid grid(call, m, n, k);
        return [=](const Frame& frame) {
          grid.run(frame, {frame.at<const T>(x), frame.at<const T>(w), frame.at<const T>(bias), frame.at<T>(y), m, n, k, activation});
        };
      }
    }
    const ProductGrid<T> grid(call, m, n, k, 1, k);
    return [=](const Frame& frame) {
      Product<T> p{};
      p.a = {frame.at<const T>(x), k, 1};
      p.b = {frame.at<const T>(w), n, 1};
      p.c = frame.at<T>(y);
      p.c_row = n;
      p.bias = frame.at<const T>(bias);
      p.activation = activation;
      grid.run(frame, p);
    };
  }
};

KERNEL(cpu, dense) { return bind_float(call, call.out[0].dtype, BindDense()); }

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
