// The border: N-API in, plain C++ out. The only file that includes napi.h; nothing here knows an op by name.
#include <dlfcn.h>
#include <napi.h>

#include <atomic>
#include <memory>
#include <string>

#include "cpu/features.h"
#include "cpu/parallel.h"
#include "kernel.h"
#include "kernel_library.h"
#include "program.h"
#include "queue.h"

namespace weft {
namespace {

constexpr uint32_t abi_version = 1;
constexpr size_t aligned_from = 1024;  // lib/device.ts: larger buffers are 64 bytes longer and start at a 64-byte boundary

/** What one JavaScript environment owns. */
struct Addon {
  std::shared_ptr<Environment> environment = std::make_shared<Environment>();
  Napi::ThreadSafeFunction completion;
  std::atomic<bool> signalled{false};
  Napi::Reference<Napi::ArrayBuffer> status;
  double* calls = nullptr;
};

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

/** Where a buffer's bytes begin in its storage. */
void* data_of(void* base, size_t length, size_t bytes, const char* what, size_t index) {
  if (bytes >= aligned_from) {
    require(length >= bytes + 64, "ERR_ARGUMENT", what, " ", index, ": storage of ", length, " bytes for ", bytes);
    return reinterpret_cast<void*>((reinterpret_cast<uintptr_t>(base) + 63) & ~uintptr_t(63));
  }
  require(length >= bytes, "ERR_ARGUMENT", what, " ", index, ": storage of ", length, " bytes for ", bytes);
  return base;
}

struct Storage {
  void* base;
  size_t length;
};

Storage storage_of(napi_env env, napi_value value) {
  Storage storage{nullptr, 0};
  require(napi_get_arraybuffer_info(env, value, &storage.base, &storage.length) == napi_ok, "ERR_ARGUMENT", "expected an ArrayBuffer");
  return storage;
}

std::vector<int> indices_of(const Napi::Value& value, size_t bound, bool or_none) {
  const auto list = value.As<Napi::Array>();
  std::vector<int> out(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    out[i] = list.Get(i).As<Napi::Number>().Int32Value();
    require((out[i] >= 0 || (or_none && out[i] == -1)) && out[i] < int(bound), "ERR_ARGUMENT", "index ", out[i], " out of range");
  }
  return out;
}

Attrs attrs_of(const Napi::Object& object) {
  Attrs attrs;
  const Napi::Array names = object.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = names.Get(i).As<Napi::String>();
    const Napi::Value value = object.Get(name);
    if (value.IsNumber()) attrs.set(name, value.As<Napi::Number>().DoubleValue());
    else if (value.IsBoolean()) attrs.set(name, double(value.As<Napi::Boolean>().Value()));
    else if (value.IsString()) attrs.set(name, value.As<Napi::String>().Utf8Value());
    else {
      require(value.IsArray(), "ERR_ARGUMENT", "attribute '", name, "' is not a number, boolean, string or list of numbers");
      const auto list = value.As<Napi::Array>();
      std::vector<double> numbers(list.Length());
      for (uint32_t k = 0; k < list.Length(); k++) numbers[k] = list.Get(k).ToNumber().DoubleValue();
      attrs.set(name, std::move(numbers));
    }
  }
  return attrs;
}

SlotKind kind_of(const std::string& name) {
  if (name == "arena") return SlotKind::arena;
  if (name == "input") return SlotKind::input;
  if (name == "output") return SlotKind::output;
  if (name == "state") return SlotKind::state;
  require(name == "constant", "ERR_ARGUMENT", "unknown kind of slot '", name, "'");
  return SlotKind::constant;
}

ProgramSpec spec_of(const Napi::Object& object) {
  ProgramSpec spec;
  const auto states = object.Get("states").As<Napi::Array>();
  const auto slots = object.Get("slots").As<Napi::Array>();
  std::vector<size_t> needed(states.Length(), 0);
  for (uint32_t i = 0; i < slots.Length(); i++) {
    const auto item = slots.Get(i).As<Napi::Object>();
    SlotSpec slot{kind_of(item.Get("kind").As<Napi::String>()), size_t(item.Get("bytes").As<Napi::Number>().Int64Value())};
    slot.index = item.Get("index").As<Napi::Number>().Int32Value();
    require(slot.index >= 0, "ERR_ARGUMENT", "slot ", i, ": index ", slot.index);
    if (slot.kind == SlotKind::constant) {
      slot.value = item.Get("value").As<Napi::Number>().DoubleValue();
      slot.dtype = dtype_of(item.Get("dtype").As<Napi::String>().Utf8Value());
    } else if (slot.kind == SlotKind::state) {
      require(size_t(slot.index) < needed.size(), "ERR_ARGUMENT", "slot ", i, ": no state ", slot.index);
      needed[size_t(slot.index)] = std::max(needed[size_t(slot.index)], slot.bytes);
    }
    spec.slots.push_back(slot);
  }
  const auto writes = object.Get("writes").As<Napi::Array>();
  for (uint32_t i = 0; i < writes.Length(); i++) {
    const auto item = writes.Get(i).As<Napi::Object>();
    const WriteSpec write{item.Get("slot").As<Napi::Number>().Int32Value(), item.Get("state").As<Napi::Number>().Int32Value()};
    require(size_t(write.slot) < spec.slots.size() && size_t(write.state) < needed.size(), "ERR_ARGUMENT", "write ", i, " out of range");
    needed[size_t(write.state)] = std::max(needed[size_t(write.state)], spec.slots[size_t(write.slot)].bytes);
    spec.writes.push_back(write);
  }
  for (uint32_t i = 0; i < states.Length(); i++) {
    const Storage storage = storage_of(object.Env(), states.Get(i));
    spec.states.push_back(data_of(storage.base, storage.length, needed[i], "state", i));
    spec.state_bytes.push_back(needed[i]);
  }
  const auto values = object.Get("values").As<Napi::Array>();
  for (uint32_t i = 0; i < values.Length(); i++) {
    const auto item = values.Get(i).As<Napi::Object>();
    ValueSpec value{item.Get("slot").As<Napi::Number>().Int32Value(), {}, dtype_of(item.Get("dtype").As<Napi::String>().Utf8Value())};
    const auto shape = item.Get("shape").As<Napi::Array>();
    for (uint32_t k = 0; k < shape.Length(); k++) value.dims.push_back(shape.Get(k).As<Napi::Number>().Int64Value());
    require(value.slot < int(spec.slots.size()), "ERR_ARGUMENT", "value ", i, ": no slot ", value.slot);
    if (value.slot >= 0) {
      const size_t bytes = size_t(product(value.dims)) * size_of(value.dtype);
      require(bytes <= spec.slots[size_t(value.slot)].bytes, "ERR_ARGUMENT", "value ", i, " of ", bytes, " bytes does not fit its slot");
    }
    spec.values.push_back(std::move(value));
  }
  const auto calls = object.Get("calls").As<Napi::Array>();
  for (uint32_t i = 0; i < calls.Length(); i++) {
    Napi::HandleScope scope(object.Env());
    const auto item = calls.Get(i).As<Napi::Object>();
    CallSpec call{item.Get("op").As<Napi::String>(), indices_of(item.Get("inputs"), spec.values.size(), false),
                  indices_of(item.Get("outputs"), spec.values.size(), false), attrs_of(item.Get("attrs").As<Napi::Object>()),
                  item.Get("update").ToBoolean()};
    for (int id : call.inputs) require(spec.values[size_t(id)].slot >= 0, "ERR_ARGUMENT", call.op, ": reads a value that has no slot");
    spec.calls.push_back(std::move(call));
  }
  return spec;
}

using Handle = std::shared_ptr<Program>;

Handle& handle_of(const Napi::Value& value) { return *value.As<Napi::External<Handle>>().Data(); }

Napi::Value load(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    auto* program = new Program(spec_of(info[0].As<Napi::Object>()), "cpu", cpu::level());
    Queue::cpu().add(program->arena_bytes());
    auto* handle = new Handle(program, [](Program* p) {
      Queue::cpu().remove(p->arena_bytes());
      delete p;
    });
    return Napi::External<Handle>::New(env, handle, [](Napi::Env, Handle* h) { delete h; });
  });
}

Napi::Value unload(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    handle_of(info[0]).reset();  // runs in flight hold it
    return env.Undefined();
  });
}

void addresses(napi_env env, napi_value list, size_t count, const char* what, std::vector<void*>& out, auto bytes_of) {
  uint32_t length = 0;
  napi_get_array_length(env, list, &length);
  require(length == count, "ERR_ARGUMENT", "expected ", count, " ", what, "s, got ", length);
  out.resize(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    napi_get_element(env, list, i, &item);
    const Storage storage = storage_of(env, item);
    out[i] = data_of(storage.base, storage.length, bytes_of(i), what, i);
  }
}

Napi::Value run(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    const Handle& program = handle_of(info[0]);
    require(program != nullptr, "ERR_DISPOSED", "this program was unloaded");
    Job job{program, self.environment, {}, {}, 0, info[3].ToBoolean()};
    addresses(env, info[1], program->input_count(), "input", job.inputs, [&](size_t i) { return program->input_bytes(i); });
    addresses(env, info[2], program->output_count(), "output", job.outputs, [&](size_t i) { return program->output_bytes(i); });
    job.ticket = ++self.environment->submitted;
    const double ticket = job.ticket;
    Queue::cpu().submit(std::move(job));
    return Napi::Number::New(env, ticket);
  });
}

Napi::Value notify(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue::cpu().notify(*self.environment, info[0].As<Napi::Number>().DoubleValue());
    return env.Undefined();
  });
}

Napi::Value wait_sync(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    const double ticket = info[0].As<Napi::Number>().DoubleValue();
    require(ticket <= self.environment->submitted, "ERR_ARGUMENT", "ticket ", ticket, " was never given");
    Queue::cpu().wait(*self.environment, ticket);
    return env.Undefined();
  });
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
        env, [](void* data) { Queue::cpu().close(*static_cast<Addon*>(data)->environment); }, &self);
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
    const auto list = Queue::cpu().take_faults(*self.environment);
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
    auto cpu = Napi::Object::New(env);
    cpu.Set("id", "cpu");
    cpu.Set("kind", "cpu");
    cpu.Set("name", cpu::name());
    cpu.Set("emulated", false);
    cpu.Set("level", cpu::level_name());
    cpu.Set("threads", cpu::lanes());
    auto features = Napi::Array::New(env);
    for (const std::string& feature : cpu::features()) features.Set(features.Length(), feature);
    cpu.Set("features", features);
    auto list = Napi::Array::New(env, 1);
    list.Set(uint32_t(0), cpu);
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
    const std::string path = info[0].As<Napi::String>();
    void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);  // never closed: programs hold its kernels
    require(library != nullptr, "ERR_FORMAT", library ? "" : dlerror());
    const auto entry = reinterpret_cast<KernelLibrary>(dlsym(library, "weft_kernels"));
    require(entry != nullptr, "ERR_FORMAT", path, " exports no weft_kernels; put WEFT_KERNEL_LIBRARY into it");
    Registry brought;
    const char* refusal = entry(&brought, kernel_library_version, kernel_layout());
    require(refusal == nullptr, "ERR_FORMAT", path, ": ", refusal ? refusal : "");
    brought.give_to(registry());
    auto list = Napi::Array::New(env);
    for (const std::string& op : brought.ops("cpu")) list.Set(list.Length(), op);
    return list;
  });
}

Napi::Value program_memory(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Handle& program = handle_of(info[0]);
    require(program != nullptr, "ERR_DISPOSED", "this program was unloaded");
    auto out = Napi::Object::New(env);
    out.Set("arena", double(program->arena_bytes()));
    out.Set("constants", double(program->constant_bytes()));
    return out;
  });
}

Napi::Value memory(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    auto out = Napi::Object::New(env);
    out.Set("arena", double(Queue::cpu().arena_bytes()));
    out.Set("programs", double(Queue::cpu().programs()));
    return out;
  });
}

Napi::Value profile(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Profile measured;
    Queue::cpu().profile(info[0].ToBoolean(), &measured);
    auto list = Napi::Array::New(env);
    for (const auto& [name, entry] : measured.entries) {
      auto item = Napi::Object::New(env);
      item.Set("name", name);
      item.Set("count", double(entry.count));
      item.Set("ms", entry.ms);
      item.Set("flops", entry.flops);
      item.Set("bytes", entry.bytes);
      list.Set(list.Length(), item);
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
