// Rows for JavaScript: pieces of host memory that become one batch, copied by a device's worker.
#include "addon.h"
#include "addon_values.h"

namespace weft {
namespace {

/**
 * gather(device, host storage, offset, bytes, pieces): queues the copies of the pieces, Uint8Arrays, one after the
 * other into host[offset, offset + bytes); what they do not fill takes their bytes again, from the first on. The
 * ticket.
 */
Napi::Value gather(const Napi::CallbackInfo& info) {
  return guard(info, [&](Napi::Env env, Addon& self) -> Napi::Value {
    Queue& queue = queue_at(info[0]);
    require(queue.device().is_host(), "ERR_ARGUMENT", "gather: the device does not work on the host's memory");
    const Storage storage = storage_of(env, info[1]);
    const auto offset = size_t(info[2].As<Napi::Number>().Int64Value()), bytes = size_t(info[3].As<Napi::Number>().Int64Value());
    require(offset <= storage.length && bytes <= storage.length - offset, "ERR_ARGUMENT", "gather: ", bytes, " bytes do not fit");
    char* const to = static_cast<char*>(storage.base) + offset;
    const auto pieces = info[4].As<Napi::Array>();
    Job job;
    size_t at = 0;
    const auto add = [&](const void* from, size_t length) {
      if (length > 0) job.transfers.push_back({Transfer::Way::in, to + at, from, length});
      at += length;
    };
    for (uint32_t i = 0; i < pieces.Length(); i++) {
      Napi::HandleScope scope(env);
      napi_typedarray_type type;
      size_t length = 0;
      void* data = nullptr;
      const napi_status found = napi_get_typedarray_info(env, pieces.Get(i), &type, &length, &data, nullptr, nullptr);
      require(found == napi_ok && type == napi_uint8_array, "ERR_ARGUMENT", "gather: piece ", i, " is no Uint8Array");
      require(length <= bytes - at, "ERR_ARGUMENT", "gather: the pieces have more than ", bytes, " bytes");
      add(data, length);
    }
    require(at > 0 || bytes == 0, "ERR_ARGUMENT", "gather: there is nothing to fill ", bytes, " bytes with");
    while (at < bytes) add(to, std::min(at, bytes - at));
    return submit(env, self, queue, std::move(job));
  });
}

}  // namespace

std::vector<Exported> row_functions() { return {{"gather", gather}}; }

}  // namespace weft
