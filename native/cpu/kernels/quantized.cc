// quantize and dequantize: floats to steps of a scale and back, with one scale or one for each place along an axis.
#include "quantized.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/** Scales and zero points of `places` places along an axis; values of a place are `inner` neighbours. */
struct Places {
  View scale, zero, steps;
  int64_t places, inner, outer;

  WEFT_BINDER explicit Places(Call& call) : scale(call.in[1]), zero(call.in[2]) {
    const View& x = call.in[0];
    const int64_t axis = call.attrs.integer("axis");
    const bool single = scale.size() == 1 && zero.size() == 1;
    places = single ? 1 : x.dim(axis);
    inner = single ? x.size() : product(x.dims, size_t(axis) + 1);
    outer = single ? 1 : product(x.dims, 0, size_t(axis));
    steps = call.scratch(size_t(places) * (sizeof(float) + sizeof(int32_t)));
  }
  /** Repeats a single one for all places. */
  void prepare(const Frame& frame) const {
    float* scales = frame.at<float>(steps);
    int32_t* zeros = reinterpret_cast<int32_t*>(scales + places);
    for (int64_t i = 0; i < places; i++) {
      scales[i] = frame.at<const float>(scale)[scale.size() == 1 ? 0 : i];
      zeros[i] = frame.at<const int32_t>(zero)[zero.size() == 1 ? 0 : i];
    }
  }
  /** Calls f(first element, count up to `width`, scales, zero points) for all elements. */
  template <class F> void for_vectors(const Frame& frame, F&& f) const {
    const float* scales = frame.at<const float>(steps);
    const int32_t* zeros = reinterpret_cast<const int32_t*>(scales + places);
    constexpr int64_t grain = 1 << 15;
    if (inner == 1) {
      parallel_range(outer, std::max<int64_t>(1, grain / std::max<int64_t>(1, places)), [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; row++)
          for (int64_t j = 0; j < places; j += width) {
            const int used = int(std::min<int64_t>(width, places - j));
            Vec s{};
            IVec z{};
            std::memcpy(&s, scales + j, size_t(used) * sizeof(float));
            std::memcpy(&z, zeros + j, size_t(used) * sizeof(int32_t));
            f(row * places + j, used, s, z);
          }
      });
      return;
    }
    parallel_range(outer * places * inner, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end;) {
        const int64_t place = i / inner, stop = std::min(end, (place + 1) * inner);
        const Vec s = broadcast(scales[place % places]);
        const IVec z = broadcast_integer(zeros[place % places]);
        for (; i < stop; i += width) f(i, int(std::min<int64_t>(width, stop - i)), s, z);
        i = stop;
      }
    });
  }
};

/** The integers of n <= width elements. */
template <class T> WEFT_INLINE IVec load_integers(const T* p, int n) {
  if constexpr (sizeof(T) == 4) {
    IVec v{};
    std::memcpy(&v, p, size_t(n) * sizeof(T));
    return v;
  } else {
    const uint8_t* bytes = reinterpret_cast<const uint8_t*>(p);
    const IVec v = to_integer(n == width ? load_bytes(bytes) : load_bytes_partial(bytes, n));
    if constexpr (std::is_signed_v<T>) return (v << 24) >> 24;
    else return v;
  }
}

KERNEL(cpu, quantize) {
  const View x = call.in[0], q = call.out[0];
  const Places places(call);
  const float low = q.dtype == DType::uint8 ? 0.0f : -128.0f, high = low + 255.0f;
  return [=](const Frame& frame) {
    const float* from = frame.at<const float>(x);
    uint8_t* to = frame.at<uint8_t>(q);
    places.prepare(frame);
    places.for_vectors(frame, [&](int64_t i, int n, Vec scale, IVec zeros) {
      const Vec v = n == width ? load(from + i) : load_partial(from + i, n), z = to_float(zeros);
      store_low_bytes(to + i, steps_of(v, scale, broadcast(low) - z, broadcast(high) - z) + zeros, n);
    });
  };
}

struct BindDequantize {
  template <class T> WEFT_BINDER Step operator()(Call& call) const {
    const View q = call.in[0], y = call.out[0];
    const Places places(call);
    return [=](const Frame& frame) {
      const T* from = frame.at<const T>(q);
      float* to = frame.at<float>(y);
      places.prepare(frame);
      places.for_vectors(frame, [&](int64_t i, int n, Vec scale, IVec zeros) {
        const Vec v = to_float(load_integers(from + i, n) - zeros) * scale;
        if (n == width) store(to + i, v);
        else store_partial(to + i, v, n);
      });
    };
  }
};

KERNEL(cpu, dequantize) {
  return dispatch<uint8_t, int8_t, int32_t>(call.in[0].dtype, [&]<class T>() { return BindDequantize().operator()<T>(call); });
}

}  // namespace
}  // namespace weft::cpu::WEFT_ISA
