// Random numbers: uniform, normal and truncated normal numbers, integers, coin flips. Their bits are equal at every
// instruction set.
#include <cmath>

#include "normal.h"
#include "philox.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {
namespace {

/**
 * low + u·(high - low). The span high - low is a float, so its product with u is exact in double. So it makes no
 * difference whether the compiler fuses the product with the sum.
 */
template <class T> WEFT_BINDER Step bind_uniform(Call& call) {
  const View state = call.in[0], out = call.out[0];
  const double low = call.attrs.number("low"), high = call.attrs.number("high"), span = double(float(high - low));
  const T last = std::nextafter(T(high), T(low));  // the largest result: rounding must not give `high`
  return [=](const Frame& frame) {
    T* y = frame.at<T>(out);
    for_words(Generator(frame.at<int32_t>(state)), out.size(), [=](int64_t first, const uint32_t* words, int n) {
      for (int i = 0; i < n; i++) {
        const T value = T(low + double(uniform(words[i])) * span);
        y[first + i] = value < last ? value : last;
      }
    });
  };
}

/** y = mean + deviation·z. The product is rounded before the sum. */
template <class T> void write_normals(const double* z, int n, double mean, double deviation, T* y) {
  for (int i = 0; i < n; i += double_lanes) {
    Doubles v;
    std::memcpy(&v, z + i, sizeof v);
    v = times(v, deviation) + mean;
    double value[double_lanes];
    std::memcpy(value, &v, sizeof v);
    for (int k = 0; k < double_lanes && i + k < n; k++) y[i + k] = T(value[k]);
  }
}

/** A normal number within 2 deviations. The element takes the words of one attempt after another until one fits. */
double redraw(const Generator& generator, int64_t element) {
  for (uint32_t attempt = 1;; attempt++) {
    uint32_t words[batch_words];
    double z[4];
    philox(generator, uint64_t(element / 4), attempt, words);
    normals(words, 4, z);
    if (std::fabs(z[element % 4]) <= 2) return z[element % 4];
  }
}

template <class T> WEFT_BINDER Step bind_normal(Call& call, bool truncated) {
  const View state = call.in[0], out = call.out[0];
  const double mean = call.attrs.number("mean"), deviation = call.attrs.number("deviation");
  return [=](const Frame& frame) {
    T* y = frame.at<T>(out);
    const Generator generator(frame.at<int32_t>(state));
    for_words(generator, out.size(), [=](int64_t first, const uint32_t* words, int n) {
      alignas(64) double z[batch_words];
      normals(words, batch_words, z);
      if (truncated)
        for (int i = 0; i < n; i++)
          if (std::fabs(z[i]) > 2) z[i] = redraw(generator, first + i);
      write_normals(z, n, mean, deviation, y + first);
    });
  };
}

}  // namespace

KERNEL(cpu, randomUniform) {
  return by_computed_float(call.out[0].dtype, [&]<class T>() { return bind_uniform<T>(call); });
}
KERNEL(cpu, randomNormal) {
  return by_any_float(call.out[0].dtype, [&]<class T>() -> Step { return bind_normal<T>(call, false); });
}
KERNEL(cpu, truncatedNormal) {
  return by_any_float(call.out[0].dtype, [&]<class T>() -> Step { return bind_normal<T>(call, true); });
}

/** low + the high half of word·(high - low). Every value of a range below 2^32 can occur. */
KERNEL(cpu, randomInteger) {
  const View state = call.in[0], out = call.out[0];
  const int64_t low = call.attrs.integer("low"), high = call.attrs.integer("high");
  const uint64_t range = high > low ? uint64_t(high - low) : 1;
  return [=](const Frame& frame) {
    int32_t* y = frame.at<int32_t>(out);
    for_words(Generator(frame.at<int32_t>(state)), out.size(), [=](int64_t first, const uint32_t* words, int n) {
      for (int i = 0; i < n; i++) y[first + i] = int32_t(low + int64_t((words[i] * range) >> 32));
    });
  };
}

KERNEL(cpu, bernoulli) {
  const View state = call.in[0], out = call.out[0];
  const double p = call.attrs.number("p");
  return [=](const Frame& frame) {
    uint8_t* y = frame.at<uint8_t>(out);
    for_words(Generator(frame.at<int32_t>(state)), out.size(), [=](int64_t first, const uint32_t* words, int n) {
      for (int i = 0; i < n; i++) y[first + i] = double(uniform(words[i])) < p;
    });
  };
}

}  // namespace weft::cpu::WEFT_ISA
