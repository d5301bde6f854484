// What a library of kernels outside the addon includes, once, together with its KERNEL(...) definitions. Compile it
// with native/kernel.cc into a shared library and bring it in with loadKernels(path).
#pragma once
#include <cstddef>
#include <string>

#include "device.h"
#include "kernel.h"

namespace weft {

constexpr uint32_t kernel_library_version = 4;

/** Changes when the memory layout of what crosses the seam does. */
constexpr uint64_t kernel_layout() {
  uint64_t hash = 1469598103934665603ull;
  for (uint64_t part : {sizeof(View), sizeof(Frame), sizeof(Fault), sizeof(Attrs), sizeof(Call), sizeof(Step), sizeof(std::string),
                        sizeof(Registry), sizeof(DeviceFacts), size_t(__GXX_ABI_VERSION)})
    hash = (hash ^ part) * 1099511628211ull;
  return hash;
}

/** Signature of `weft_kernels`: gives its kernels to the host's registry; returns null, or why it refuses. */
using KernelLibrary = const char* (*)(Registry* host, uint32_t version, uint64_t layout);

}  // namespace weft

/** Put WEFT_KERNEL_LIBRARY once into the library. */
#define WEFT_KERNEL_LIBRARY                                                                                                               \
  extern "C" __attribute__((visibility("default"))) const char* weft_kernels(::weft::Registry* host, uint32_t version, uint64_t layout) { \
    if (version != ::weft::kernel_library_version) return "it was built for another version of weftjs";                                   \
    if (layout != ::weft::kernel_layout()) return "it was built with another compiler or other headers";                                  \
    ::weft::registry().give_to(*host);                                                                                                    \
    return nullptr;                                                                                                                       \
  }
