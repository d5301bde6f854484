// For libraries of kernels outside the addon. One file of such a library includes this one. Compile the library's
// KERNEL(...) definitions together with native/kernel.cc into a shared library, and open it with loadKernels(path).
#pragma once
#include <cstddef>
#include <cstring>
#include <string>

#include "device.h"
#include "kernel.h"

namespace weft {

constexpr uint32_t kernel_library_version = 5;

/** A number that changes with the memory layout of anything that the library and the addon hand to each other. */
inline uint64_t kernel_layout() {
  // the last of its virtual functions has another place where one before it is new or gone
  const auto last = &Device::place_of;
  uint64_t place[2];
  static_assert(sizeof last == sizeof place);
  std::memcpy(place, &last, sizeof place);
  uint64_t hash = 1469598103934665603ull;
  for (uint64_t part : {place[0], place[1], sizeof(View), sizeof(Frame), sizeof(Fault), sizeof(Attrs), sizeof(Call), sizeof(Step),
                        sizeof(std::string), sizeof(Registry), sizeof(DeviceFacts), size_t(__GXX_ABI_VERSION)})
    hash = (hash ^ part) * 1099511628211ull;
  return hash;
}

/** The type of `weft_kernels`, which gives the library's kernels to the host's registry. Returns null, or why not. */
using KernelLibrary = const char* (*)(Registry* host, uint32_t version, uint64_t layout);

}  // namespace weft

/** Defines `weft_kernels`. It stands once in the library. */
#define WEFT_KERNEL_LIBRARY                                                                                                               \
  extern "C" __attribute__((visibility("default"))) const char* weft_kernels(::weft::Registry* host, uint32_t version, uint64_t layout) { \
    if (version != ::weft::kernel_library_version) return "it was built for another version of weftjs";                                   \
    if (layout != ::weft::kernel_layout()) return "it was built with another compiler or other headers";                                  \
    ::weft::registry().give_to(*host);                                                                                                    \
    return nullptr;                                                                                                                       \
  }
