// rotary: turns pairs of elements of each head by an angle of their position (Su et al. 2021). x [b, t, h, d], cos and
// sin [t, d / 2]. A thread turns four neighbouring pairs, or one where the extents do not allow that, in any of the
// float dtypes.
#include "storage.cuh"
#include "strided.cuh"

namespace weft::cuda {
namespace {

struct Turn {
  const void *x, *cos, *sin;
  void* y;
  Kind kind;            // of all four
  Divider half, heads;  // threads of a head, and heads
  int64_t rows, times;  // b · t · h, and t
  int32_t pairs;        // of a head
};

/** The heads [b · t · h] from `first` on; `count` pairs per thread, 4 or 1. */
template <int count, bool interleaved> __global__ void __launch_bounds__(256) turn_pairs(Turn turn, int64_t first, uint32_t threads) {
  uint32_t place = blockIdx.x * blockDim.x + threadIdx.x;
  if (place >= threads) return;
  const uint32_t local = turn.half.split(place);  // the head of the launch; `place` is the thread's in it
  const int64_t row = first + local, pair = int64_t(place) * count;
  const int64_t time = (row < most_elements ? int64_t(turn.heads.divide(uint32_t(row))) : row / turn.heads.divisor) % turn.times;
  const int64_t angle = time * turn.pairs + pair, at = row * 2 * turn.pairs;
  Raw<float> raw[4];
  float c[count], s[count], a[count], b[count];
  if constexpr (count == 4) {
    const int64_t left = at + (interleaved ? 2 * pair : pair), right = interleaved ? left + 4 : left + turn.pairs;
    raw[0].fetch(turn.cos, angle, turn.kind);
    raw[1].fetch(turn.sin, angle, turn.kind);
    raw[2].fetch(turn.x, left, turn.kind);
    raw[3].fetch(turn.x, right, turn.kind);
    raw[0].four(c, turn.kind);
    raw[1].four(s, turn.kind);
    float l[4], r[4];
    raw[2].four(l, turn.kind);
    raw[3].four(r, turn.kind);
#pragma unroll
    for (int e = 0; e < 4; e++) {
      a[e] = !interleaved ? l[e] : e < 2 ? l[2 * e] : r[2 * e - 4];
      b[e] = !interleaved ? r[e] : e < 2 ? l[2 * e + 1] : r[2 * e - 3];
    }
    float first_out[4], second_out[4];
#pragma unroll
    for (int e = 0; e < 4; e++) {
      const float u = a[e] * c[e] - b[e] * s[e], v = b[e] * c[e] + a[e] * s[e];
      if constexpr (interleaved) {
        (e < 2 ? first_out : second_out)[2 * e % 4] = u;
        (e < 2 ? first_out : second_out)[2 * e % 4 + 1] = v;
      } else {
        first_out[e] = u;
        second_out[e] = v;
      }
    }
    put_four(turn.y, left, first_out, turn.kind);
    put_four(turn.y, right, second_out, turn.kind);
  } else {
    const int64_t left = at + (interleaved ? 2 * pair : pair), right = interleaved ? left + 1 : left + turn.pairs;
    raw[0].fetch_one(turn.cos, angle, turn.kind);
    raw[1].fetch_one(turn.sin, angle, turn.kind);
    raw[2].fetch_one(turn.x, left, turn.kind);
    raw[3].fetch_one(turn.x, right, turn.kind);
    c[0] = raw[0].one(turn.kind), s[0] = raw[1].one(turn.kind);
    a[0] = raw[2].one(turn.kind), b[0] = raw[3].one(turn.kind);
    put_one(turn.y, left, a[0] * c[0] - b[0] * s[0], turn.kind);
    put_one(turn.y, right, b[0] * c[0] + a[0] * s[0], turn.kind);
  }
}

KERNEL(cuda, rotary) {
  const View x = call.in[0], cos = call.in[1], sin = call.in[2], y = call.out[0];
  const bool interleaved = call.attrs.flag("interleaved");
  require(is_float(x.dtype), "ERR_DTYPE", "rotary: ", name_of(x.dtype), " is not supported");
  require(cos.dtype == x.dtype && sin.dtype == x.dtype, "ERR_DTYPE", "rotary: x, cos and sin are of several dtypes");
  const int64_t pairs = x.dim(-1) / 2, heads = x.dim(-2), times = x.dim(-3), rows = pairs == 0 ? 0 : x.size() / (2 * pairs);
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    if (rows == 0) return;
    const int count = pairs % 4 == 0 ? 4 : 1;
    const int64_t per_head = pairs / count, most = most_elements / per_head;
    const Turn turn{frame.at<void>(x),
                    frame.at<void>(cos),
                    frame.at<void>(sin),
                    frame.at<void>(y),
                    kind_of(x.dtype),
                    Divider(per_head),
                    Divider(heads),
                    rows,
                    times,
                    int32_t(pairs)};
    for (int64_t first = 0; first < rows; first += most) {
      const int64_t threads = std::min(most, rows - first) * per_head;
      const unsigned block = block_for(threads);
      const Shape shape{.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)};
      const auto run = [&](auto kernel) { launch(frame, shape, kernel, turn, first, uint32_t(threads)); };
      if (count == 4) run(interleaved ? turn_pairs<4, true> : turn_pairs<4, false>);
      else run(interleaved ? turn_pairs<1, true> : turn_pairs<1, false>);
    }
  };
}

}  // namespace
}  // namespace weft::cuda
