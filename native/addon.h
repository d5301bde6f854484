// What the parts of the addon share: the state of a JavaScript environment, the queues of the process, and the guard
// around every exported function.
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
  std::unordered_map<void*, Queue*> allocated;  // device memory that JavaScript holds, and the queue of its device
};

inline Addon& addon(Napi::Env env) { return *env.GetInstanceData<Addon>(); }

/**
 * The queues of the devices of the process: the CPU first, then the devices that libraries brought. Callers hold
 * queues_mutex().
 */
std::vector<Queue*>& queues();
std::mutex& queues_mutex();
/** The queue of the device with this number. ERR_ARGUMENT where there is none. */
Queue& queue_at(const Napi::Value& value);

/** Gives a job a ticket and puts it into the queue. Returns the ticket. */
Napi::Value submit(Napi::Env env, Addon& self, Queue& queue, Job job);

/** The error that lib/core turns into a WeftError of this code. */
inline Napi::Error to_javascript(Napi::Env env, const std::string& code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("weftCode", code);
  return error;
}

/**
 * Calls fn. What it throws becomes a JavaScript error that carries a code. Every exported function is called through
 * this one.
 */
template <class F> Napi::Value guard(const Napi::CallbackInfo& info, F&& fn) {
  Napi::Env env = info.Env();
  (*addon(env).calls)++;
  try {
    return fn(env, addon(env));
  } catch (const Error& error) { throw to_javascript(env, error.code, error.what()); } catch (const Napi::Error&) {
    throw;
  } catch (const std::bad_alloc&) { throw to_javascript(env, "ERR_OUT_OF_MEMORY", "out of memory"); } catch (const std::length_error&) {
    throw to_javascript(env, "ERR_OUT_OF_MEMORY", "asked for more memory than a process can have");
  } catch (const std::exception& error) { throw to_javascript(env, "ERR_STATE", error.what()); }
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
std::vector<Exported> row_functions();
std::vector<Exported> learn_functions();
std::vector<Exported> distributed_functions();
std::vector<Exported> sealed_functions();

/** The folder that the addon lies in. */
std::string addon_folder();
class Registry;
/** Opens a library of kernels. `handle` becomes the library's. ERR_FORMAT, with the reason, where it cannot be used. */
Registry open_library(const std::string& path, void** handle = nullptr);

}  // namespace weft
