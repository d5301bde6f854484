#include "nccl.h"

#include <dlfcn.h>

#include "error.h"

namespace weft::cuda {
namespace {

constexpr int least_version = 21800;
constexpr const char* cure = "Install it: apt-get install libnccl2, of NVIDIA's repository; or set WEFT_NCCL_LIBRARY to its path";

std::string words_of(int version) {
  return std::to_string(version / 10000) + "." + std::to_string(version % 10000 / 100) + "." + std::to_string(version % 100);
}

}  // namespace

int nccl_type(DType dtype) {
  switch (dtype) {
    case DType::int8: return 0;
    case DType::uint8: return 1;
    case DType::int32: return 2;
    case DType::int64: return 4;
    case DType::float16: return 6;
    case DType::float32: return 7;
    case DType::float64: return 8;
    case DType::bfloat16: return 9;
    default: fail("ERR_DTYPE", name_of(dtype), " cannot be reduced over ranks");
  }
}

int nccl_operation(const std::string& reduce) { return reduce == "sum" ? 0 : reduce == "max" ? 2 : 3; }

void check_nccl(const Nccl& nccl, int result, const char* function) {
  if (result == 0) return;
  const char* const more = nccl.GetLastError == nullptr ? nullptr : nccl.GetLastError(nullptr);
  fail("ERR_DISTRIBUTED", "nccl", function, ": ", nccl.GetErrorString(result), more == nullptr || *more == '\0' ? "" : "; ",
       more == nullptr ? "" : more);
}

Nccl open_nccl(const std::string& path) {
  Nccl nccl{};
  nccl.path = path.empty() ? "libnccl.so.2" : path;
  void* const handle = dlopen(nccl.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* const reason = dlerror();
    fail("ERR_NO_DEVICE", "NCCL, which moves tensors between GPUs, was not found (", reason == nullptr ? nccl.path : reason, "). ", cure);
  }
  std::string missing;
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(handle, name));
    if (function == nullptr && missing.empty()) missing = name;
  };
#define FIND(name) find(nccl.name, "nccl" #name)
  FIND(GetVersion);
  require(missing.empty(), "ERR_NO_DEVICE", nccl.path, " is no NCCL: it lacks ", missing, ". ", cure);
  int version = 0;
  nccl.GetVersion(&version);
  // before 2.9 versions had three digits after the first, and are too old all the same
  require(version >= least_version, "ERR_NO_DEVICE", nccl.path, " is NCCL ",
          version < 10000 ? std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 100) : words_of(version), ", and ",
          words_of(least_version), " or later is needed. ", cure);
  FIND(GetUniqueId), FIND(GetErrorString), FIND(CommInitRank), FIND(CommCount), FIND(CommGetAsyncError), FIND(CommDestroy);
  FIND(CommAbort), FIND(AllReduce), FIND(ReduceScatter), FIND(AllGather), FIND(Broadcast), FIND(Send), FIND(Recv), FIND(GroupStart);
  FIND(GroupEnd);
#undef FIND
  require(missing.empty(), "ERR_NO_DEVICE", nccl.path, " lacks ", missing, ": it is no NCCL of version ", words_of(version), ". ", cure);
  nccl.GetLastError = reinterpret_cast<decltype(nccl.GetLastError)>(dlsym(handle, "ncclGetLastError"));
  nccl.version = "NCCL " + words_of(version);
  return nccl;
}

}  // namespace weft::cuda
