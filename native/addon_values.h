// How the addon reads JavaScript values: buffers, attributes, the description of a program. Only the addon_*.cc files
// include this one.
#pragma once
#include <napi.h>

#include <algorithm>
#include <string>

#include "program.h"

namespace weft {

/** From this size on, a buffer's storage is 64 bytes longer, and its bytes begin at a multiple of 64 (buffer.ts). */
constexpr size_t aligned_from = 1024;

/** The address in a buffer's storage where its bytes begin. */
inline void* data_of(void* base, size_t length, size_t bytes, const char* what, size_t index) {
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

inline Storage storage_of(napi_env env, napi_value value) {
  Storage storage{nullptr, 0};
  require(napi_get_arraybuffer_info(env, value, &storage.base, &storage.length) == napi_ok, "ERR_ARGUMENT", "expected an ArrayBuffer");
  return storage;
}

/** The address of a buffer's bytes. `value` is an ArrayBuffer, or the number that allocate() gave. */
inline void* address_of(napi_env env, napi_value value, bool on_host, size_t bytes, const char* what, size_t index) {
  if (on_host) {
    const Storage storage = storage_of(env, value);
    return data_of(storage.base, storage.length, bytes, what, index);
  }
  double address = 0;
  require(napi_get_value_double(env, value, &address) == napi_ok && address > 0, "ERR_ARGUMENT", what, " ", index, " is not device memory");
  return reinterpret_cast<void*>(uintptr_t(address));
}

inline Precision precision_of(const std::string& name) {
  if (name == "tf32") return Precision::tf32;
  if (name == "mixedBfloat16") return Precision::bfloat16;
  require(name == "float32", "ERR_ARGUMENT", "unknown precision '", name, "'");
  return Precision::float32;
}

inline std::vector<int> indices_of(const Napi::Value& value, size_t bound, bool or_none) {
  const auto list = value.As<Napi::Array>();
  std::vector<int> out(list.Length());
  for (uint32_t i = 0; i < list.Length(); i++) {
    out[i] = list.Get(i).As<Napi::Number>().Int32Value();
    require((out[i] >= 0 || (or_none && out[i] == -1)) && out[i] < int(bound), "ERR_ARGUMENT", "index ", out[i], " out of range");
  }
  return out;
}

inline Attrs attrs_of(const Napi::Object& object) {
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

inline SlotKind kind_of(const std::string& name) {
  if (name == "arena") return SlotKind::arena;
  if (name == "input") return SlotKind::input;
  if (name == "output") return SlotKind::output;
  if (name == "state") return SlotKind::state;
  require(name == "constant", "ERR_ARGUMENT", "unknown kind of slot '", name, "'");
  return SlotKind::constant;
}

inline ProgramSpec spec_of(const Napi::Object& object, bool on_host) {
  ProgramSpec spec;
  spec.precision = precision_of(object.Get("precision").As<Napi::String>());
  spec.single = object.Get("single").ToBoolean();
  spec.retraced = object.Get("retraced").ToBoolean();
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
    spec.states.push_back(address_of(object.Env(), states.Get(i), on_host, needed[i], "state", i));
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

}  // namespace weft
