// The CUDA library's entry: gives its kernels and the devices that can be used to the addon, and says why others
// cannot.
#include <cstdlib>
#include <cstring>

#include "architectures.h"
#include "cuda_device.h"
#include "fuse.h"
#include "kernel_library.h"
#include "nccl_world.h"

namespace weft::cuda {
namespace {

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

/** Why there is no device at all, in words a user can act on. */
std::string problem_of(cudaError_t status, int driver, int runtime) {
  if (driver == 0) return "no NVIDIA driver was found (libcuda.so.1 is missing)";
  if (status == cudaErrorInsufficientDriver)
    return "the NVIDIA driver is too old: it supports CUDA " + version(driver) + ", this build needs " + version(runtime);
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  if (visible != nullptr && std::strlen(visible) < 3)
    return std::string("no CUDA device is visible: CUDA_VISIBLE_DEVICES is '") + visible + "'";
  if (status == cudaErrorNoDevice) return "no CUDA device was found";
  return std::string("CUDA cannot be used: ") + cudaGetErrorString(status);
}

void find_devices(Registry& host) {
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  host.notes.emplace_back("runtime", version(runtime));
  host.notes.emplace_back("architectures", architectures());
  if (driver > 0) host.notes.emplace_back("driver", version(driver));
#ifdef WEFT_EMULATED
  host.notes.emplace_back("emulated", "CUDA kernels are executed on the CPU");
#endif
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess || count == 0) {
    host.notes.emplace_back("problem", problem_of(status, driver, runtime));
    return;
  }
  std::string rejected;
  for (int ordinal = 0; ordinal < count; ordinal++) {
    const std::string id = "cuda:" + std::to_string(ordinal);
    try {
      auto* device = new CudaDevice(ordinal);  // never destroyed: nothing of CUDA is touched while the process ends
      const int capability = device->target().capability;
      const std::string name = device->name() + " (compute capability " + version(capability * 100) + ")";
      if (capability < 75) rejected = id + ", " + name + ": 7.5 or later is needed";
      else if (code_for(capability) == 0) rejected = id + ", " + name + ": this build has no code for it, only for " + architectures();
      else {
        host.devices.push_back(device);
        host.notes.emplace_back("device", id);
        continue;
      }
      delete device;
    } catch (const Error& error) { rejected = id + ": " + error.what(); }
    host.notes.emplace_back("rejected", rejected);
  }
  std::vector<CudaDevice*> usable;
  for (Device* const device : host.devices) usable.push_back(static_cast<CudaDevice*>(device));
  make_nccl_world(std::move(usable));
  if (host.devices.empty()) host.notes.emplace_back("problem", "no CUDA device can be used: " + rejected);
}

}  // namespace
}  // namespace weft::cuda

extern "C" __attribute__((visibility("default"))) const char* weft_kernels(weft::Registry* host, uint32_t version, uint64_t layout) {
  if (version != weft::kernel_library_version) return "it was built for another version of weftjs";
  if (layout != weft::kernel_layout()) return "it was built with another compiler or other headers";
  weft::registry().define("cuda", weft::Chains{weft::cuda::fusible, weft::cuda::fuse});
  weft::registry().give_to(*host);
  weft::cuda::find_devices(*host);
  return nullptr;
}
