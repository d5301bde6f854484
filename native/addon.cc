// The border: N-API in, plain C++ out. With addon_values.h the only code that knows of N-API; nothing here knows an op by name.
#include <dlfcn.h>
#include <napi.h>

#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "addon_values.h"
#include "cpu/features.h"
#include "cpu/parallel.h"
#include "kernel.h"
#include "kernel_library.h"
#include "program.h"
#include "queue.h"

namespace weft {
namespace {

constexpr uint32_t abi_version = 2;

/** What one JavaScript environment owns. */
struct Addon {
  std::shared_ptr<Environment> environment = std::make_shared<Environment>();
  Napi::ThreadSafeFunction completion;
  std::atomic<bool> signalled{false};
  Napi::Reference<Napi::ArrayBuffer> status;
  double* calls = nullptr;
  std::unordered_map<void*, Queue*> allocated;  // device memory that JavaScript holds
};

/** The devices of the process: the CPU, then those that libraries brought. */
std::vector<Queue*>& queues() {
  static auto* list = new std::vector<Queue*>{new Queue(cpu_device())};  // never destroyed: their threads live as long as the process
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

Addon& addon(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

/** Runs fn and turns its Error into a JavaScript error that carries the code. Every exported function goes through here. */
template <class F> Napi::Value guard(const Napi::CallbackInfo& info, F&& fn) {
  Napi::Env env = info.Env();
  (*addon(env).calls)++;
  try {
    return fn(env, addon(env));
  } catch (const Error& error) {
    Napi::Error thrown = Napi::Error::New(env, error.what());
    thrown.Set("weftCode", error.code);
    throw thrown;
  } catch (const std::bad_alloc&) {
    Napi::Error thrown = Napi::Error::New(env, "out of memory");
    thrown.Set("weftCode", "ERR_OUT_OF_MEMORY");
    throw thrown;
  }
}

struct Handle {
  Queue& queue;
  std::shared_ptr<Program> program;
};

Handle& handle_of(const Napi::Value& value) {
  Handle& handle = *value.As<Napi::External<Handle>>().Data();
  require(handle.program != nullptr, "ERR_DISPOSED", "this program was unloaded");
  return handle;
}

Napi::Value load(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Queue& queue = queue_at(info[1]);
    auto program = std::make_unique<Program>(spec_of(info[0].As<Napi::Object>(), queue.device().is_host()), queue.device());
    queue.add(program->arena_bytes());
    auto* handle = new Handle{queue, {program.release(), [&queue](Program* p) {
                                        const size_t bytes = p->arena_bytes();
                                        delete p;
                                        queue.remove(bytes);
                                      }}};
    return Napi::External<Handle>::New(env, handle, [](Napi::Env, Handle* h) { delete h; });
  });
}

Napi::Value unload(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    info[0].As<Napi::External<Handle>>().Data()->program.reset();  // runs in flight hold it
    return env.Undefined();
  });
}

void addresses(napi_env env, napi_value list, bool on_host, size_t count, const char* what, std::vector<void*>& out, auto bytes_of) {
  uint32_t length = 0;
  napi_get_array_length(env, list, &length);
  require(length == count, "ERR_ARGUMENT", "expected ", count, " ", what, "s, got ", length);
  out.resize(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    napi_get_element(env, list, i, &item);
    out[i] = address_of(env, item, on_host, bytes_of(i), what, i);
  }
}

/** Outputs that JavaScript wants to see when the run is done: an ArrayBuffer each, or undefined. */
std::vector<Reply> replies_of(const Napi::Value& value, const Program& program) {
  std::vector<Reply> replies;
  if (!value.IsArray()) return replies;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length() && i < program.output_count(); i++) {
    const Napi::Value item = list.Get(i);
    if (!item.IsArrayBuffer() || !program.can_reply(i)) continue;
    const Storage storage = storage_of(value.Env(), item);
    require(storage.length >= program.output_bytes(i), "ERR_ARGUMENT", "reply ", i, " is too small");
    replies.push_back({storage.base, int(i)});
  }
  return replies;
}

Napi::Value submit(Napi::Env env, Addon& self, Queue& queue, Job job) {
  job.environment = self.environment;
  job.ticket = ++self.environment->submitted;
  const double ticket = job.ticket;
  queue.submit(std::move(job));
  return Napi::Number::New(env, ticket);
}

Napi::Value run(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Handle& handle = handle_of(info[0]);
    const Program& program = *handle.program;
    const bool on_host = program.device().is_host();
    Job job;
    job.program = handle.program;
    addresses(env, info[1], on_host, program.input_count(), "input", job.inputs, [&](size_t i) { return program.input_bytes(i); });
    addresses(env, info[2], on_host, program.output_count(), "output", job.outputs, [&](size_t i) { return program.output_bytes(i); });
    job.notify = info[3].ToBoolean();
    job.after = info[4].As<Napi::Number>().DoubleValue();
    job.replies = replies_of(info[5], program);
    return submit(env, self, handle.queue, std::move(job));
  });
}

Napi::Value allocate(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    const auto bytes = size_t(info[1].As<Napi::Number>().Int64Value());
    void* memory = queue.device().allocate(bytes);
    if (memory == nullptr) {  // what the pool holds in reserve may be in the wrong pieces
      queue.trim();
      memory = queue.device().allocate(bytes);
    }
    if (memory == nullptr) return env.Undefined();
    self.allocated.emplace(memory, &queue);
    return Napi::Number::New(env, double(reinterpret_cast<uintptr_t>(memory)));
  });
}

Napi::Value release(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    void* memory = reinterpret_cast<void*>(uintptr_t(info[0].As<Napi::Number>().DoubleValue()));
    const auto found = self.allocated.find(memory);
    require(found != self.allocated.end(), "ERR_ARGUMENT", "release: not device memory of this environment");
    found->second->device().release(memory);
    self.allocated.erase(found);
    return env.Undefined();
  });
}

/** transfer(device, way, address, host storage, offset, bytes, after, notify): bytes to or from a device; the ticket. */
Napi::Value transfer(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    const bool in = info[1].As<Napi::String>().Utf8Value() == "in";
    void* memory = address_of(env, info[2], false, 0, "transfer", 0);
    require(self.allocated.count(memory) != 0, "ERR_ARGUMENT", "transfer: not device memory of this environment");
    const Storage storage = storage_of(env, info[3]);
    const auto offset = size_t(info[4].As<Napi::Number>().Int64Value()), bytes = size_t(info[5].As<Napi::Number>().Int64Value());
    require(offset <= storage.length && bytes <= storage.length - offset, "ERR_ARGUMENT", "transfer: ", bytes, " bytes do not fit");
    char* host = static_cast<char*>(storage.base) + offset;
    Job job;
    job.transfers.push_back(in ? Transfer{Transfer::Way::in, memory, host, bytes} : Transfer{Transfer::Way::out, host, memory, bytes});
    job.after = info[6].As<Napi::Number>().DoubleValue();
    job.notify = info[7].ToBoolean();
    return submit(env, self, queue, std::move(job));
  });
}

Napi::Value notify(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    self.environment->notify(info[0].As<Napi::Number>().DoubleValue());
    return env.Undefined();
  });
}

Napi::Value wait_sync(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    const double ticket = info[0].As<Napi::Number>().DoubleValue();
    require(ticket <= self.environment->submitted, "ERR_ARGUMENT", "ticket ", ticket, " was never given");
    self.environment->wait(ticket);
    return env.Undefined();
  });
}

/** The environment goes: nothing of its runs and memory is left behind. */
void close(Addon& self) {
  self.environment->close();
  std::vector<Queue*> all;
  {
    std::lock_guard<std::mutex> lock(queues_mutex());
    all = queues();
  }
  for (Queue* queue : all) queue->close(*self.environment);
  for (const auto& [memory, queue] : self.allocated) queue->device().release(memory);
  self.allocated.clear();
}

Napi::Value on_finished(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    require(!self.environment->signal, "ERR_STATE", "the completion function is set already");
    self.completion = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "weft", 0, 1);
    self.completion.Unref(env);
    Addon* owner = &self;
    self.environment->signal = [owner] {
      if (owner->signalled.exchange(true)) return;  // one call into JavaScript serves all that finished
      owner->completion.NonBlockingCall([owner](Napi::Env env, Napi::Function callback) {
        owner->signalled.store(false);
        napi_value receiver, thrown;
        if (napi_get_undefined(env, &receiver) != napi_ok) return;
        const napi_status status = napi_call_function(env, receiver, callback, 0, nullptr, nullptr);
        // an error in JavaScript becomes an uncaught exception; an environment that is being torn down answers nothing
        if (status == napi_pending_exception && napi_get_and_clear_last_exception(env, &thrown) == napi_ok)
          napi_fatal_exception(env, thrown);
      });
    };
    // Registered after the thread-safe function, so it runs before that one is torn down.
    napi_add_env_cleanup_hook(
        env, [](void* data) { close(*static_cast<Addon*>(data)); }, &self);
    return env.Undefined();
  });
}

Napi::Value hold(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    if (info[0].ToBoolean()) self.completion.Ref(env);
    else self.completion.Unref(env);
    return env.Undefined();
  });
}

Napi::Value faults(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    const auto list = self.environment->take_faults();
    auto out = Napi::Array::New(env, list.size());
    for (size_t i = 0; i < list.size(); i++) {
      auto item = Napi::Object::New(env);
      item.Set("ticket", list[i].ticket);
      item.Set("call", list[i].call);
      if (list[i].code.empty()) item.Set("value", double(list[i].value));
      else item.Set("code", list[i].code), item.Set("message", list[i].message);
      out.Set(uint32_t(i), item);
    }
    return out;
  });
}

Napi::Value alignment(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const auto base = reinterpret_cast<uintptr_t>(storage_of(env, info[0]).base);
    return Napi::Number::New(env, double((64 - base % 64) % 64));
  });
}

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
        item.Set("threads", cpu::lanes());
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

/** What a library of kernels brings; ERR_FORMAT with the reason when it cannot be used. */
Registry open_library(const std::string& path) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: programs hold its kernels
  require(library != nullptr, "ERR_FORMAT", library ? "" : dlerror());
  const auto entry = reinterpret_cast<KernelLibrary>(dlsym(library, "weft_kernels"));
  require(entry != nullptr, "ERR_FORMAT", path, " exports no weft_kernels; put WEFT_KERNEL_LIBRARY into it");
  Registry brought;
  const char* refusal = entry(&brought, kernel_library_version, kernel_layout());
  require(refusal == nullptr, "ERR_FORMAT", path, ": ", refusal ? refusal : "");
  brought.give_to(registry());
  return brought;
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

/** The folder the addon lies in. */
std::string addon_folder() {
  Dl_info found{};
  if (dladdr(reinterpret_cast<void*>(&addon_folder), &found) == 0 || found.dli_fname == nullptr) return ".";
  const std::string path = found.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

/** openCuda(path or undefined): opens the CUDA library, once per process; [[key, text], ...] of what it found out. */
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

Napi::Value program_memory(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Program& program = *handle_of(info[0]).program;
    auto out = Napi::Object::New(env);
    out.Set("arena", double(program.arena_bytes()));
    out.Set("constants", double(program.constant_bytes()));
    return out;
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    auto out = Napi::Object::New(env);
    out.Set("arena", double(queue.arena_bytes()));
    out.Set("reserved", double(queue.device().reserved()));
    out.Set("programs", double(queue.programs()));
    return out;
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

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  auto* self = new Addon;
  env.SetInstanceData(self);
  auto status = Napi::ArrayBuffer::New(env, 3 * sizeof(double));
  self->status = Napi::Persistent(status);
  self->environment->status = static_cast<double*>(status.Data());
  self->calls = self->environment->status + 2;
  exports.Set("status", Napi::Float64Array::New(env, 3, status, 0));
  exports.Set("version", double(abi_version));
  const std::pair<const char*, Napi::Value (*)(const Napi::CallbackInfo&)> functions[] = {{"load", load},
                                                                                          {"unload", unload},
                                                                                          {"run", run},
                                                                                          {"allocate", allocate},
                                                                                          {"release", release},
                                                                                          {"transfer", transfer},
                                                                                          {"openCuda", open_cuda},
                                                                                          {"notify", notify},
                                                                                          {"waitSync", wait_sync},
                                                                                          {"onFinished", on_finished},
                                                                                          {"hold", hold},
                                                                                          {"faults", faults},
                                                                                          {"alignment", alignment},
                                                                                          {"devices", devices},
                                                                                          {"kernels", kernels},
                                                                                          {"loadKernels", load_kernels},
                                                                                          {"programMemory", program_memory},
                                                                                          {"memory", memory},
                                                                                          {"profile", profile}};
  for (const auto& [name, function] : functions) exports.Set(name, Napi::Function::New(env, function, name));
  return exports;
}

}  // namespace

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return initialize(env, exports); }
NODE_API_MODULE(weft, Init)

}  // namespace weft
