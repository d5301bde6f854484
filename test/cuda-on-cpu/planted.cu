// Runs the kernels with planted mistakes, which planted.test.ts demands the emulation to find, and their correct
// versions.
// Usage: planted NAME correct|mistaken. Prints "right" or "wrong" for the result, or "failed" when the launch did.
#include <cstdio>
#include <string>

#include "planted_kernels.cuh"

namespace weft::cuda {
namespace {

struct Case {
  Frame frame{};
  template <class T> T* zeros(int n) {
    T* p = nullptr;
    check(cudaMalloc(&p, size_t(n) * sizeof(T)), "memory");
    memset(static_cast<void*>(p), 0, size_t(n) * sizeof(T));
    return p;
  }
  float* numbers(int n) {
    float* p = zeros<float>(n);
    for (int i = 0; i < n; i++) p[i] = float(i + 1);
    return p;
  }
};

/** Whether y is x with each run of `length` elements reversed. */
bool reversed(const float* x, const float* y, int n, int length) {
  for (int i = 0; i < n; i++)
    if (y[i] != x[i / length * length + length - 1 - i % length]) return false;
  return true;
}
bool equal(const float* x, const float* y, int n) { return memcmp(x, y, size_t(n) * 4) == 0; }

#define BOTH(kernel) (mistaken ? kernel<true> : kernel<false>)

/** A tensor map of rows of 32 floats, in boxes of 8 rows. */
CUtensorMap rows_of_32(float* x, unsigned rows) {
  CUtensorMap map;
  const cuuint64_t extent[] = {32, rows}, stride[] = {128};
  const cuuint32_t box[] = {32, 8}, step[] = {1, 1};
  cuTensorMapEncodeTiled(&map, CU_TENSOR_MAP_DATA_TYPE_FLOAT32, 2, x, extent, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
                         CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  return map;
}

bool run_copy_engine(Case& c, Left left) {
  constexpr int rounds = 5;
  float *x = c.numbers(rounds * 256), *y = c.zeros<float>(rounds * 256);
  const auto kernel = left == Left::nothing     ? copy_engine<Left::nothing>
                      : left == Left::full_wait ? copy_engine<Left::full_wait>
                                                : copy_engine<Left::empty_wait>;
  launch(c.frame, {.grid = 1, .block = threads + 32, .shared = 2048}, kernel, rows_of_32(x, 8 * rounds), y, rounds);
  return equal(x, y, rounds * 256);
}

bool run(const std::string& name, bool mistaken) {
  Case c;
  float *x = c.numbers(512), *y = c.zeros<float>(512);
  uint32_t* word = c.zeros<uint32_t>(1);
  const Frame& frame = c.frame;
  if (name == "barrier_left_out") {
    launch(frame, {.grid = 2, .block = threads}, BOTH(barrier_left_out), x, y);
    return reversed(x, y, 128, threads);
  }
  if (name == "barrier_left_out_before_reuse") {
    launch(frame, {.grid = 2, .block = threads}, BOTH(barrier_left_out_before_reuse), x, y);
    return reversed(x, y, 256, threads);
  }
  if (name == "warp_barrier_left_out") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(warp_barrier_left_out), x, y);
    return reversed(x, y, 64, 32);
  }
  if (name == "named_barrier_left_out") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(named_barrier_left_out), x, y);
    return equal(x, y + 32, 32);
  }
  if (name == "async_wait_left_out") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(async_wait_left_out), x, y);
    return reversed(x, y, 192, threads);
  }
  if (name == "global_memory_overrun") {
    launch(frame, {.grid = 9, .block = threads}, BOTH(global_memory_overrun), x, y, 512);
    return equal(x, y, 512);
  }
  if (name == "async_copy_overrun") {
    launch(frame, {.grid = 9, .block = threads}, BOTH(async_copy_overrun), x, y, 512);
    return equal(x, y, 512);
  }
  if (name == "shared_array_overrun") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(shared_array_overrun), x, y);
    return reversed(x, y, 64, threads);
  }
  if (name == "dynamic_shared_overrun") {
    launch(frame, {.grid = 1, .block = threads, .shared = 4 * threads}, BOTH(dynamic_shared_overrun), x, y);
    return reversed(x, y, 64, threads);
  }
  if (name == "shuffle_of_some_lanes") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(shuffle_of_some_lanes), x, y);
    return equal(x, y, threads);
  }
  if (name == "barrier_of_some_threads") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(barrier_of_some_threads), x, y);
    return equal(x, y, threads);
  }
  if (name == "flag_never_set") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(flag_never_set), x, y, word);
    return equal(x, y, threads);
  }
  if (name == "copies_under_way_at_the_end") {
    launch(frame, {.grid = 1, .block = threads}, BOTH(copies_under_way_at_the_end), x, y);
    return equal(x, y, threads);
  }
  if (name == "plain_addition") {
    launch(frame, {.grid = 8, .block = 32}, BOTH(plain_addition), word);
    return *word == 8;
  }
  if (name == "fence_left_out") {
    launch(frame, {.grid = 8, .block = 32}, BOTH(fence_left_out), x, y + 1, word, y);
    return *y == 36;
  }
  if (name == "grid_barrier_left_out") {
    launch(frame, {.grid = 4, .block = threads, .resident = true}, BOTH(grid_barrier_left_out), x, word);
    return x[256] == 3 * threads + 1;
  }
  if (name == "two_threads_write_one_element") {
    BFloat16* narrow = c.zeros<BFloat16>(threads);
    launch(frame, {.grid = 1, .block = threads}, BOTH(two_threads_write_one_element), x, narrow);
    return float(narrow[1]) == 2;
  }
  if (name == "full_wait_left_out") return run_copy_engine(c, mistaken ? Left::full_wait : Left::nothing);
  if (name == "empty_wait_left_out") return run_copy_engine(c, mistaken ? Left::empty_wait : Left::nothing);
  if (name == "cluster_barrier_left_out") {
    launch(frame, {.grid = 4, .block = 32, .cluster = 2}, BOTH(cluster_barrier_left_out), x, y);
    return equal(x, y + 32, 32) && equal(x + 32, y, 32);
  }
  if (name == "store_wait_left_out") {
    launch(frame, {.grid = 1, .block = threads, .shared = 1024}, BOTH(store_wait_left_out), rows_of_32(y, 8), x);
    return equal(x, y, 256);
  }
  if (name == "cluster_barrier_left_out_before_multicast") {
    const Shape shape{.grid = 2, .block = threads, .shared = 1024, .cluster = 2};
    launch(frame, shape, BOTH(cluster_barrier_left_out_before_multicast), rows_of_32(x, 8), y);
    return equal(x, y, 256) && equal(x, y + 256, 256);
  }
  if (name == "group_product_wait_left_out") {
    BFloat16* one = c.zeros<BFloat16>(1);
    *one = BFloat16(1.0f);
    float* d = c.zeros<float>(4096);
    launch(frame, {.grid = 1, .block = 128, .shared = 16384}, BOTH(group_product_wait_left_out), one, d);
    for (int i = 0; i < 4096; i++)
      if (d[i] != 16) return false;
    return true;
  }
  throw Error("ERR_ARGUMENT", "there is no kernel " + name);
}

}  // namespace
}  // namespace weft::cuda

int main(int count, char** argument) {
  if (count != 3) return fprintf(stderr, "usage: planted NAME correct|mistaken\n"), 2;
  try {
    puts(weft::cuda::run(argument[1], std::string(argument[2]) == "mistaken") ? "right" : "wrong");
  } catch (const weft::Error& error) { printf("failed: %s\n", error.what()); }
}
