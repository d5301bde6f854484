// What the memory of this GPU gives at most: bytes per second of reading, writing and copying, as one line of JSON. The
// goals of kernels that memory bounds are shares of these. Plain loops of 16-byte accesses over far more than the
// caches hold; the best of several grids, each the median of 15.
//   nvcc -O3 -std=c++17 -arch=native bandwidth.cu -o bandwidth && ./bandwidth
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

static void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", what, cudaGetErrorString(status));
  std::exit(1);
}

constexpr int unrolled = 8;

__global__ void fill(uint4* to, size_t n) {
  for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x) {
    const uint32_t x = uint32_t(i) * 2654435761u;
    to[i] = make_uint4(x, x ^ (x >> 15), x * 0x85ebca6bu, ~x);
  }
}

__global__ void read(const uint4* from, size_t n, uint32_t* never) {
  uint32_t sum = 0;
  const size_t stride = size_t(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += unrolled * stride) {
    uint4 values[unrolled];
#pragma unroll
    for (int j = 0; j < unrolled; j++) values[j] = i + j * stride < n ? __ldcs(from + i + j * stride) : make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int j = 0; j < unrolled; j++) sum += values[j].x ^ values[j].y ^ values[j].z ^ values[j].w;
  }
  if (sum == 0x9e3779b9u) *never = sum;  // keeps the loads
}

__global__ void write(uint4* to, size_t n, uint32_t value) {
  for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += size_t(gridDim.x) * blockDim.x)
    __stcs(to + i, make_uint4(value, uint32_t(i), value, ~value));
}

__global__ void copy(const uint4* from, uint4* to, size_t n) {
  const size_t stride = size_t(gridDim.x) * blockDim.x;
  for (size_t i = blockIdx.x * size_t(blockDim.x) + threadIdx.x; i < n; i += unrolled * stride) {
    uint4 values[unrolled];
#pragma unroll
    for (int j = 0; j < unrolled; j++)
      if (i + j * stride < n) values[j] = __ldcs(from + i + j * stride);
#pragma unroll
    for (int j = 0; j < unrolled; j++)
      if (i + j * stride < n) __stcs(to + i + j * stride, values[j]);
  }
}

/** Milliseconds of one launch: the median of 15 after 3. */
template <class Launch> float median(const Launch& launch) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "event");
  check(cudaEventCreate(&end), "event");
  std::vector<float> times;
  for (int round = 0; round < 18; round++) {
    check(cudaEventRecord(begin), "event");
    launch();
    check(cudaGetLastError(), "launch");
    check(cudaEventRecord(end), "event");
    check(cudaEventSynchronize(end), "kernel");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin, end), "event");
    if (round >= 3) times.push_back(milliseconds);
  }
  std::nth_element(times.begin(), times.begin() + 7, times.end());
  return times[7];
}

int main() {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, 0), "properties");
  const size_t bytes = std::min(size_t(4) << 30, properties.totalGlobalMem / 4) / 16 * 16, n = bytes / 16;
  uint4 *a = nullptr, *b = nullptr;
  uint32_t* never = nullptr;
  check(cudaMalloc(&a, bytes), "memory");
  check(cudaMalloc(&b, bytes), "memory");
  check(cudaMalloc(&never, 4), "memory");
  fill<<<1024, 256>>>(a, n);
  check(cudaDeviceSynchronize(), "fill");
  float reading = 1e9f, writing = 1e9f, copying = 1e9f;
  for (int blocks : {4, 8, 16, 64})
    for (int threads : {256, 512}) {
      const int grid = properties.multiProcessorCount * blocks;
      reading = std::min(reading, median([&] { read<<<grid, threads>>>(a, n, never); }));
      writing = std::min(writing, median([&] { write<<<grid, threads>>>(b, n, 7); }));
      copying = std::min(copying, median([&] { copy<<<grid, threads>>>(a, b, n); }));
    }
  copying = std::min(copying, median([&] { check(cudaMemcpyAsync(b, a, bytes, cudaMemcpyDeviceToDevice, nullptr), "copy"); }));
  std::printf("{\"read\": %.0f, \"write\": %.0f, \"copy\": %.0f}\n", double(bytes) / reading * 1e3, double(bytes) / writing * 1e3,
              2.0 * double(bytes) / copying * 1e3);
  return 0;
}
