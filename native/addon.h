// What the parts of the addon share: the state of a JavaScript environment, the queues of the process, and the guard around every function.
#pragma once
#include <napi.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue.h"

namespace weft {

/** What one JavaScript environment owns. */
struct Addon {
  std::shared_ptr<Environment> environment = std::make_shared<Environment>();
  Napi::ThreadSafeFunction completion;
  std::atomic<bool> signalled{false};
  Napi::Reference<Napi::ArrayBuffer> status;
  double* calls = nullptr;
  std::unordered_map<void*, Queue*> allocated;  // device memory that JavaScript holds
};

inline Addon& addon(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

/** The devices of the process: the CPU, then those that libraries brought. Under queues_mutex(). */
std::vector<Queue*>& queues();
std::mutex& queues_mutex();
/** The queue of a device's number; ERR_ARGUMENT. */
Queue& queue_at(const Napi::Value& value);

/** Gives a job its ticket and queues it; the ticket. */
Napi::Value submit(Napi::Env env, Addon& self, Queue& queue, Job job);

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

/** A function that JavaScript sees. */
struct Exported {
  const char* name;
  Napi::Value (*function)(const Napi::CallbackInfo&);
};
std::vector<Exported> program_functions();
std::vector<Exported> memory_functions();
std::vector<Exported> completion_functions();
std::vector<Exported> device_functions();

}  // namespace weft
