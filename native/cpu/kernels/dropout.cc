// dropout: elements whose uniform number is below the rate become 0, the others are scaled by 1 / (1 - rate).
#include "philox.h"
#include "widened.h"

namespace weft::cpu::WEFT_ISA {

template <class T> WEFT_BINDER static Step bind_dropout(Call& call) {
  const View x = call.in[0], state = call.in[1], out = call.out[0];
  const double rate = call.attrs.number("rate");
  const T scale = T(1 / (1 - rate));
  const float bound = float(rate) < rate ? std::nextafter(float(rate), 2.0f) : float(rate);  // u >= rate, for u in float
  call.in_place(0, 0);
  return [=](const Frame& frame) {
    const T* from = frame.at<T>(x);
    T* to = frame.at<T>(out);
    for_words(Generator(frame.at<int32_t>(state)), out.size(), [=](int64_t first, const uint32_t* words, int n) {
      const T* p = from + first;
      T* q = to + first;
      WEFT_INDEPENDENT
      for (int i = 0; i < n; i++) {
        const T scaled = p[i] * scale;
        q[i] = uniform(words[i]) >= bound ? scaled : T(0);
      }
    });
  };
}

KERNEL(cpu, dropout) {
  return bind_float(call, call.in[0].dtype, []<class T>(Call& of) { return bind_dropout<T>(of); });
}

}  // namespace weft::cpu::WEFT_ISA
