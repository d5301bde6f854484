// The ranks of a distributed run, for JavaScript. What waits for other processes runs on a thread of the pool.
#include <dlfcn.h>

#include "addon.h"
#include "collectives.h"
#include "kernel.h"

namespace weft {
namespace {

/** The engine that was opened. One per process. */
std::atomic<Engine*> opened{nullptr};

/** Does work that waits, and settles a promise with what `result` makes of it. */
class Waiting : public Napi::AsyncWorker {
 public:
  using Work = std::function<void()>;
  using Result = std::function<Napi::Value(Napi::Env)>;
  Waiting(Napi::Env env, Work work, Result result)
      : Napi::AsyncWorker(env), promise(Napi::Promise::Deferred::New(env)), work_(std::move(work)), result_(std::move(result)) {}
  void Execute() override {
    try {
      work_();
    } catch (const Error& error) {
      code_ = error.code;
      SetError(error.what());
    } catch (const std::exception& error) {
      code_ = "ERR_DISTRIBUTED";
      SetError(error.what());
    }
  }
  // an environment that is being torn down takes no answer, and what is thrown here would end the process
  void OnOK() override {
    try {
      promise.Resolve(result_(Env()));
    } catch (const Napi::Error&) {}
  }
  void OnError(const Napi::Error& error) override {
    try {
      promise.Reject(to_javascript(Env(), code_, error.Message()).Value());
    } catch (const Napi::Error&) {}
  }

  Napi::Promise::Deferred promise;

 private:
  Work work_;
  Result result_;
  std::string code_;
};

Napi::Value started(Waiting* waiting) {
  const Napi::Value promise = waiting->promise.Promise();
  waiting->Queue();
  return promise;
}

/**
 * The engine that a library brings. `from`: the library's path, empty where it lies beside the addon. A library that is
 * open already, as that of a device, is not opened twice.
 */
Engine& engine_of(const std::string& name, const std::string& from) {
  void* library = from.empty() ? nullptr : dlopen(from.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NOLOAD);
  if (library == nullptr) open_library(from.empty() ? addon_folder() + "/libweft_" + name + ".so" : from, &library);
  const auto entry = reinterpret_cast<Engine* (*)()>(dlsym(library, "weft_engine"));
  require(entry != nullptr, "ERR_FORMAT", from.empty() ? "libweft_" + name + ".so" : from, " brings no engine");
  return *entry();
}

/**
 * openEngine(name, { from, library, rank, size, timeoutMs, heartbeatMs, network, device, address, port, job }) →
 * Promise<{ rank, size, version }>.
 */
Napi::Value open_engine(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    const std::string name = info[0].As<Napi::String>();
    const auto given = info[1].As<Napi::Object>();
    const auto number = [&](const char* key) { return given.Get(key).As<Napi::Number>().DoubleValue(); };
    const auto text = [&](const char* key) { return std::string(given.Get(key).As<Napi::String>()); };
    const WorldSettings settings{.rank = int(number("rank")),
                                 .size = int(number("size")),
                                 .timeout = number("timeoutMs"),
                                 .heartbeat = number("heartbeatMs"),
                                 .network = text("network"),
                                 .device = text("device"),
                                 .address = text("address"),
                                 .port = int(number("port")),
                                 .job = text("job")};
    require(opened.load() == nullptr, "ERR_STATE", "the ranks have met already in this process");
    Engine* const engine = &engine_of(name, text("from"));
    engine->load(text("library"));
    engine->give_kernels(registry());
    opened = engine;
    // runs before the hook that waits for runs under way, because it is registered later
    napi_add_env_cleanup_hook(
        env, [](void* data) { static_cast<Engine*>(data)->close(false); }, engine);
    auto facts = std::make_shared<WorldFacts>();
    return started(new Waiting(
        env, [=] { *facts = engine->open(settings); },
        [=](Napi::Env env) -> Napi::Value {
          auto result = Napi::Object::New(env);
          result.Set("rank", facts->rank);
          result.Set("size", facts->size);
          result.Set("version", facts->version);
          return result;
        }));
  });
}

/** engineVersion(name, from, library): opens the engine's own library, and says its version. */
Napi::Value engine_version(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Engine& engine = engine_of(info[0].As<Napi::String>(), info[1].As<Napi::String>());
    return Napi::String::New(env, engine.load(info[2].As<Napi::String>()));
  });
}

/** gatherTexts(text) → Promise<string[]>: the text of each rank. */
Napi::Value gather_texts(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Engine* const engine = opened;
    require(engine != nullptr, "ERR_STATE", "the ranks have not met");
    const std::string mine = info[0].As<Napi::String>();
    auto all = std::make_shared<std::vector<std::string>>();
    return started(new Waiting(
        env, [=] { *all = engine->gather(mine); },
        [=](Napi::Env env) -> Napi::Value {
          auto list = Napi::Array::New(env, all->size());
          for (size_t i = 0; i < all->size(); i++) list.Set(uint32_t(i), (*all)[i]);
          return list;
        }));
  });
}

/** leaveEngine(failed): leaves the world, on this thread. For a process that ends, `failed` with an error. */
Napi::Value leave_engine(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    if (Engine* const engine = opened) engine->close(info[0].ToBoolean());
    return env.Undefined();
  });
}

/** closeEngine() → Promise: leaves the world. */
Napi::Value close_engine(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    Engine* const engine = opened;
    require(engine != nullptr, "ERR_STATE", "the ranks have not met");
    return started(new Waiting(
        env, [=] { engine->close(false); }, [](Napi::Env env) -> Napi::Value { return env.Undefined(); }));
  });
}

}  // namespace

std::vector<Exported> distributed_functions() {
  return {{"openEngine", open_engine},
          {"engineVersion", engine_version},
          {"gatherTexts", gather_texts},
          {"closeEngine", close_engine},
          {"leaveEngine", leave_engine}};
}

}  // namespace weft
