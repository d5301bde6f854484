// launch: the one way to start a kernel, on a GPU and on its emulation alike. Binders and Steps include it; so do the
// kernels through vocabulary.cuh.
#pragma once
#include <cuda_runtime.h>

#include <type_traits>

#include "kernel.h"

namespace weft::cuda {

/**
 * Throws ERR_CUDA with the runtime's words, or ERR_OUT_OF_MEMORY where the device had no memory left for what the
 * runtime needs itself.
 */
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error that does not stay is not found again by a later call
  throw Error(status == cudaErrorMemoryAllocation ? "ERR_OUT_OF_MEMORY" : "ERR_CUDA",
              std::string(what) + ": " + cudaGetErrorString(status) + " (" + cudaGetErrorName(status) + ")");
}

inline cudaStream_t stream_of(const Frame& frame) { return static_cast<cudaStream_t>(frame.stream); }

/** The extent of a launch. */
struct Shape {
  dim3 grid, block;
  size_t shared = 0;      // bytes of dynamic shared memory
  unsigned cluster = 1;   // blocks per cluster along x (sm_90 and later)
  bool resident = false;  // all blocks run at once: for kernels whose blocks wait for each other
};

/** Starts `kernel` on the stream of the run. Empty grids start nothing. */
template <class... P> void launch(const Frame& frame, const Shape& shape, void (*kernel)(P...), std::type_identity_t<P>... arguments) {
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
#ifdef WEFT_EMULATED
  check(emulator::launch(stream_of(frame), shape.grid, shape.block, shape.shared, shape.cluster, shape.resident,
                         [=] { kernel(arguments...); }),
        "launch");
#else
  const void* function = reinterpret_cast<const void*>(kernel);
  if (shape.shared > 48 * 1024)
    check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, int(shape.shared)), "shared memory of a kernel");
  void* list[] = {const_cast<void*>(static_cast<const void*>(&arguments))..., nullptr};
  cudaLaunchAttribute attributes[2];
  cudaLaunchConfig_t config{};
  config.gridDim = shape.grid;
  config.blockDim = shape.block;
  config.dynamicSmemBytes = shape.shared;
  config.stream = stream_of(frame);
  config.attrs = attributes;
  if (shape.cluster > 1) {
    attributes[config.numAttrs].id = cudaLaunchAttributeClusterDimension;
    attributes[config.numAttrs].val.clusterDim = {shape.cluster, 1, 1};
    config.numAttrs++;
  }
  if (shape.resident) {
    attributes[config.numAttrs].id = cudaLaunchAttributeCooperative;
    attributes[config.numAttrs].val.cooperative = 1;
    config.numAttrs++;
  }
  check(cudaLaunchKernelExC(&config, function, list), "launch");
#endif
}

/** Sets bytes to zero, in the order of the stream. */
inline void clear(const Frame& frame, void* to, size_t bytes) {
  if (bytes > 0) check(cudaMemsetAsync(to, 0, bytes, stream_of(frame)), "clear");
}

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace weft::cuda
