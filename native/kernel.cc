// The kernel registry and the facts a binder reads.
#include "kernel.h"

#include <algorithm>
#include <mutex>
#include <shared_mutex>

namespace weft {

size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::boolean:
    case DType::uint8:
    case DType::int8: return 1;
    case DType::float16:
    case DType::bfloat16: return 2;
    case DType::int32:
    case DType::float32: return 4;
    default: return 8;
  }
}

static constexpr const char* names[] = {"bool", "uint8", "int8", "int32", "int64", "float16", "bfloat16", "float32", "float64"};

const char* name_of(DType dtype) { return names[size_t(dtype)]; }

DType dtype_of(std::string_view name) {
  for (size_t i = 0; i < std::size(names); i++)
    if (name == names[i]) return DType(i);
  throw Error("ERR_DTYPE", "unknown dtype '" + std::string(name) + "'");
}

Step::Step(void* closure, Run run, void (*end)(void* closure)) : closure_(closure, end), run_(run) {}

const Attrs::Value& Attrs::get(const std::string& name) const {
  auto it = values_.find(name);
  require(it != values_.end(), "ERR_ARGUMENT", "attribute '", name, "' is missing");
  read_.insert(name);
  return it->second;
}

double Attrs::number(const std::string& name) const {
  auto* value = std::get_if<double>(&get(name));
  require(value, "ERR_ARGUMENT", "attribute '", name, "' must be a number");
  return *value;
}

const std::string& Attrs::text(const std::string& name) const {
  auto* value = std::get_if<std::string>(&get(name));
  require(value, "ERR_ARGUMENT", "attribute '", name, "' must be a string");
  return *value;
}

const std::vector<double>& Attrs::numbers(const std::string& name) const {
  auto* value = std::get_if<std::vector<double>>(&get(name));
  require(value, "ERR_ARGUMENT", "attribute '", name, "' must be a list of numbers");
  return *value;
}

Dims Attrs::integers(const std::string& name) const {
  const auto& list = numbers(name);
  return Dims(list.begin(), list.end());
}

void Attrs::require_read(const std::string& op) const {
  for (const auto& [name, value] : values_)
    require(read_.count(name) || name == "shape" || name == "dtype", "ERR_ARGUMENT", op, ": the kernel knows no attribute '", name, "'");
}

View Call::scratch(size_t bytes) {
  View view{{int64_t(bytes)}, DType::uint8, (*next_slot)++};
  scratches.push_back({view.slot, bytes});
  return view;
}

void Call::in_place(size_t input, size_t output) { in_places.emplace_back(input, output); }

/**
 * One thread's binder may look kernels up while another thread opens a library. A function, because kernels register
 * before main.
 */
static std::shared_mutex& registry_mutex() {
  static auto* mutex = new std::shared_mutex;
  return *mutex;
}

void Registry::define(std::string_view backend, std::string_view op, int level, Bind bind) {
  std::unique_lock lock(registry_mutex());
  kernels_[std::string(backend)][std::string(op)][level] = bind;
}
void Registry::define(std::string_view backend, std::string_view op, int level, Join join) {
  std::unique_lock lock(registry_mutex());
  joins_[std::string(backend)][std::string(op)][level] = join;
}

namespace {
/** The entry of the highest level that is not above `level`. */
template <class Table> auto highest(const Table& table, std::string_view backend, std::string_view op, int level) {
  typename Table::mapped_type::mapped_type::mapped_type none = nullptr;
  const auto device = table.find(backend);
  if (device == table.end()) return none;
  const auto levels = device->second.find(std::string(op));
  if (levels == device->second.end()) return none;
  const auto above = levels->second.upper_bound(level);
  return above == levels->second.begin() ? none : std::prev(above)->second;
}
}  // namespace

Bind Registry::find(std::string_view backend, std::string_view op, int level) const {
  std::shared_lock lock(registry_mutex());
  return highest(kernels_, backend, op, level);
}
Join Registry::find_join(std::string_view backend, std::string_view op, int level) const {
  std::shared_lock lock(registry_mutex());
  return highest(joins_, backend, op, level);
}

std::vector<std::string> Registry::ops(std::string_view backend) const {
  std::shared_lock lock(registry_mutex());
  std::vector<std::string> list;
  auto device = kernels_.find(backend);
  if (device != kernels_.end())
    for (const auto& [op, levels] : device->second) list.push_back(op);
  return list;
}

const Chains* Registry::chains(std::string_view backend) const {
  std::shared_lock lock(registry_mutex());
  const auto found = chains_.find(backend);
  return found == chains_.end() ? nullptr : &found->second;
}

void Registry::give_to(Registry& other) const {
  for (const auto& [backend, kernels] : kernels_)
    for (const auto& [op, levels] : kernels)
      for (const auto& [level, bind] : levels) other.define(backend, op, level, bind);
  for (const auto& [backend, joins] : joins_)
    for (const auto& [op, levels] : joins)
      for (const auto& [level, join] : levels) other.define(backend, op, level, join);
  std::unique_lock lock(registry_mutex());
  other.chains_.insert(chains_.begin(), chains_.end());
  other.devices.insert(other.devices.end(), devices.begin(), devices.end());
  other.notes.insert(other.notes.end(), notes.begin(), notes.end());
}

Registry& registry() {
  static Registry* instance = new Registry;  // never destroyed: kernels register and look up at any time
  return *instance;
}

}  // namespace weft
