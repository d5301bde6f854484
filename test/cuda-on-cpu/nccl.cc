// A twin of the part of NCCL that Weft uses, for machines without a GPU, under NCCL's names: the CUDA library opens it
// as it opens NCCL. Ranks are processes of one host (nccl_exchange.h); the work goes to the emulated CUDA streams, so
// it is recorded, replayed and put off as kernels are. It is stricter than NCCL: where ranks ask for another operation,
// size or type, or one has recorded what another has not, NCCL hangs or corrupts, and this reports an error.
// What fails never ends, as with NCCL, until the communicator is aborted.
//
// Environment: WEFT_EMULATED_NCCL_FAILURE (n: the n-th operation of a process fails), WEFT_EMULATED_NCCL_TIMEOUT
// (milliseconds until a rank gives up; default 20,000), WEFT_EMULATED_NCCL_ABORT ('stuck': an abort never returns),
// WEFT_EMULATED_NCCL_VERSION (22901: the version that it says).
#include "nccl_exchange.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "cuda_runtime.h"
#include "dtype.h"

using nccl_twin::Communicator;
using nccl_twin::Transfer;

namespace {

enum Result { success, unhandled_cuda_error, system_error, internal_error, invalid_argument, invalid_usage, remote_error };
constexpr size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2};
constexpr const char* type_names[] = {"int8", "uint8", "int32", "uint32", "int64", "uint64", "float16", "float32", "float64", "bfloat16"};
constexpr const char* operation_names[] = {"sum", "prod", "max", "min"};

struct Id {
  char internal[128];
};

/** What a caller holds. */
struct Handle {
  std::shared_ptr<Communicator> communicator;
};

/** Copies of recorded work hold it too: as long as one is there, so is a graph that refers to the communicator. */
struct Recorded {
  std::shared_ptr<Communicator> communicator;
};
std::mutex recorded_mutex;
std::map<Communicator*, std::weak_ptr<Recorded>> recorded;

int enqueue(Handle* handle, cudaStream_t stream, std::string what, std::function<void(Communicator&, const std::string&)> work) {
  const auto& communicator = handle->communicator;
  if (communicator->aborted) return invalid_usage;
  std::shared_ptr<Recorded> reference;
  if (emulator::recorded_of_library(stream)) {
    what += ", recorded";
    std::lock_guard lock(recorded_mutex);
    auto& known = recorded[communicator.get()];
    if ((reference = known.lock()) == nullptr) known = reference = std::make_shared<Recorded>(Recorded{communicator});
  }
  const cudaError_t error = emulator::enqueue_of_library(stream, [communicator, reference, what, work] { work(*communicator, what); });
  return error == cudaSuccess ? success : unhandled_cuda_error;
}

template <class T> void combine(void* sum, const void* other, size_t count, int operation) {
  T* a = static_cast<T*>(sum);
  const T* b = static_cast<const T*>(other);
  for (size_t i = 0; i < count; i++) {
    using C = std::conditional_t<std::is_arithmetic_v<T>, T, float>;
    const C x = C(a[i]), y = C(b[i]);
    a[i] = T(operation == 0 ? C(x + y) : operation == 2 ? std::max(x, y) : std::min(x, y));
  }
}

Communicator::Add adding(int type, int operation) {
  return [=](void* sum, const void* other, size_t count) {
    switch (type) {
      case 0: return combine<int8_t>(sum, other, count, operation);
      case 1: return combine<uint8_t>(sum, other, count, operation);
      case 2: return combine<int32_t>(sum, other, count, operation);
      case 4: return combine<int64_t>(sum, other, count, operation);
      case 6: return combine<weft::Float16>(sum, other, count, operation);
      case 7: return combine<float>(sum, other, count, operation);
      case 8: return combine<double>(sum, other, count, operation);
      default: return combine<weft::BFloat16>(sum, other, count, operation);
    }
  };
}

bool known(int type, int operation) {
  return type >= 0 && type < 10 && type != 3 && type != 5 && (operation == 0 || operation == 2 || operation == 3);
}

std::string words(const char* what, size_t count, int type, const std::string& detail = "") {
  return std::string(what) + " of " + std::to_string(count) + " " + type_names[type] + detail;
}

/** The sends and receives of the group that this thread is in. */
struct Group {
  int depth = 0;
  Handle* handle = nullptr;
  cudaStream_t stream = nullptr;
  std::vector<Transfer> sends, receives;
};
thread_local Group group;

int flush() {
  Group whole = std::exchange(group, {});
  if (whole.handle == nullptr) return success;
  return enqueue(whole.handle, whole.stream, "sends and receives",
                 [=](Communicator& communicator, const std::string& what) { communicator.exchange(what, whole.sends, whole.receives); });
}

int transfer(std::vector<Transfer> Group::*list, const void* memory, size_t count, int type, int peer, Handle* handle,
             cudaStream_t stream) {
  if (type < 0 || type >= 10 || peer < 0 || peer >= handle->communicator->size) return invalid_argument;
  if (group.handle != nullptr && (group.handle != handle || group.stream != stream)) return invalid_usage;
  group.handle = handle, group.stream = stream;
  (group.*list).push_back({static_cast<char*>(const_cast<void*>(memory)), count * sizes[type], peer});
  return group.depth > 0 ? int(success) : flush();
}

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

EXPORT int ncclGetVersion(int* version) {
  const char* const given = getenv("WEFT_EMULATED_NCCL_VERSION");
  *version = given == nullptr ? 22900 : atoi(given);
  return success;
}
EXPORT int ncclGetUniqueId(Id* id) {
  static std::atomic<int> made{0};
  *id = {};
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  snprintf(id->internal, sizeof id->internal, "/weft-nccl-%d-%d-%lld", int(getpid()), made++, static_cast<long long>(now));
  return success;
}
EXPORT const char* ncclGetErrorString(int result) {
  switch (result) {
    case success: return "no error";
    case unhandled_cuda_error: return "unhandled cuda error";
    case system_error: return "unhandled system error";
    case invalid_argument: return "invalid argument";
    case invalid_usage: return "invalid usage";
    case remote_error: return "remote process exited or there was a network error";
    default: return "internal error";
  }
}
EXPORT const char* ncclGetLastError(void*) { return ""; }

EXPORT int ncclCommInitRank(Handle** handle, int size, Id id, int rank) {
  *handle = nullptr;
  if (size < 1 || size > nccl_twin::most_ranks || rank < 0 || rank >= size) return invalid_argument;
  auto communicator = Communicator::meet(id.internal, size, rank);
  if (communicator == nullptr) return system_error;
  *handle = new Handle{communicator};
  return success;
}
EXPORT int ncclCommCount(Handle* handle, int* count) { return *count = handle->communicator->size, success; }
EXPORT int ncclCommGetAsyncError(Handle* handle, int* error) { return *error = handle->communicator->error, success; }

/** As NCCL, both wait until no graph refers to the communicator; the twin gives up in the end, and says so. */
static int end(Handle* handle) {
  std::weak_ptr<Recorded> references;
  {
    std::lock_guard lock(recorded_mutex);
    const auto found = recorded.find(handle->communicator.get());
    if (found != recorded.end()) references = found->second;
  }
  for (int waited = 0; !references.expired(); waited++) {
    if (waited == 5000) {
      fprintf(stderr, "NCCL's twin: graphs still refer to a communicator that ends\n");
      return internal_error;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  delete handle;
  return success;
}
EXPORT int ncclCommDestroy(Handle* handle) { return end(handle); }
EXPORT int ncclCommAbort(Handle* handle) {
  handle->communicator->aborted = true;
  const char* const how = getenv("WEFT_EMULATED_NCCL_ABORT");
  while (how != nullptr && strcmp(how, "stuck") == 0) std::this_thread::sleep_for(std::chrono::seconds(1));
  return end(handle);
}

EXPORT int ncclAllReduce(const void* given, void* taken, size_t count, int type, int operation, Handle* handle, cudaStream_t stream) {
  if (!known(type, operation)) return invalid_argument;
  return enqueue(handle, stream, words("AllReduce", count, type, std::string(", ") + operation_names[operation]),
                 [=](Communicator& communicator, const std::string& what) {
                   communicator.reduce(what, static_cast<const char*>(given), static_cast<char*>(taken), count, sizes[type],
                                       adding(type, operation), false);
                 });
}
EXPORT int ncclReduceScatter(const void* given, void* taken, size_t of_each, int type, int operation, Handle* handle, cudaStream_t stream) {
  if (!known(type, operation)) return invalid_argument;
  return enqueue(handle, stream, words("ReduceScatter", of_each, type, std::string(", ") + operation_names[operation]),
                 [=](Communicator& communicator, const std::string& what) {
                   communicator.reduce(what, static_cast<const char*>(given), static_cast<char*>(taken),
                                       of_each * size_t(communicator.size), sizes[type], adding(type, operation), true);
                 });
}
EXPORT int ncclAllGather(const void* given, void* taken, size_t of_each, int type, Handle* handle, cudaStream_t stream) {
  if (!known(type, 0)) return invalid_argument;
  return enqueue(handle, stream, words("AllGather", of_each, type), [=](Communicator& communicator, const std::string& what) {
    communicator.gather(what, static_cast<const char*>(given), static_cast<char*>(taken), of_each * sizes[type]);
  });
}
EXPORT int ncclBroadcast(const void* given, void* taken, size_t count, int type, int root, Handle* handle, cudaStream_t stream) {
  if (!known(type, 0) || root < 0 || root >= handle->communicator->size) return invalid_argument;
  return enqueue(handle, stream, words("Broadcast", count, type, ", root " + std::to_string(root)),
                 [=](Communicator& communicator, const std::string& what) {
                   communicator.broadcast(what, static_cast<const char*>(given), static_cast<char*>(taken), count * sizes[type], root);
                 });
}
EXPORT int ncclSend(const void* given, size_t count, int type, int to, Handle* handle, cudaStream_t stream) {
  return transfer(&Group::sends, given, count, type, to, handle, stream);
}
EXPORT int ncclRecv(void* taken, size_t count, int type, int from, Handle* handle, cudaStream_t stream) {
  return transfer(&Group::receives, taken, count, type, from, handle, stream);
}
EXPORT int ncclGroupStart() { return group.depth++, success; }
EXPORT int ncclGroupEnd() {
  if (group.depth == 0) return invalid_usage;
  return --group.depth > 0 ? int(success) : flush();
}
