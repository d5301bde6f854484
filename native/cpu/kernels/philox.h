// Philox4x32-10 (Salmon et al. 2011), several blocks at a time. docs/operations.md says which words an element uses.
#pragma once
#include <algorithm>

#include "pointwise.h"

namespace weft::cpu::WEFT_ISA {

struct Generator {
  uint32_t seed = 0, stream = 0, offset = 0;
  explicit Generator(const int32_t* state) : seed(uint32_t(state[0])), stream(uint32_t(state[1])), offset(uint32_t(state[2])) {}
};

constexpr int batch_blocks = 32, batch_words = batch_blocks * 4;

/** Writes the words of the blocks first, first + 1, ...: words[4 i + k] is word k of block first + i. */
inline void philox(const Generator& generator, uint64_t first, uint32_t attempt, uint32_t* words) {
  uint32_t a[batch_blocks], b[batch_blocks], c[batch_blocks], d[batch_blocks];
  for (int i = 0; i < batch_blocks; i++) {
    a[i] = uint32_t(first + uint64_t(i));
    b[i] = uint32_t((first + uint64_t(i)) >> 32);
    c[i] = generator.offset;
    d[i] = attempt;
  }
  uint32_t key0 = generator.seed, key1 = generator.stream;
  for (int round = 0; round < 10; round++) {
    for (int i = 0; i < batch_blocks; i++) {
      const uint64_t p = uint64_t(0xD2511F53u) * a[i], q = uint64_t(0xCD9E8D57u) * c[i];
      a[i] = uint32_t(q >> 32) ^ b[i] ^ key0;
      b[i] = uint32_t(q);
      c[i] = uint32_t(p >> 32) ^ d[i] ^ key1;
      d[i] = uint32_t(p);
    }
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  for (int i = 0; i < batch_blocks; i++) {
    words[4 * i] = a[i];
    words[4 * i + 1] = b[i];
    words[4 * i + 2] = c[i];
    words[4 * i + 3] = d[i];
  }
}

/** The uniform number in [0, 1) that a word stands for. A float holds it exactly. */
WEFT_INLINE float uniform(uint32_t word) { return float(int32_t(word >> 8)) * 0x1p-24f; }

/** Calls f(i, words, n) for batch after batch of elements: the n elements from i on, and the word of each. */
template <class F> void for_words(const Generator& generator, int64_t elements, F&& f) {
  parallel_range((elements + batch_words - 1) / batch_words, function_grain * 2 / batch_words, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[batch_words];
    for (int64_t batch = begin; batch < end; batch++) {
      philox(generator, uint64_t(batch) * batch_blocks, 0, words);
      f(batch * batch_words, words, int(std::min<int64_t>(batch_words, elements - batch * batch_words)));
    }
  });
}

}  // namespace weft::cpu::WEFT_ISA
