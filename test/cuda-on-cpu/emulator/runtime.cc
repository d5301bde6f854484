// The CUDA runtime's host functions: errors, devices, launches.
#include "runtime.h"

#include <cstdio>
#include <cstdlib>

#include "cuda.h"

namespace emulator {

void run(dim3 grid, dim3 block, size_t shared, unsigned cluster, bool resident, const std::function<void()>& thread);

std::recursive_mutex runtime_mutex;

namespace {
cudaError_t failure = cudaSuccess;  // of a kernel: the device is lost
thread_local cudaError_t last_error = cudaSuccess;
thread_local int device_of_thread = 0;
size_t launches = 0;

size_t environment_number(const char* name, size_t otherwise) {
  const char* text = getenv(name);
  return text && *text ? strtoull(text, nullptr, 10) : otherwise;
}

Settings read_settings() {
  Settings s;
  s.capability = int(environment_number("WEFT_EMULATED_CAPABILITY", 90));
  s.devices = int(environment_number("WEFT_EMULATED_DEVICES", 1));
  s.multiprocessors = int(environment_number("WEFT_EMULATED_MULTIPROCESSORS", 4));
  s.memory = environment_number("WEFT_EMULATED_MEMORY", s.memory);
  s.failure = environment_number("WEFT_EMULATED_FAILURE", 0);
  s.refusal = environment_number("WEFT_EMULATED_REFUSAL", 0);
  s.abort = environment_number("WEFT_EMULATED_ABORT", 0) != 0;
  const char* async = getenv("WEFT_EMULATED_ASYNC");
  s.eager = async && std::string(async) == "eager";
  const char* streams = getenv("WEFT_EMULATED_STREAMS");
  s.lazy_streams = streams && std::string(streams) == "lazy";
  const char* schedule = getenv("WEFT_EMULATED_SCHEDULE");
  const std::string order = schedule ? schedule : "forward";
  if (order == "backward") s.schedule = Schedule::backward;
  if (order.starts_with("random")) s.schedule = Schedule::random;
  if (order.starts_with("random:")) s.seed = strtoull(order.c_str() + 7, nullptr, 10);
  return s;
}

int threads_per_multiprocessor() {
  const int capability = settings().capability;
  return capability == 75 ? 1024 : capability == 86 || capability == 89 || capability == 120 ? 1536 : 2048;
}
size_t shared_per_multiprocessor() { return settings().shared_limit() + (settings().capability == 75 ? 0 : 1024); }

int blocks_per_multiprocessor(size_t threads, size_t shared) {
  const size_t by_threads = size_t(threads_per_multiprocessor()) / ((threads + 31) / 32 * 32),
               reserved = settings().capability == 75 ? 0 : 1024;
  return int(std::min({by_threads, shared_per_multiprocessor() / std::max<size_t>(shared + reserved, 1), size_t(32)}));
}

}  // namespace

cudaError_t result(cudaError_t error) {
  if (failure != cudaSuccess) error = failure;
  if (error != cudaSuccess) last_error = error;
  return error;
}
int current_device() { return device_of_thread; }

const Settings global_settings = read_settings();
size_t Settings::shared_limit() const {
  return capability == 75                                            ? 65536
         : capability == 80 || capability == 87                      ? 166912
         : capability == 86 || capability == 89 || capability == 120 ? 101376
                                                                     : 232448;
}

void record_failure(cudaError_t error) { failure = error; }

static int code = 0;
void set_code(int architecture) { code = architecture; }
void needs_code(int architecture) {
  if (code != 0 && code < architecture) fault("code for sm_%d is needed, and the kernels were compiled for sm_%d", architecture, code);
}

cudaError_t launch(Stream* stream, dim3 grid, dim3 block, size_t shared, unsigned cluster, bool resident, std::function<void()> thread) {
  ENTER;
  const uint64_t threads = uint64_t(block.x) * block.y * block.z, blocks = uint64_t(grid.x) * grid.y * grid.z;
  if (threads == 0 || threads > 1024 || block.x > 1024 || block.y > 1024 || block.z > 64) return result(cudaErrorInvalidConfiguration);
  if (blocks == 0 || grid.x > 0x7fffffffu || grid.y > 65535 || grid.z > 65535) return result(cudaErrorInvalidConfiguration);
  if (shared > settings().shared_limit()) return result(cudaErrorInvalidValue);
  if (cluster > 1 && (settings().capability < 90 || cluster > 16 || grid.x % cluster != 0)) return result(cudaErrorInvalidConfiguration);
  if (resident && blocks > uint64_t(settings().multiprocessors) * uint64_t(blocks_per_multiprocessor(threads, shared)))
    return result(cudaErrorCooperativeLaunchTooLarge);
  if (stream && stream->device != device_of_thread) return result(cudaErrorInvalidResourceHandle);
  if (settings().refusal != 0 && ++launches == settings().refusal) return result(cudaErrorMemoryAllocation);
  return submit(stream, [=] { run(grid, block, shared, cluster ? cluster : 1, resident, thread); });
}

}  // namespace emulator

using namespace emulator;

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
#define NAME(e) \
  case e: return #e;
    NAME(cudaSuccess)
    NAME(cudaErrorInvalidValue)
    NAME(cudaErrorMemoryAllocation)
    NAME(cudaErrorInvalidConfiguration)
    NAME(cudaErrorInvalidDevice)
    NAME(cudaErrorNoDevice)
    NAME(cudaErrorInvalidResourceHandle)
    NAME(cudaErrorNotReady)
    NAME(cudaErrorIllegalAddress)
    NAME(cudaErrorLaunchFailure)
    NAME(cudaErrorCooperativeLaunchTooLarge)
    NAME(cudaErrorNotSupported)
    NAME(cudaErrorStreamCaptureUnsupported)
    NAME(cudaErrorStreamCaptureInvalidated)
    NAME(cudaErrorIllegalState)
#undef NAME
    default: return "cudaErrorUnknown";
  }
}
const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidResourceHandle: return "invalid resource handle";
    case cudaErrorNotReady: return "device not ready";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    case cudaErrorCooperativeLaunchTooLarge: return "too many blocks in cooperative launch";
    case cudaErrorStreamCaptureUnsupported: return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated: return "operation failed due to a previous error during capture";
    default: return "unknown error";
  }
}
cudaError_t cudaPeekAtLastError() { return failure != cudaSuccess ? failure : last_error; }
cudaError_t cudaGetLastError() {
  const cudaError_t error = cudaPeekAtLastError();
  last_error = cudaSuccess;
  return error;
}

// ---- devices

cudaError_t cudaDriverGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaRuntimeGetVersion(int* version) { return *version = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* count) {
  *count = settings().devices;
  return *count > 0 ? cudaSuccess : result(cudaErrorNoDevice);
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= settings().devices) return result(cudaErrorInvalidDevice);
  *properties = {};
  cudaDeviceProp& p = *properties;
  snprintf(p.name, sizeof p.name, "emulated sm_%d", settings().capability);
  p.totalGlobalMem = settings().memory;
  p.sharedMemPerBlock = 48 << 10;
  p.sharedMemPerBlockOptin = settings().shared_limit();
  p.sharedMemPerMultiprocessor = shared_per_multiprocessor();
  p.totalConstMem = 64 << 10;
  p.major = settings().capability / 10;
  p.minor = settings().capability % 10;
  p.multiProcessorCount = settings().multiprocessors;
  p.warpSize = 32;
  p.maxThreadsPerBlock = 1024;
  p.maxThreadsPerMultiProcessor = threads_per_multiprocessor();
  p.maxBlocksPerMultiProcessor = 32;
  p.regsPerBlock = p.regsPerMultiprocessor = 65536;
  p.l2CacheSize = 50 << 20;
  p.memoryBusWidth = 512;
  p.cooperativeLaunch = p.canMapHostMemory = p.concurrentKernels = p.unifiedAddressing = 1;
  p.asyncEngineCount = 2;
  p.pciBusID = device + 1;
  p.uuid.bytes[15] = char(device + 1);
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device) {
  cudaDeviceProp p;
  if (const cudaError_t error = cudaGetDeviceProperties(&p, device); error != cudaSuccess) return error;
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock: *value = p.maxThreadsPerBlock; break;
    case cudaDevAttrClockRate: *value = 1000000; break;
    case cudaDevAttrMemoryClockRate: *value = 1000000; break;
    case cudaDevAttrMultiProcessorCount: *value = p.multiProcessorCount; break;
    case cudaDevAttrComputeCapabilityMajor: *value = p.major; break;
    case cudaDevAttrComputeCapabilityMinor: *value = p.minor; break;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin: *value = int(p.sharedMemPerBlockOptin); break;
    default: return result(cudaErrorInvalidValue);
  }
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= settings().devices) return result(cudaErrorInvalidDevice);
  device_of_thread = device;
  return result(cudaSuccess);
}
cudaError_t cudaGetDevice(int* device) { return *device = device_of_thread, cudaSuccess; }
cudaError_t cudaSetDeviceFlags(unsigned) { return cudaSuccess; }
cudaError_t cudaDeviceSynchronize() {
  ENTER;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  drain(nullptr);
  return result(cudaSuccess);
}
cudaError_t cudaDeviceReset() {
  ENTER;
  failure = cudaSuccess;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetPCIBusId(char* text, int length, int device) {
  snprintf(text, size_t(length), "0000:%02x:00.0", device + 1);
  return cudaSuccess;
}

// ---- kernels

cudaError_t cudaFuncSetAttribute(const void*, cudaFuncAttribute attribute, int value) {
  const bool valid = attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || size_t(value) <= settings().shared_limit();
  return result(valid ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, const void*, int threads, size_t shared) {
  *blocks = blocks_per_multiprocessor(size_t(threads), shared);
  return result(cudaSuccess);
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* status) {
  const bool known = std::string(symbol) == "cuTensorMapEncodeTiled";
  *function = known ? reinterpret_cast<void*>(cuTensorMapEncodeTiled) : nullptr;
  if (status) *status = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return result(known ? cudaSuccess : cudaErrorInvalidValue);
}
