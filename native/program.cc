// Loading a program: bind each call, find a place for each value, decide what may be updated in place. Running it: walk the steps.
#include "program.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "plan.h"

namespace weft {
namespace {

template <class T> void fill(void* to, size_t bytes, double value) {
  T* p = static_cast<T*>(to);
  std::fill(p, p + bytes / sizeof(T), T(value));
}

void fill_constant(DType dtype, void* to, size_t bytes, double value) {
  switch (dtype) {
    case DType::boolean: return fill<uint8_t>(to, bytes, value != 0);
    case DType::uint8: return fill<uint8_t>(to, bytes, value);
    case DType::int8: return fill<int8_t>(to, bytes, value);
    case DType::int32: return fill<int32_t>(to, bytes, value);
    case DType::int64: return fill<int64_t>(to, bytes, value);
    case DType::float16: return fill<Float16>(to, bytes, float(value));
    case DType::bfloat16: return fill<BFloat16>(to, bytes, float(value));
    case DType::float32: return fill<float>(to, bytes, value);
    case DType::float64: return fill<double>(to, bytes, value);
  }
}

constexpr size_t align(size_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

Program::Program(ProgramSpec spec, std::string_view backend, int level) {
  int next_slot = int(spec.slots.size());
  std::vector<Call> calls;
  calls.reserve(spec.calls.size());
  for (CallSpec& description : spec.calls) {
    Call& call = calls.emplace_back();
    call.op = description.op;
    call.attrs = std::move(description.attrs);
    call.next_slot = &next_slot;
    const auto view = [&](int id) { return View{spec.values[id].dims, spec.values[id].dtype, spec.values[id].slot}; };
    for (int id : description.inputs) call.in.push_back(view(id));
    for (int id : description.outputs) call.out.push_back(view(id));

    const Bind bind = registry().find(backend, call.op, level);
    require(bind, "ERR_ARGUMENT", call.op, ": no ", backend, " kernel of this name");
    Step step;
    try {
      step = bind(call);
    } catch (const Error& error) { throw Error(error.code, call.op + ": " + error.what()); }
    const auto unread = call.attrs.unread();
    require(unread.empty(), "ERR_ARGUMENT", call.op, ": the kernel knows no attribute '", unread.empty() ? "" : unread[0], "'");
    steps_.push_back({std::move(step), int32_t(calls.size() - 1), false});
    names_.push_back(call.op);
    double bytes = 0, elements = 0;
    for (const View& v : call.in) bytes += double(v.bytes());
    for (const View& v : call.out) bytes += v.used() ? double(v.bytes()) : 0, elements += v.used() ? double(v.size()) : 0;
    costs_.emplace_back(call.flops > 0 ? call.flops : elements, bytes);
  }

  address_.assign(size_t(next_slot), nullptr);
  state_of_slot_.assign(size_t(next_slot), -1);
  size_t constant_bytes = 0;
  for (const SlotSpec& slot : spec.slots)
    if (slot.kind == SlotKind::constant) constant_bytes += align(slot.bytes);
  constants_.resize(constant_bytes + 64);
  char* constant = reinterpret_cast<char*>(align(reinterpret_cast<size_t>(constants_.data())));
  for (size_t i = 0; i < spec.slots.size(); i++) {
    const SlotSpec& slot = spec.slots[i];
    if (slot.kind == SlotKind::state) {
      state_of_slot_[i] = slot.index;
      address_[i] = spec.states[size_t(slot.index)];
    } else if (slot.kind == SlotKind::constant) {
      fill_constant(slot.dtype, constant, slot.bytes, slot.value);
      address_[i] = constant;
      constant += align(slot.bytes);
    } else if (slot.kind != SlotKind::arena) {
      auto& ports = slot.kind == SlotKind::input ? inputs_ : outputs_;
      if (ports.size() <= size_t(slot.index)) ports.resize(size_t(slot.index) + 1);
      ports[size_t(slot.index)].slots.push_back(int(i));
      ports[size_t(slot.index)].bytes = slot.bytes;
    }
  }
  share_state(spec, calls);
  place_in_arena(spec, calls);
}

/** Lets an update write over the variable it reads, where nobody reads the old value later; other assignments are copied after the last step. */
void Program::share_state(const ProgramSpec& spec, const std::vector<Call>& calls) {
  for (const WriteSpec& write : spec.writes) {
    bool shared = false;
    for (size_t k = 0; k < calls.size() && !shared && spec.slots[size_t(write.slot)].kind == SlotKind::arena; k++) {
      if (!spec.calls[k].update || state_of_slot_[size_t(write.slot)] >= 0) continue;
      for (const auto& [input, output] : calls[k].in_places) {
        if (calls[k].out[output].slot != write.slot || state_of_slot_[size_t(calls[k].in[input].slot)] != write.state) continue;
        bool read_elsewhere = false;
        for (size_t other = k; other < calls.size(); other++)
          for (size_t i = 0; i < calls[other].in.size(); i++)
            read_elsewhere |= state_of_slot_[size_t(calls[other].in[i].slot)] == write.state && !(other == k && i == input);
        for (const WriteSpec& later : spec.writes)
          read_elsewhere |= state_of_slot_[size_t(later.slot)] == write.state;  // its old value goes to another variable
        if (read_elsewhere) continue;
        state_of_slot_[size_t(write.slot)] = write.state;
        address_[size_t(write.slot)] = spec.states[size_t(write.state)];
        steps_[k].commit = true;
        shared = true;
      }
    }
    if (!shared) commits_.push_back({write.slot, spec.states[size_t(write.state)], spec.state_bytes[size_t(write.state)]});
  }
}

void Program::place_in_arena(const ProgramSpec& spec, const std::vector<Call>& calls) {
  const int32_t end = int32_t(calls.size());
  std::vector<int32_t> first(address_.size(), -1), last(address_.size(), -1);
  std::vector<size_t> bytes(address_.size(), 0);
  const auto in_arena = [&](int slot) {
    return slot >= 0 &&
           (size_t(slot) >= spec.slots.size() || (spec.slots[size_t(slot)].kind == SlotKind::arena && state_of_slot_[size_t(slot)] < 0));
  };
  for (int32_t k = 0; k < end; k++) {
    for (const View& v : calls[size_t(k)].out)
      if (in_arena(v.slot)) first[size_t(v.slot)] = last[size_t(v.slot)] = k, bytes[size_t(v.slot)] = spec.slots[size_t(v.slot)].bytes;
    for (const View& v : calls[size_t(k)].in)
      if (in_arena(v.slot)) last[size_t(v.slot)] = k;
    for (const auto& scratch : calls[size_t(k)].scratches)
      first[size_t(scratch.slot)] = last[size_t(scratch.slot)] = k, bytes[size_t(scratch.slot)] = scratch.bytes;
  }
  for (const Copy& copy : commits_)
    if (in_arena(copy.slot)) last[size_t(copy.slot)] = end;

  // An output takes over the memory of an input that ends with this call, where the kernel allows it.
  std::vector<int> home(address_.size());
  for (size_t i = 0; i < home.size(); i++) home[i] = int(i);
  for (int32_t k = 0; k < end; k++) {
    const Call& call = calls[size_t(k)];
    for (const auto& [input, output] : call.in_places) {
      const int from = call.in[input].slot, to = call.out[output].slot;
      if (!in_arena(from) || !in_arena(to) || from == to || home[size_t(to)] != to) continue;
      const size_t owner = size_t(home[size_t(from)]);
      int reads = 0;
      for (const View& v : call.in) reads += v.slot >= 0 && home[size_t(v.slot)] == int(owner);
      if (last[owner] != k || reads != 1 || bytes[size_t(to)] > bytes[owner] || first[owner] < 0) continue;
      home[size_t(to)] = int(owner);
      last[owner] = last[size_t(to)];
      // later members of the chain look the owner up through home
    }
  }

  std::vector<Block> blocks;
  std::vector<size_t> block_of(address_.size(), SIZE_MAX);
  for (size_t i = 0; i < address_.size(); i++) {
    if (first[i] < 0 || home[i] != int(i)) continue;
    block_of[i] = blocks.size();
    blocks.push_back({bytes[i], first[i], last[i]});
  }
  const Plan placed = plan(blocks);
  arena_bytes_ = placed.bytes;
  for (size_t i = 0; i < address_.size(); i++)
    if (first[i] >= 0) arena_slots_.emplace_back(int(i), placed.offsets[block_of[size_t(home[i])]]);
}

void Program::run(char* arena, void* const* inputs, void* const* outputs, Fault& fault, Profile* profile) {
  if (arena_ != arena) {
    for (const auto& [slot, offset] : arena_slots_) address_[size_t(slot)] = arena + offset;
    arena_ = arena;
  }
  for (size_t i = 0; i < inputs_.size(); i++)
    for (int slot : inputs_[i].slots) address_[size_t(slot)] = inputs[i];
  for (size_t i = 0; i < outputs_.size(); i++)
    for (int slot : outputs_[i].slots) address_[size_t(slot)] = outputs[i];

  Frame frame{address_.data(), nullptr, &fault};
  for (const BoundStep& bound : steps_) {
    if (bound.commit && fault.raised()) continue;
    frame.call = bound.call;
    if (profile == nullptr) {
      bound.step(frame);
      continue;
    }
    const auto begin = std::chrono::steady_clock::now();
    bound.step(frame);
    auto& entry = profile->entries[names_[size_t(bound.call)]];
    entry.ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    entry.count++;
    entry.flops += costs_[size_t(bound.call)].first;
    entry.bytes += costs_[size_t(bound.call)].second;
  }
  if (!fault.raised())
    for (const Copy& copy : commits_)
      if (copy.bytes > 0) std::memcpy(copy.to, address_[size_t(copy.slot)], copy.bytes);
}

}  // namespace weft
