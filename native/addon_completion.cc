// How JavaScript learns that runs are done and what failed in them.
#include <sched.h>

#include <chrono>

#include "addon.h"

namespace weft {
namespace {

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
    const auto began = std::chrono::steady_clock::now();
    self.environment->wait(ticket);
    self.environment->load.looked_for(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - began).count());
    return env.Undefined();
  });
}

/** Closes an environment that ends. Nothing of its runs and of its memory is left behind. */
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

/**
 * Called in each turn that looks for an end in vain: lets a thread run that waits for this thread's processor. It
 * throws nothing, so it needs no guard.
 */
Napi::Value give_way(const Napi::CallbackInfo& info) {
  addon(info.Env()).environment->load.looked();
  sched_yield();
  return info.Env().Undefined();
}

Napi::Value on_finished(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    require(!self.environment->signal, "ERR_STATE", "the completion function is set already");
    self.completion = Napi::ThreadSafeFunction::New(env, info[0].As<Napi::Function>(), "weft", 0, 1);
    self.completion.Unref(env);
    Addon* owner = &self;
    self.environment->signal = [owner] {
      if (owner->signalled.exchange(true)) return;  // one call into JavaScript serves all runs that have finished
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

}  // namespace

std::vector<Exported> completion_functions() {
  return {{"notify", notify},          {"waitSync", wait_sync}, {"giveWay", give_way},
          {"onFinished", on_finished}, {"hold", hold},          {"faults", faults}};
}

}  // namespace weft
