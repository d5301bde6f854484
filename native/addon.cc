// The border between JavaScript and C++. Only the addon_* files know of N-API. None of them knows an op by name.
#include "addon.h"

#include "cpu/features.h"
#include "cpu/parallel.h"
#include "program.h"

namespace weft {
namespace {

constexpr uint32_t abi_version = 2;

/** Throws where the addon cannot be used on this machine in the way that the environment variables ask for. */
void check_machine(Napi::Env env) {
  try {
    cpu::level();
    cpu::threads();
    cpu::has_tiles();
  } catch (const Error& error) { throw to_javascript(env, error.code, error.what()); }
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  check_machine(env);
  auto* self = new Addon;
  env.SetInstanceData(self);
  auto status = Napi::ArrayBuffer::New(env, 7 * sizeof(double));
  self->status = Napi::Persistent(status);
  self->environment->status = static_cast<double*>(status.Data());
  self->calls = self->environment->status + 2;
  exports.Set("status", Napi::Float64Array::New(env, 7, status, 0));
  exports.Set("version", double(abi_version));
  exports.Set("mostReply", double(most_reply));
  exports.Set("multipliesBfloat16", cpu::multiplies_bfloat16());
  exports.Set("multipliesTiles", cpu::has_tiles());
  for (const auto& functions : {program_functions(), memory_functions(), completion_functions(), device_functions(), row_functions(),
                                learn_functions(), distributed_functions(), sealed_functions()})
    for (const auto& [name, function] : functions) exports.Set(name, Napi::Function::New(env, function, name));
  return exports;
}

}  // namespace

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return initialize(env, exports); }
NODE_API_MODULE(weft, Init)

}  // namespace weft
