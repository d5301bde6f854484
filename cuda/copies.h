// Many copies within the device's memory in one launch.
#pragma once
#include <vector>

#include "device.h"
#include "launch.h"

namespace weft::cuda {

/** Enqueues the copies; they do nothing when `guard` (of the device, or null) holds a fault by then. */
void copy_all(cudaStream_t stream, const std::vector<Copy>& copies, const Fault* guard);

}  // namespace weft::cuda
