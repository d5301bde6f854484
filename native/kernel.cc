// The registry of kernels, and what binders read: dtypes and attributes.
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

Step::Step(void* closure, Run run, End end) : held_(new Held{closure, run, end}) {}
Step::Step(const Step& other) : held_(other.held_) {
  if (held_ != nullptr) held_->holders.fetch_add(1, std::memory_order_relaxed);
}
Step::~Step() {
  if (held_ == nullptr || held_->holders.fetch_sub(1, std::memory_order_acq_rel) > 1) return;
  held_->end(held_->closure);
  delete held_;
}

const Attrs::Attribute* Attrs::find(const std::string& name) const {
  const auto found = std::find_if(attributes_.begin(), attributes_.end(), [&](const Attribute& one) { return one.name == name; });
  return found == attributes_.end() ? nullptr : &*found;
}

const Attrs::Attribute& Attrs::get(const std::string& name, Kind kind, const char* expected) const {
  const Attribute* attribute = find(name);
  require(attribute != nullptr, "ERR_ARGUMENT", "attribute '", name, "' is missing");
  attribute->read = true;
  require(attribute->kind == kind, "ERR_ARGUMENT", "attribute '", name, "' must be ", expected);
  return *attribute;
}

void Attrs::put(Attribute attribute) {
  const auto same = [&](const Attribute& one) { return one.name == attribute.name; };
  const auto found = std::find_if(attributes_.begin(), attributes_.end(), same);
  if (found == attributes_.end()) {
    attributes_.push_back(std::move(attribute));
  } else {
    attribute.read = found->read;
    *found = std::move(attribute);
  }
}

void Attrs::set(std::string name, double value) { put({.name = std::move(name), .kind = Kind::number, .number = value}); }
void Attrs::set(std::string name, std::string value) { put({.name = std::move(name), .kind = Kind::text, .text = std::move(value)}); }
void Attrs::set(std::string name, std::vector<double> value) {
  put({.name = std::move(name), .kind = Kind::numbers, .numbers = std::move(value)});
}

double Attrs::number(const std::string& name) const { return get(name, Kind::number, "a number").number; }
const std::string& Attrs::text(const std::string& name) const { return get(name, Kind::text, "a string").text; }
const std::vector<double>& Attrs::numbers(const std::string& name) const { return get(name, Kind::numbers, "a list of numbers").numbers; }

Dims Attrs::integers(const std::string& name) const {
  const auto& list = numbers(name);
  return Dims(list.begin(), list.end());
}

void Attrs::require_read(const std::string& op) const {
  for (const auto& [name, kind, number, text, numbers, read] : attributes_)
    require(read || name == "shape" || name == "dtype", "ERR_ARGUMENT", op, ": the kernel knows no attribute '", name, "'");
}

View Call::scratch(size_t bytes) {
  View view{{int64_t(bytes)}, DType::uint8, (*next_slot)++};
  scratches.push_back({view.slot, bytes});
  return view;
}

void Call::in_place(size_t input, size_t output) { in_places.emplace_back(input, output); }

/**
 * Guards the registry: a thread that binds may look a kernel up while another thread opens a library. It is a function,
 * because kernels register themselves before main.
 */
static std::shared_mutex& registry_mutex() {
  static auto* mutex = new std::shared_mutex;
  return *mutex;
}

namespace {
/** The entries of an op. Tables are in the order of their ops, because a program looks up each of its calls. */
template <class Table> auto of_op(Table& table, std::string_view op) {
  const auto first = std::lower_bound(table.begin(), table.end(), op, [](const auto& one, std::string_view name) { return one.op < name; });
  return std::pair(first, std::find_if(first, table.end(), [&](const auto& one) { return one.op != op; }));
}

/** Adds an entry. It takes the place of an entry of the same backend, op and level. */
template <class Entry> void put(std::vector<Entry>& table, Entry entry) {
  const auto [first, end] = of_op(table, entry.op);
  const auto same = std::find_if(first, end, [&](const Entry& one) { return one.level == entry.level && one.backend == entry.backend; });
  if (same == end) table.insert(end, std::move(entry));
  else *same = std::move(entry);
}

/** The binder of the entry with the highest level that is not above `level`. Null where there is none. */
template <class Table> auto highest(const Table& table, std::string_view backend, std::string_view op, int level) {
  const typename Table::value_type* best = nullptr;
  const auto [first, end] = of_op(table, op);
  for (auto one = first; one != end; ++one)
    if (one->level <= level && (best == nullptr || one->level > best->level) && one->backend == backend) best = &*one;
  return best == nullptr ? nullptr : best->bind;
}
}  // namespace

void Registry::define(std::string_view backend, std::string_view op, int level, Bind bind) {
  std::unique_lock lock(registry_mutex());
  put(kernels_, {std::string(backend), std::string(op), level, bind});
}
void Registry::define(std::string_view backend, std::string_view op, int level, Join join) {
  std::unique_lock lock(registry_mutex());
  put(joins_, {std::string(backend), std::string(op), level, join});
}

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
  for (const auto& one : kernels_)
    if (one.backend == backend) list.push_back(one.op);
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

Chains Registry::chains(std::string_view backend) const {
  std::shared_lock lock(registry_mutex());
  for (const auto& [name, chains] : chains_)
    if (name == backend) return chains;
  return {};
}

void Registry::give_to(Registry& other) const {
  for (const auto& [backend, op, level, bind] : kernels_) other.define(backend, op, level, bind);
  for (const auto& [backend, op, level, join] : joins_) other.define(backend, op, level, join);
  std::unique_lock lock(registry_mutex());
  other.chains_.insert(other.chains_.end(), chains_.begin(), chains_.end());
  other.devices.insert(other.devices.end(), devices.begin(), devices.end());
  other.notes.insert(other.notes.end(), notes.begin(), notes.end());
}

Registry& registry() {
  static Registry* instance = new Registry;  // never destroyed: kernels register and are looked up at any time
  return *instance;
}

}  // namespace weft
