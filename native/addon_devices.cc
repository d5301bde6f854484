// The devices of the process and the libraries of kernels that bring them, for JavaScript.
#include <dlfcn.h>
#include <unistd.h>

#include <set>

#include "addon.h"
#include "cpu/features.h"
#include "cpu/parallel.h"
#include "kernel.h"
#include "kernel_library.h"

namespace weft {

std::vector<Queue*>& queues() {
  // never destroyed: the worker threads live as long as the process
  static auto* list = new std::vector<Queue*>{new Queue(cpu_device())};
  return *list;
}
std::mutex& queues_mutex() {
  static std::mutex mutex;
  return mutex;
}

Queue& queue_at(const Napi::Value& value) {
  const int64_t index = value.As<Napi::Number>().Int64Value();
  std::lock_guard<std::mutex> lock(queues_mutex());
  require(index >= 0 && size_t(index) < queues().size(), "ERR_ARGUMENT", "there is no device ", index);
  return *queues()[size_t(index)];
}

Registry open_library(const std::string& path, void** handle) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: programs hold its kernels
  require(library != nullptr, "ERR_FORMAT", library ? "" : dlerror());
  const auto entry = reinterpret_cast<KernelLibrary>(dlsym(library, "weft_kernels"));
  require(entry != nullptr, "ERR_FORMAT", path, " exports no weft_kernels; put WEFT_KERNEL_LIBRARY into it");
  if (handle != nullptr) *handle = library;
  Registry brought;
  const char* refusal = entry(&brought, kernel_library_version, kernel_layout());
  require(refusal == nullptr, "ERR_FORMAT", path, ": ", refusal ? refusal : "");
  brought.give_to(registry());
  return brought;
}

std::string addon_folder() {
  Dl_info found{};
  if (dladdr(reinterpret_cast<void*>(&addon_folder), &found) == 0 || found.dli_fname == nullptr) return ".";
  const std::string path = found.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

namespace {

Napi::Value devices(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    std::lock_guard<std::mutex> lock(queues_mutex());
    auto list = Napi::Array::New(env);
    for (Queue* queue : queues()) {
      const DeviceFacts facts = queue->device().facts();
      auto item = Napi::Object::New(env);
      item.Set("id", facts.id);
      item.Set("kind", facts.kind);
      item.Set("name", facts.name);
      item.Set("emulated", facts.emulated);
      if (queue->device().is_host()) {
        item.Set("level", cpu::level_name());
        auto levels = Napi::Array::New(env);
        for (const std::string& level : cpu::built_levels()) levels.Set(levels.Length(), level);
        item.Set("levels", levels);
        item.Set("threads", cpu::threads());
        auto features = Napi::Array::New(env);
        for (const std::string& feature : cpu::features()) features.Set(features.Length(), feature);
        item.Set("features", features);
      } else {
        auto memory = Napi::Object::New(env);
        memory.Set("total", double(facts.total));
        memory.Set("free", double(facts.free));
        item.Set("memory", memory);
        item.Set("computeCapability", std::to_string(facts.target.capability / 10) + "." + std::to_string(facts.target.capability % 10));
      }
      list.Set(list.Length(), item);
    }
    return list;
  });
}

Napi::Value kernels(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    auto list = Napi::Array::New(env);
    for (const std::string& op : registry().ops(info[0].As<Napi::String>().Utf8Value())) list.Set(list.Length(), op);
    return list;
  });
}

Napi::Value load_kernels(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Registry brought = open_library(info[0].As<Napi::String>());
    std::set<std::string> names;
    for (const char* backend : {"cpu", "cuda"})
      for (const std::string& op : brought.ops(backend)) names.insert(op);
    auto list = Napi::Array::New(env);
    for (const std::string& op : names) list.Set(list.Length(), op);
    return list;
  });
}

/** openCuda(path or undefined): opens the CUDA library once per process. Returns what it found, [[key, text], ...]. */
Napi::Value open_cuda(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    std::lock_guard<std::mutex> lock(queues_mutex());
    static auto* notes = new std::vector<std::pair<std::string, std::string>>;
    static bool opened = false;
    if (!opened) {
      opened = true;
      const std::string path = info[0].IsString() ? std::string(info[0].As<Napi::String>()) : addon_folder() + "/libweft_cuda.so";
      if (!info[0].IsString() && access(path.c_str(), R_OK) != 0) {
        notes->emplace_back("problem", "this build of weftjs has no CUDA library");
      } else {
        notes->emplace_back("library", path);
        try {
          const Registry brought = open_library(path);
          for (Device* device : brought.devices) queues().push_back(new Queue(*device));
          notes->insert(notes->end(), brought.notes.begin(), brought.notes.end());
        } catch (const Error& error) { notes->emplace_back("problem", error.what()); }
      }
    }
    auto list = Napi::Array::New(env);
    for (const auto& [key, text] : *notes) {
      auto pair = Napi::Array::New(env);
      pair.Set(uint32_t(0), key);
      pair.Set(uint32_t(1), text);
      list.Set(list.Length(), pair);
    }
    return list;
  });
}

Napi::Value profile(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    std::lock_guard<std::mutex> lock(queues_mutex());
    auto list = Napi::Array::New(env);
    for (Queue* queue : queues()) {
      Profile measured;
      queue->profile(info[0].ToBoolean(), &measured);
      for (const auto& [name, entry] : measured.entries) {
        auto item = Napi::Object::New(env);
        item.Set("name", name);
        item.Set("count", double(entry.count));
        item.Set("ms", entry.ms);
        item.Set("flops", entry.flops);
        item.Set("bytes", entry.bytes);
        list.Set(list.Length(), item);
      }
    }
    return list;
  });
}

}  // namespace

std::vector<Exported> device_functions() {
  return {{"openCuda", open_cuda}, {"devices", devices}, {"kernels", kernels}, {"loadKernels", load_kernels}, {"profile", profile}};
}

}  // namespace weft
