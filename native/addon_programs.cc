// Programs for JavaScript: load, run, unload.
#include "addon.h"
#include "addon_values.h"

namespace weft {
namespace {

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
    queue.add(program->borrowed_bytes());
    auto* handle = new Handle{queue, {program.release(), [&queue](Program* p) {
                                        const size_t bytes = p->borrowed_bytes();
                                        delete p;
                                        queue.remove(bytes);
                                      }}};
    return Napi::External<Handle>::New(env, handle, [](Napi::Env, Handle* h) { delete h; });
  });
}

Napi::Value unload(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon&) -> Napi::Value {
    info[0].As<Napi::External<Handle>>().Data()->program.reset();  // runs that are under way hold the program too
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

/**
 * The outputs that JavaScript wants when the run is done. The value has an ArrayBuffer or undefined for each output.
 */
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

}  // namespace

Napi::Value submit(Napi::Env env, Addon& self, Queue& queue, Job job) {
  job.environment = self.environment;
  job.ticket = ++self.environment->submitted;
  const double ticket = job.ticket;
  try {
    queue.submit(std::move(job));
  } catch (...) {
    self.environment->submitted--;  // the run was not queued
    throw;
  }
  return Napi::Number::New(env, ticket);
}

namespace {

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
    if (info[5].IsNumber()) job.needs.push_back(info[5].As<Napi::Number>().DoubleValue());
    else if (info[5].IsArray())
      for (uint32_t i = 0; i < info[5].As<Napi::Array>().Length(); i++)
        job.needs.push_back(info[5].As<Napi::Array>().Get(i).As<Napi::Number>().DoubleValue());
    job.replies = replies_of(info[6], program);
    return submit(env, self, handle.queue, std::move(job));
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

}  // namespace

std::vector<Exported> program_functions() { return {{"load", load}, {"unload", unload}, {"run", run}, {"programMemory", program_memory}}; }

}  // namespace weft
