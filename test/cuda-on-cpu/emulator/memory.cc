// The CUDA runtime's memory functions. Device memory is memory of the process, each allocation of exactly the bytes
// asked for.
#include <cstdlib>

#include "runtime.h"
#include "sanitizer.h"

namespace emulator {

namespace {
std::map<const char*, size_t> memory;       // device memory by address
std::map<const char*, size_t> host_memory;  // page-locked
size_t allocated;

cudaError_t allocate(std::map<const char*, size_t>& registry, void** to, size_t bytes) {
  *to = nullptr;
  if (bytes == 0) return cudaSuccess;
  void* p = nullptr;
  if (posix_memalign(&p, 256, bytes) != 0) return cudaErrorMemoryAllocation;
  memset(p, 0xff, bytes);
  registry[static_cast<const char*>(p)] = bytes;
  *to = p;
  return cudaSuccess;
}

bool lies_in(const std::map<const char*, size_t>& registry, const void* p) {
  const auto next = registry.upper_bound(static_cast<const char*>(p));
  return next != registry.begin() && static_cast<const char*>(p) < std::prev(next)->first + std::prev(next)->second;
}
/**
 * Memory of the process that the runtime does not know: it is read at the call, and written before the call returns.
 */
bool pageable(const void* p) { return !lies_in(memory, p) && !lies_in(host_memory, p); }

/** Whether a range that begins in device memory ends in the same allocation. */
bool within_allocation(const void* p, size_t bytes) {
  const char* at = static_cast<const char*>(p);
  auto next = memory.upper_bound(at);
  if (next == memory.begin()) return true;
  const auto& [begin, size] = *--next;
  return at >= begin + size || at + bytes <= begin + size;
}
}  // namespace

void forbid_access(const void* from, size_t bytes) {
  if (__asan_poison_memory_region) __asan_poison_memory_region(from, bytes);
}
void allow_access(const void* from, size_t bytes) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(from, bytes);
}

}  // namespace emulator

using namespace emulator;

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  ENTER;
  *total = settings().memory;
  *free = *total - std::min(*total, allocated);
  return result(cudaSuccess);
}
cudaError_t cudaMalloc(void** to, size_t bytes) {
  ENTER;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  if (const cudaError_t error = result(cudaSuccess); error != cudaSuccess) return error;
  if (bytes > settings().memory || allocated + bytes > settings().memory) return result(cudaErrorMemoryAllocation);
  const cudaError_t error = allocate(memory, to, bytes);
  if (error == cudaSuccess) allocated += bytes;
  return result(error);
}
cudaError_t cudaFree(void* p) {
  ENTER;
  if (!p) return result(cudaSuccess);
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  drain(nullptr);
  const auto found = memory.find(static_cast<const char*>(p));
  if (found == memory.end()) return result(cudaErrorInvalidValue);
  allocated -= found->second;
  allow_access(p, found->second);
  memory.erase(found);
  free(p);
  return result(cudaSuccess);
}
cudaError_t cudaHostAlloc(void** to, size_t bytes, unsigned) {
  ENTER;
  return result(allocate(host_memory, to, bytes));
}
cudaError_t cudaFreeHost(void* p) {
  ENTER;
  drain(nullptr);
  if (p && host_memory.erase(static_cast<const char*>(p)) == 0) return result(cudaErrorInvalidValue);
  free(p);
  return result(cudaSuccess);
}
cudaError_t cudaHostGetDevicePointer(void** device, void* host, unsigned) { return *device = host, cudaSuccess; }
cudaError_t cudaHostRegister(void*, size_t, unsigned) { return cudaSuccess; }
cudaError_t cudaHostUnregister(void*) { return cudaSuccess; }
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t stream) {
  ENTER;
  if (!within_allocation(to, bytes) || !within_allocation(from, bytes)) return result(cudaErrorInvalidValue);
  if (settings().lazy_streams && !(stream && stream->recording)) {
    if (pageable(from)) {
      const auto copy = std::make_shared<std::vector<char>>(static_cast<const char*>(from), static_cast<const char*>(from) + bytes);
      return submit(stream, [=] { memcpy(to, copy->data(), bytes); });
    }
    if (pageable(to)) drain(stream);
  }
  return submit(stream, [=] { memmove(to, from, bytes); });
}
cudaError_t cudaMemcpy(void* to, const void* from, size_t bytes, cudaMemcpyKind kind) {
  ENTER;
  if (forbidden_by_capture()) return result(cudaErrorStreamCaptureUnsupported);
  return cudaMemcpyAsync(to, from, bytes, kind, nullptr);
}
cudaError_t cudaMemsetAsync(void* to, int value, size_t bytes, cudaStream_t stream) {
  ENTER;
  if (!within_allocation(to, bytes)) return result(cudaErrorInvalidValue);
  return submit(stream, [=] { memset(to, value, bytes); });
}
cudaError_t cudaMemset(void* to, int value, size_t bytes) { return cudaMemsetAsync(to, value, bytes, nullptr); }
