// Device memory for JavaScript: allocation, transfers, and how much is held.
#include "addon.h"
#include "addon_values.h"
#include "cpu/huge_pages.h"

namespace weft {
namespace {

Napi::Value allocate(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    const auto bytes = size_t(info[1].As<Napi::Number>().Int64Value());
    void* memory = queue.device().allocate(bytes);
    if (memory == nullptr) {  // the memory that the pool keeps in reserve may lie in pieces of the wrong size
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

/**
 * transfer(device, way, address, from, host storage, offset, bytes, after, need): copies bytes to or from the device
 * memory that begins `from` bytes behind the address. Returns the ticket. `need`: as one of Job::needs; 0: none.
 */
Napi::Value transfer(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    const bool in = info[1].As<Napi::String>().Utf8Value() == "in";
    void* base = address_of(env, info[2], false, 0, "transfer", 0);
    require(self.allocated.count(base) != 0, "ERR_ARGUMENT", "transfer: not device memory of this environment");
    char* memory = static_cast<char*>(base) + size_t(info[3].As<Napi::Number>().Int64Value());
    const Storage storage = storage_of(env, info[4]);
    const auto offset = size_t(info[5].As<Napi::Number>().Int64Value()), bytes = size_t(info[6].As<Napi::Number>().Int64Value());
    require(offset <= storage.length && bytes <= storage.length - offset, "ERR_ARGUMENT", "transfer: ", bytes, " bytes do not fit");
    char* host = static_cast<char*>(storage.base) + offset;
    Job job;
    job.transfers.push_back(in ? Transfer{Transfer::Way::in, memory, host, bytes} : Transfer{Transfer::Way::out, host, memory, bytes});
    job.after = info[7].As<Napi::Number>().DoubleValue();
    if (const double need = info[8].As<Napi::Number>().DoubleValue(); need != 0) job.needs.push_back(need);
    return submit(env, self, queue, std::move(job));
  });
}

Napi::Value alignment(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const Storage storage = storage_of(env, info[0]);
    cpu::prefer_huge_pages(storage.base, storage.length);
    const auto base = reinterpret_cast<uintptr_t>(storage.base);
    return Napi::Number::New(env, double((64 - base % 64) % 64));
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

}  // namespace

std::vector<Exported> memory_functions() {
  return {{"allocate", allocate}, {"release", release}, {"transfer", transfer}, {"alignment", alignment}, {"memory", memory}};
}

}  // namespace weft
