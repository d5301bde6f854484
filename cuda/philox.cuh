// Philox4x32-10 (Salmon et al. 2011): four random words from a key and a counter. See docs/operations.md for how
// elements use them.
#pragma once
#include "strided.cuh"

namespace weft::cuda {

struct Words {
  uint32_t at[4];
};

/** The words of elements 4·block to 4·block + 3; state: seed, stream, offset. */
__device__ __forceinline__ Words philox(const int32_t* state, uint64_t block, uint32_t attempt) {
  uint32_t a = uint32_t(block), b = uint32_t(block >> 32), c = uint32_t(state[2]), d = attempt;
  uint32_t key0 = uint32_t(state[0]), key1 = uint32_t(state[1]);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint32_t high_a = __umulhi(0xD2511F53u, a), low_a = 0xD2511F53u * a, high_c = __umulhi(0xCD9E8D57u, c), low_c = 0xCD9E8D57u * c;
    a = high_c ^ b ^ key0;
    b = low_c;
    c = high_a ^ d ^ key1;
    d = low_a;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{a, b, c, d}};
}

/** The uniform number in [0, 1) of a word; exact in float. */
__device__ __forceinline__ float uniform(uint32_t word) { return float(int32_t(word >> 8)) * 0x1p-24f; }

/** The least k for which k·2^-24 >= bound, so that uniform numbers are compared with it as integers. */
inline uint32_t uniform_bound(double bound) { return uint32_t(std::ceil(std::clamp(bound, 0.0, 1.0) * 0x1p24)); }

/**
 * Launches a kernel with one thread per four elements; the first parameters of the kernel are the state and the number
 * of elements.
 */
template <class... P, class... A>
void launch_words(const Frame& frame, const View& state, int64_t n, void (*kernel)(const int32_t*, int64_t, P...), A... arguments) {
  const int64_t threads = divide_up(n, 4);
  const unsigned block = block_for(threads);
  launch(frame, {.grid = dim3(unsigned(divide_up(threads, block))), .block = dim3(block)}, kernel, frame.at<int32_t>(state), n,
         arguments...);
}

}  // namespace weft::cuda
